// Tests of the lab's live page in a real browser against the real `polyio lab live`.
//
//   cd web && npm install && POLYIO_CHAT=/path/to/polyio node --test ../tests/page/live.test.mjs

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';

import { accessible, axe, blank, options, SIZES, until } from './harness.mjs';
import { charts } from './report_harness.mjs';

const program = process.env.POLYIO_CHAT;
const skip = program ? false : 'POLYIO_CHAT does not name the program';
Object.assign(SIZES, {
  wide: { viewport: { width: 1200, height: 900 } },
  hand: { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true },
});

/** Starts it; `port` 0: any. It is ended with the test. */
async function serve(t, port = 0) {
  const child = spawn(
    program,
    ['lab', 'live', '--listen', `127.0.0.1:${port}`, '--every', '0.1', '--model', 'epoll',
      '--connections', '10'],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const ended = once(child, 'exit');
  const server = {
    async end() {
      if (child.exitCode !== null) return;
      child.kill('SIGINT');
      const [code] = await ended;
      assert.equal(code, 130, 'Ctrl-C ends it in an orderly way');
    },
  };
  t.after(() => server.end());
  let said = '';
  child.stdout.on('data', (data) => (said += data));
  const ready = await until('its address', () => /open (http:\S+:(\d+)\/)\n/.exec(said));
  return Object.assign(server, { url: ready[1], port: Number(ready[2]) });
}

/** The page, once a load runs; whatever its console says fails the test. */
async function visit(t, server, view) {
  const page = await blank(t, view);
  page.on('console', (message) => page.errors.push(message.text()));
  await page.goto(server.url);
  await running(page);
  return page;
}

const phase = (page) => page.getAttribute('#phase', 'data-phase');
const running = (page) =>
  until('a load that runs', async () => (await phase(page)) === 'running');
const pressed = (page, dial) =>
  page.$eval(`[aria-labelledby="${dial}-label"] [aria-pressed="true"]`, (one) => one.textContent);
const says = (page, what) =>
  until(what, async () => (await page.textContent('#says-text')).match(what));
const tile = (page, index) => page.textContent(`#tiles .tile:nth-child(${index}) dd`);
const drawn = (page) =>
  until('lines in the charts', async () => (await charts(page)).every((one) => one.coloured > 20));

test('dials are turned while the load runs', { ...options, skip }, async (t) => {
  const server = await serve(t);
  const page = await visit(t, server, { size: 'wide' });
  assert.equal(await pressed(page, 'model'), 'epoll');
  await until('requests', async () => /^[\d.,]+k?$/.test(await tile(page, 1)));
  await page.click('#model-poll');
  await says(page, /The model was changed under the open connections: poll, after epoll: 10 conn/);
  assert.equal(await pressed(page, 'model'), 'poll');
  await page.click('#architecture-thread-per-connection');
  await says(page, /A new server: architecture thread-per-connection/);
  await running(page);
  await page.click('#architecture-loop');
  await says(page, /A new server: architecture loop/);
  await running(page);
  await page.selectOption('#depth-select', '4');
  await says(page, /A new load: depth 4/);
  await running(page);
  await until('a figure', async () => /\d/.test(await tile(page, 1)));
  await drawn(page);
  assert.deepEqual(await page.evaluate(() => window.violations), []);
});

test('what does not go together says why, mouse and keyboard', { ...options, skip }, async (t) => {
  const page = await visit(t, await serve(t), { size: 'wide' });
  const blocking = page.locator('#model-blocking');
  assert.equal(await blocking.getAttribute('aria-disabled'), 'true');
  await blocking.click({ force: true });
  assert.match(await page.textContent('#why'), /would hold up all connections/);
  assert.equal(await pressed(page, 'model'), 'epoll');
  await page.focus('#model-epoll');
  await page.keyboard.press('ArrowRight');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'model-epoll-et');
  await page.keyboard.press('Space');
  await says(page, /was changed under the open connections: epoll-et/);
  assert.equal(await page.evaluate(() => document.activeElement.id), 'model-epoll-et');
});

test('all browsers see the same, a lost connection comes back', { ...options, skip }, async (t) => {
  const server = await serve(t);
  const [one, other] = [await visit(t, server), await visit(t, server)];
  await one.click('#connections-1');
  await until('it in the other', async () => (await pressed(other, 'connections')) === '1');
  await server.end();
  for (const page of [one, other]) {
    page.errors.length = 0; // the browser says of each try that it was refused
    await until('the loss', async () => (await phase(page)) === 'lost');
    assert.ok(await page.isVisible('#banner'));
  }
  const again = await serve(t, server.port);
  await running(other);
  assert.ok(await other.isHidden('#banner'));
  assert.equal(await pressed(other, 'connections'), '10', 'it shows the new one');
  for (const page of [one, other]) {
    await running(page);
    page.errors.length = 0;
  }
  await again.end();
});

test('system calls are counted, a request is drawn', { ...options, skip }, async (t) => {
  const page = await visit(t, await serve(t), { size: 'wide' });
  await until('the calls', () => page.$('#calls table, #calls .warn'));
  await until('the picture', () => page.$('#trace svg.picture, #trace .warn'));
  if (await page.$('#trace .warn')) return t.skip(await page.textContent('#trace .warn'));
  assert.match(await page.textContent('#calls'), /Counted at 10 connections/);
  assert.match(await page.textContent('#trace h3'), /^epoll: synchronous$/);
  assert.match(await page.getAttribute('#trace [role="img"]', 'aria-label'), /copies the data/);
  const kinds = await page.$$eval('.picture .piece', (all) => all.map((one) => one.classList[1]));
  for (const kind of ['wait', 'copy', 'copies', 'sends', 'sleeps']) assert.ok(kinds.includes(kind));
  const wrong = await page.$$eval('.picture *', (all) =>
    all.filter((one) => /NaN|undefined/.test(one.outerHTML)).length);
  assert.equal(wrong, 0);
});

for (const view of ['wide light', 'wide dark', 'hand light', 'hand dark']) {
  const [size, scheme] = view.split(' ');
  test(`accessible, no side-scrolling: ${view}`, { ...options, skip }, async (t) => {
    const page = await visit(t, await serve(t), { size, scheme });
    await until('the picture', () => page.$('#trace figure, #trace .warn'));
    await drawn(page);
    await page.click('#pause');
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.equal(width, SIZES[size].viewport.width);
    assert.doesNotMatch(await page.innerText('body'), /NaN|undefined|Infinity|null|\[object/);
    await page.evaluate(axe.source);
    await accessible(page, view);
  });
}
