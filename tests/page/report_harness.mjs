// What the tests of the lab's report stand on: the page as it is built, opened from a file as its
// readers do.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { pathToFileURL } from 'node:url';

import { blank, SIZES } from './harness.mjs';

const built = new URL('../../web/lab/dist/index.html', import.meta.url);
export const template = readFileSync(built, 'utf8');
const folder = mkdtempSync(join(tmpdir(), 'polyio-report-'));
after(() => rmSync(folder, { recursive: true, force: true }));

Object.assign(SIZES, { reader: { viewport: { width: 380, height: 800 }, isMobile: true } });

let files = 0;

/** The page with this text as its results, put in as lab/report.cpp does. */
export async function load(page, json) {
  const place = '<script type="application/json" id="results">';
  const file = join(folder, `${files++}.html`);
  const escaped = json
    .replaceAll('<', '\\u003c')
    .replaceAll('\u2028', '\\u2028')
    .replaceAll('\u2029', '\\u2029');
  writeFileSync(file, template.replace(place, () => place + escaped));
  await page.goto(pathToFileURL(file).href);
}

/** A page of its own with these results; whatever the console says fails the test. */
export async function open(t, content, view) {
  const page = await blank(t, view);
  page.on('console', (message) => page.errors.push(message.text()));
  page.on('request', (request) => page.requests.push(request.url()));
  page.requests = [];
  await load(page, JSON.stringify(content));
  return page;
}

/** The same page with other results. */
export const turn = (page, content) => load(page, JSON.stringify(content));

export const text = (page) => page.innerText('body');

/** For each chart its title, and how many colours besides grey its canvas has. */
export function charts(page) {
  return page.$$eval('figure:has(canvas)', (figures) =>
    figures.map((figure) => {
      const canvas = figure.querySelector('canvas');
      const { width, height } = canvas;
      const empty = new OffscreenCanvas(width, height);
      const copy = empty.getContext('2d', { willReadFrequently: true });
      copy.drawImage(canvas, 0, 0);
      const { data } = copy.getImageData(0, 0, width, height);
      let coloured = 0;
      for (let i = 0; i < data.length; i += 4) {
        const [r, g, b] = [data[i], data[i + 1], data[i + 2]];
        if (data[i + 3] > 200 && Math.max(r, g, b) - Math.min(r, g, b) > 60) coloured++;
      }
      return { title: figure.querySelector('h3').textContent, coloured };
    }),
  );
}

/** Nothing anywhere that looks like a number that is none, and no empty frame. */
export async function sane(page) {
  assert.doesNotMatch(await text(page), /NaN|undefined|Infinity|null|\[object/);
  for (const { title, coloured } of await charts(page))
    assert.ok(coloured > 20, `${title} shows something: ${coloured} coloured pixels`);
  const labels = await page.$$eval('.plot', (plots) => plots.map((plot) => plot.ariaLabel));
  for (const label of labels) assert.doesNotMatch(label, /NaN|undefined|Infinity|null/);
}
