// The lab's report: reads the results that lie in the page, and lays them out. Everything is drawn
// anew when a dial, the theme, the width or the medium changes: it takes a few milliseconds.

import 'uplot/dist/uPlot.min.css';
import { byId, make } from '../../src/dom';
import { claimsPart } from './claims';
import { ChartsPart } from './charts';
import { howMeasured, incomplete, machineLine, troubles, verdicts, whenLine } from './prose';
import { percent } from './format';
import { hasRun } from './selection';
import { readResults, type Results } from './results';
import { pointsTable } from './table';
import { tracePart } from './trace';
import type { Chart } from './chart';

const SCHEMA = 1;
const BUSY = 0.05; // as lab/verdicts.cpp has it
const root = document.documentElement;

function section(title: string, id: string, ...content: HTMLElement[]): HTMLElement {
  const head = make('h2', '', title);
  head.id = id;
  const element = make('section', '', head, ...content);
  element.setAttribute('aria-labelledby', id);
  return element;
}

const box = (text: string) => make('p', 'box warn', text);

function parse(): Results | string {
  const text = byId('results').textContent ?? '';
  if (!text.trim()) return 'There are no results in this page: `polyio lab run` puts them there.';
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return readResults(value);
  } catch {
    // As with other content that is not the lab's.
  }
  return 'The results in this page can’t be read: they are not what `polyio lab run` writes.';
}

/** Calls `draw` again when what it looked at has changed. */
function redrawOn(draw: () => void): void {
  let width = root.clientWidth;
  new ResizeObserver(() => {
    if (root.clientWidth === width || root.classList.contains('printing')) return;
    width = root.clientWidth;
    draw();
  }).observe(document.body);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
  const print = (on: boolean) => {
    if (root.classList.toggle('printing', on) === on) draw();
  };
  const medium = matchMedia('print');
  medium.addEventListener('change', () => print(medium.matches));
  addEventListener('beforeprint', () => print(true));
  addEventListener('afterprint', () => print(medium.matches));
  if (medium.matches) print(true);
}

function show(results: Results): void {
  byId('machine').textContent = machineLine(results);
  byId('when').textContent = whenLine(results);
  const parts: HTMLElement[] = [];
  if (results.schema !== SCHEMA) {
    const found = results.schema === null ? 'no schema' : `schema ${results.schema}`;
    const words = `These results have ${found}; this page knows ${SCHEMA}.`;
    parts.push(box(`${words} What it knows is shown, and may be wrong.`));
  }
  const { points, claims, trace } = results;
  const drawn: { draw(): void }[] = [];
  if (points.length) {
    if (!results.complete) parts.push(incomplete(results));
    parts.push(section('The answer', 'verdicts', verdicts(results)));
    const charts = new ChartsPart(points);
    drawn.push(charts);
    parts.push(section('The figures', 'charts', charts.element));
  }
  if (claims.length) {
    if (!points.length && !results.complete)
      parts.push(box('The measurement was stopped: the claims are judged by what was there.'));
    if (results.waited > BUSY) {
      const words = `The machine was busy: for ${percent(results.waited)} of the time`;
      parts.push(box(`${words} server or load waited for a core. Measure the claims again.`));
    }
    const part = claimsPart(claims);
    drawn.push(...part.charts satisfies Chart[]);
    parts.push(section('Claims', 'claims', part.element));
  }
  if (trace) parts.push(section('The two phases', 'trace', tracePart(trace)));
  if (points.some((point) => hasRun(point) || point.errors.length))
    parts.push(section('All figures', 'points', pointsTable(points)));
  const trouble = troubles(results);
  if (trouble) parts.push(section('What is missing', 'missing', trouble));
  if (points.length) parts.push(section('How it was measured', 'how', howMeasured(results)));
  if (!points.length && !claims.length && !trace) parts.push(box('Nothing was measured.'));
  byId('report').replaceChildren(...parts);
  const draw = () => drawn.forEach((part) => part.draw());
  draw();
  redrawOn(draw);
}

const results = parse();
if (typeof results === 'string') byId('report').replaceChildren(box(results));
else show(results);
for (const skip of document.querySelectorAll<HTMLElement>('.skip'))
  skip.hidden = !document.getElementById('points');
