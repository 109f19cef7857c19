// Tests of the lab's report as it is built (web/lab/dist), opened from a file as its readers do,
// with made-up results in it.
//
//   cd web && npm install && npm test

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { accessible, axe, options, SIZES, until } from './harness.mjs';
import { brief, CLAIMS, full, point, results } from './made_up_results.mjs';
import { charts, load, open, sane, template, text, turn } from './report_harness.mjs';

const TITLES = [
  'Server CPU time per request',
  'Requests per second',
  'Latency, the middle (p50)',
  'Latency, the slow ones (p99)',
  'System calls per request',
  'Context switches per request',
  'Memory per connection',
  'New connections per second',
];

test('the template is one file of a bounded size that loads nothing', options, async (t) => {
  assert.ok(template.length < 250_000, `${template.length} bytes`);
  assert.match(template, /The MIT License/, "uPlot's licence is kept");
  const page = await open(t, full());
  assert.equal(page.requests.length, 1, `only the page: ${page.requests}`);
  assert.deepEqual(await page.evaluate(() => window.violations), []);
  const pieces = await page.$$eval('[src], link[href], [style*="url"]', (found) => found.length);
  assert.equal(pieces, 0);
});

const VIEWS = ['desktop light', 'desktop dark', 'reader light', 'reader dark', 'narrow light'];
for (const view of VIEWS) {
  const [size, scheme] = view.split(' ');
  test(`charts have data, accessible, no side-scrolling: ${view}`, options, async (t) => {
    const page = await open(t, brief(), { size, scheme });
    const titles = (await charts(page)).map(({ title }) => title);
    assert.deepEqual(titles, [...TITLES, 'poll-grows', 'gil']);
    await sane(page);
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.equal(width, SIZES[size].viewport.width);
    await page.evaluate(axe.source);
    await accessible(page, view);
  });
}

test('the answers come first, noise is said, the machine is one line', options, async (t) => {
  const page = await open(t, full());
  const order = await page.$$eval('main h2', (heads) => heads.map((head) => head.textContent));
  assert.deepEqual(order, ['The answer', 'The figures', 'Claims', 'All figures',
    'What is missing', 'How it was measured']);
  assert.equal(await page.textContent('#machine'), 'Made-up Processor 3000 @ 2.9 GHz · 2 cores · ' +
    '4\u00a0GiB of memory · Debian GNU/Linux 12 · Linux 6.18.0 · a virtual machine (kvm)');
  assert.match(await page.textContent('#when'), /29 November 2026, 15:30 to 15:41 UTC · polyio/);
  const cards = await page.$$eval('.verdict', (found) => found.map((card) => card.innerText));
  assert.equal(cards.length, 3);
  assert.match(cards[0], /1 connection\?\n+io_uring\n+io_uring needs 7\.3 µs/);
  assert.match(cards[2], /either\n+≈ within the noise/);
  assert.match(await page.textContent('#how + div'), /at most 0\.\d+\u00a0% of the time/);
});

const pressed = (page) => page.$$eval('.line[aria-pressed="true"]', (lines) => lines.length);
const pixels = (page) => page.$eval('canvas', (canvas) => canvas.toDataURL());

test('lines are shown and hidden in the legend, by mouse and by keyboard', options, async (t) => {
  const page = await open(t, full());
  const first = await pixels(page);
  assert.equal(await pressed(page), 8);
  assert.match(await page.textContent('.many'), /8 of 23 lines shown/);
  await page.click('.line >> text="epoll · loop"');
  assert.equal(await pressed(page), 7);
  await page.mouse.move(0, 0);
  await page.evaluate(() => document.activeElement.blur());
  assert.notEqual(await pixels(page), first);
  await page.focus('.line >> nth=3');
  await page.keyboard.press('Space');
  assert.equal(await pressed(page), 8);
  await page.evaluate(() => document.activeElement.blur());
  assert.equal(await pixels(page), first, 'as before');
  await page.focus('.line >> nth=3');
  assert.notEqual(await pixels(page), first, 'the others step back');
  await page.click('text=None');
  assert.match(await text(page), /No line is shown/);
  assert.deepEqual((await charts(page)).map(({ title }) => title), ['poll-grows', 'gil']);
  await page.click('text=Show all');
  assert.equal(await pressed(page), 23);
  await sane(page);
});

test('dials: handler, size, and the connections of the bars', options, async (t) => {
  const page = await open(t, full());
  const before = await pixels(page);
  await page.selectOption('.controls .dial >> nth=0', 'cpu:200us');
  assert.notEqual(await pixels(page), before);
  await sane(page);
  await page.selectOption('.controls .dial >> nth=1', '16384');
  assert.match(await text(page), /Nothing was measured with these settings together/);
  await page.selectOption('.controls .dial >> nth=0', 'echo');
  await sane(page);
  await page.selectOption('.controls .dial >> nth=1', '64');
  assert.equal(await pixels(page), before);

  assert.match(await text(page), /At 1,000 connections/);
  const rows = () => page.$$eval('.bars', (all) => all.map((bars) => bars.innerText));
  const thousand = await rows();
  assert.match(thousand[0], /user\nsystem\n+io_uring · loop\s+[\d.]+\sµs \+ [\d.]+\sµs/);
  assert.match(thousand[1], /recvfrom/);
  assert.match(thousand[2], /voluntary/);
  const dial = page.locator('select').last();
  await dial.focus();
  await dial.selectOption('1');
  assert.match(await text(page), /At 1 connection\n/);
  assert.notDeepEqual(await rows(), thousand);
  assert.equal(await page.evaluate(() => document.activeElement.value), '1', 'the focus stays');
});

test('a pointer or the arrow keys read values from a chart', options, async (t) => {
  const page = await open(t, full());
  const chart = page.locator('.plot').first();
  await chart.focus();
  await page.keyboard.press('End');
  const spoken = () => page.textContent('#spoken');
  assert.match(await spoken(), /^connections 10,000: nonblocking · loop 1\.\d+\sms/);
  assert.match(await chart.locator('.tip').innerText(), /connections: 10,000\s+nonblocking · loop/);
  await page.keyboard.press('ArrowLeft');
  assert.match(await spoken(), /^connections 1,000: /);
  await page.keyboard.press('Escape');
  assert.ok(await chart.locator('.tip').isHidden());
  await chart.scrollIntoViewIfNeeded();
  await chart.locator('.u-over').hover({ position: { x: 20, y: 30 } });
  assert.match(await chart.locator('.tip').innerText(), /connections: 1\s/);
});

test('whiskers reach from quartile to quartile', options, async (t) => {
  const wide = point('epoll', 'loop', 10);
  const page = await open(t, results([wide]));
  const narrow = (await charts(page))[0].coloured;
  const { median } = wide.medians.cpu_us;
  wide.medians.cpu_us = { median, low: median / 2, high: median * 2 };
  await turn(page, results([wide]));
  assert.ok((await charts(page))[0].coloured > narrow + 50);
});

test('with few connections, "10 active" of 10 belongs to both lines', options, async (t) => {
  const active = (connections) => point('epoll', 'loop', connections, { active: 10 });
  const page = await open(t, results([...[1, 10, 100, 1000].map((n) => point('epoll', 'loop', n)),
    active(100), active(1000), active(10000)]));
  const label = () => page.locator('.plot').first().getAttribute('aria-label');
  assert.match(await label(), /from .* at 1 to .* at 1,000\./);
  await page.selectOption('.controls .dial', '10');
  assert.match(await label(), /from .* at 1 to .* at 10,000\./);
  await sane(page);
});

test('"100 at most" is one line over all connections, and no choice', options, async (t) => {
  const most = (connections) =>
    point('epoll', 'loop', connections, { active: Math.min(100, connections) });
  const page = await open(t, results([1, 10, 100, 1000, 10000].map(most)));
  const label = await page.locator('.plot').first().getAttribute('aria-label');
  assert.match(label, /from .* at 1 to .* at 10,000\./);
  assert.equal(await page.locator('.controls .dial').count(), 0);
  await sane(page);
});

test('the table of points sorts, and what is missing stays last', options, async (t) => {
  const page = await open(t, full());
  const column = (n) => page.$$eval(`.points td:nth-child(${n})`, (cells) =>
    cells.map((cell) => cell.firstChild.textContent));
  assert.equal((await column(1)).length, 142, 'the failed point too; not what was left out');
  await page.click('.points button >> text=/^Model/');
  const names = await column(1);
  assert.deepEqual(names, [...names].sort());
  await page.focus('.points button >> text=/^Memory/');
  const head = page.locator('.points th', { hasText: 'Memory' });
  for (const sort of ['ascending', 'descending']) {
    await page.keyboard.press('Enter');
    assert.equal(await head.getAttribute('aria-sort'), sort);
    const values = await column(1 + (await head.evaluate((cell) => cell.cellIndex)));
    const there = values.filter((value) => value !== '–');
    assert.deepEqual(values.slice(there.length), values.filter((value) => value === '–'));
    const sizes = there.map((value) => parseFloat(value) * (value.endsWith('KiB') ? 1024 : 1));
    const up = [...sizes].sort((a, b) => a - b);
    assert.deepEqual(sizes, sort === 'ascending' ? up : up.reverse());
  }
  assert.equal(await page.locator('.points th[aria-sort]').count(), 1);
});

test('failed rounds and left-out combinations are there with their reasons', options, async (t) => {
  const page = await open(t, full());
  const missing = await page.innerText('#missing + div');
  assert.match(missing, /an answer was wrong: byte 12 of 64\n+io_uring · loop, 1,000 connections/);
  assert.match(missing, /ended with signal 11\n+posix-aio · loop, 10,000 connections/);
  assert.match(missing, /room for 1,024 descriptors\n+select · loop, 10,000 connections/);
  assert.match(missing, /all connections of the loop\n+blocking · loop\n+blocking · loops\n/);
  assert.match(await page.innerText('.points'), /2 \(1 failed\)/);
});

test('claims: table, verdicts, charts with names and with numbers', options, async (t) => {
  const page = await open(t, { ...results([]), verdicts: [], claims: CLAIMS });
  assert.deepEqual(await page.$$eval('.claims .pill', (all) => all.map((one) => one.textContent)),
    ['✓ holds', '≈ within noise', '✗ does not hold here', '– not measured']);
  assert.deepEqual((await charts(page)).map(({ title }) => title), ['poll-grows', 'gil']);
  assert.match(await page.innerText('.claims'), /Source: folklore/);
  assert.match(await page.innerText('#claims + div'),
    /^1 holds, 1 does not hold here, 1 is within the noise and 1 was not measured\. A claim/);
  await sane(page);
  assert.ok(await page.isHidden('.skip'), 'no table to skip to');
  await turn(page, { ...results([]), verdicts: [], claims: CLAIMS, complete: false,
    waited_for_core_share: 0.25 });
  assert.match(await text(page), /was stopped: the claims are judged by what was there/);
  assert.match(await text(page), /busy: for 25\u00a0% of the time server or load waited/);
});

test('beside others polyio is shown, whatever it costs', options, async (t) => {
  const beside = (model, architecture, us) => {
    const one = { ...point('epoll', 'loop', 100), model, architecture };
    one.medians = { ...one.medians, cpu_us: { median: us, low: us, high: us } };
    return one;
  };
  const others = Array.from({ length: 12 }, (_, i) => beside(`lib${i}`, 'peer', 1 + i));
  const page = await open(t, results([beside('epoll', 'loop', 99),
    beside('hand-epoll', 'hand-written', 0.5), ...others]));
  const shown = await page.$$eval('.line[aria-pressed="true"]', (lines) =>
    lines.map((line) => line.textContent));
  assert.deepEqual(shown, ['polyio epoll · loop', 'hand-epoll · hand-written',
    ...Array.from({ length: 6 }, (_, i) => `lib${i} · peer`)]);
  await sane(page);
});

test('on paper: light, without controls, charts inside of the paper', options, async (t) => {
  const page = await open(t, full(), { scheme: 'dark' });
  const ground = () => page.$eval('body', (body) => getComputedStyle(body).backgroundColor);
  const onScreen = await ground();
  await page.setViewportSize({ width: 703, height: 1000 });
  await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
  await until('the print layout', () => page.$('.printing'));
  assert.equal(await ground(), 'rgb(255, 255, 255)');
  for (const control of ['.dial', '.many', '.skip', '.line[aria-pressed="false"]'])
    assert.equal(await page.locator(`${control}:visible`).count(), 0, control);
  assert.equal(await page.locator('.line:visible').count(), 8, 'the legend of what is shown');
  await sane(page);
  const outside = await page.$$eval('figure, figure canvas', (all) =>
    all.filter((one) => one.getBoundingClientRect().right > 704).length);
  assert.equal(outside, 0);
  await page.emulateMedia({ media: 'screen', colorScheme: 'dark' });
  await until('the screen again', async () => (await page.$('.printing')) === null);
  assert.equal(await ground(), onScreen);
  await sane(page);
});

test('the theme and the width may change while it is open', options, async (t) => {
  const page = await open(t, full());
  const light = await pixels(page);
  await page.emulateMedia({ colorScheme: 'dark' });
  await until('dark charts', async () => (await pixels(page)) !== light);
  await page.setViewportSize({ width: 400, height: 800 });
  const wide = () => page.$$eval('canvas', (all) =>
    all.filter((one) => one.getBoundingClientRect().right > 400).length);
  await until('narrow charts', async () => (await wide()) === 0);
  await sane(page);
});

test('text of the results is text, wherever it stands', options, async (t) => {
  const evil = '</script><img src=x onerror="window.pwned=1"><script>window.pwned=1</script>' +
    '\'"`&lt;b&gt; \u2028\u2029<!-- ${7*7}';
  const run = { ...point('epoll', 'loop', 10), model: evil, architecture: evil, handler: evil,
    system_calls: { [evil]: 1, __proto__: 2, constructor: 1 } };
  const series = [{ name: evil, x: [evil, 'b'], y: [1, 2] }];
  const chart = { x_label: evil, y_label: evil, series };
  const page = await open(t, {
    ...results([
      run,
      { ...run, handler: 'echo', connections: 100 },
      { ...run, connections: 1000, left_out: evil },
      { ...run, connections: 1, runs: [{ round: 1, error: evil }], medians: null },
    ]),
    polyio: evil, command: evil, started: evil, finished: evil, complete: false,
    machine: { processor: evil, kernel: evil, system: evil, virtual: evil },
    verdicts: [{ question: evil, answer: evil, text: evil, within_noise: true }],
    claims: [{ name: evil, claim: evil, source: evil, measured: evil, verdict: evil, text: evil,
      chart }],
  });
  await sane(page);
  assert.equal(await page.evaluate(() => window.pwned), undefined);
  assert.equal(await page.$('img, b'), null);
  assert.equal(await page.$$eval('script', (all) => all.length), 2);
  assert.deepEqual(await page.evaluate(() => window.violations), []);
  assert.ok((await text(page)).split('onerror="window.pwned=1"').length > 15, 'all is shown');
  // Were a script to get in all the same, it would not run.
  page.errors.length = 0;
  await page.evaluate(() => {
    const script = document.createElement('script');
    script.append('window.pwned = 1');
    document.body.append(script);
  }).catch(() => {});
  await until('a violation', () => page.evaluate(() => window.violations.length > 0));
  assert.equal(await page.evaluate(() => window.pwned), undefined);
  page.errors.length = 0;
});

test('one point only, one model only, missing numbers', options, async (t) => {
  const page = await open(t, results([point('epoll', 'loop', 100)], { verdicts: [] }));
  await sane(page);
  assert.equal((await charts(page)).length, 8);
  assert.match(await text(page), /no verdict/);
  assert.equal(await page.textContent('.line'), 'epoll · loop');

  await turn(page, results([1, 10].map((n) => point('epoll', 'prefork', n))));
  await sane(page);
  assert.match(await text(page), /Not measured here: memory per connection and new connections/);

  const bare = point('epoll', 'loop', 10);
  for (const run of bare.runs)
    for (const key of Object.keys(run))
      if (!['round', 'cpu_user_us', 'cpu_system_us'].includes(key)) run[key] = null;
  Object.assign(bare, { medians: null, system_calls: null, system_calls_per_request: null });
  await turn(page, results([bare, { ...bare, connections: null }], {
    machine: null, settings: null, verdicts: null, started: null, finished: null, command: null }));
  await sane(page);
  assert.deepEqual((await charts(page)).map(({ title }) => title), TITLES.slice(0, 1));
  assert.match(await text(page), /machine is not described/);

  const zero = point('epoll', 'loop', 10);
  zero.medians = { cpu_us: { median: 0, low: 0, high: 0 } };
  await turn(page, results([{ ...zero, runs: [], system_calls: {} }]));
  await sane(page);
  assert.match(await text(page), /All figures/);

  const odd = { ...zero, medians: { cpu_us: { median: -1, low: -1, high: -1 }, p50_us: 7 } };
  await turn(page, results([{ ...odd, runs: [], system_calls: {}, system_calls_per_request: -2 }]));
  assert.deepEqual((await charts(page)).map(({ title }) => title), TITLES.slice(2, 3));
  await turn(page, results([{ ...odd, connections: 0 }]));
  assert.deepEqual(await charts(page), [], 'no place on a logarithmic axis');
  assert.equal(await page.locator('.points tbody tr').count(), 1);
});

test('errors only, left out only, not finished', options, async (t) => {
  const failed = { ...point('epoll', 'loop', 10), medians: null, system_calls_per_request: null,
    system_calls: null, runs: [{ round: 1, error: 'connection refused' }] };
  const page = await open(t, results([failed], { verdicts: [] }));
  assert.match(await text(page), /No combination gave figures[\s\S]*connection refused/);
  await sane(page);

  await turn(page, results([point('blocking', 'loop', 10)], { verdicts: [] }));
  assert.match(await text(page), /one blocking call would hold up all/);
  assert.equal(await page.$('.points'), null);
  await sane(page);

  const waiting = { ...failed, runs: [] };
  await turn(
    page,
    results([point('poll', 'loop', 10), waiting], { complete: false, finished: null }),
  );
  assert.match(await text(page), /Not finished: [^.]*\. 1 of 2 combinations have figures/);
  assert.match(await text(page), /not run yet\n+epoll · loop, 10 connections/);
  await sane(page);
});

const JUNK = ['', 'nonsense', '[]', '3', 'null', '{"points": [', '{}', '{"schema":2,"points":7}',
  '{"schema":1,"points":[null,3,"x",[],{"runs":{}},{"runs":[null,{"latency_us":7}]}],"verdicts":' +
    '[null,{"answer":[]}],"claims":[null,{"chart":{"series":[{"x":[1],"y":[]},{"x":3,"y":[1]}]}}]}',
  JSON.stringify(results([{ ...point('epoll', 'loop', -5), active: 'x', size: {}, rate: 1e400 },
    { ...point('epoll', 'loop', 10), medians: { cpu_us: { median: -1, low: 'x', high: [] } } },
    { ...point('epoll', 'loop', 1e14), medians: { cpu_us: { median: 1e15 }, p50_us: 1e-300 } },
    { ...point('epoll', 'loop', 1e-300), medians: { p50_us: 1e15, p99_us: 1e308 } }])),
];

test('what is no results.json is said, or shown as far as it goes', options, async (t) => {
  const page = await open(t, { ...brief(), schema: 2 });
  assert.match(await text(page), /have schema 2; this page knows 1/);
  for (const json of JUNK) {
    await load(page, json);
    await sane(page);
    assert.ok((await page.innerText('main')).trim().length > 20, `something on ${json}`);
  }
});
