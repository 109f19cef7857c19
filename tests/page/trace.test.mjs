// Tests of a trace in the lab's report: its figure is an image, in which nothing runs or loads.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { accessible, axe, options, SIZES, until } from './harness.mjs';
import { brief } from './made_up_results.mjs';
import { open, sane, turn } from './report_harness.mjs';

const FIGURE = '<svg xmlns="http://www.w3.org/2000/svg" width="900" height="300"><title>t</title>' +
  '<rect width="900" height="300" fill="#fff"/><text x="10" y="20">recv: #1 50% & so</text></svg>';
const TRACE = { schema: 1, machine: {}, svg: FIGURE.replace('& so', '&amp; so'), trace: { models: [
  { call: 'recv', model: 'epoll', sentence: 'The thread sleeps in epoll_pwait2.' },
  { call: 'accept', model: 'io_uring', left_out: 'it is <b>denied</b>' },
] } };

for (const [size, scheme] of [['desktop', 'light'], ['desktop', 'dark'], ['reader', 'dark']]) {
  test(`a trace alone: figure and sentences, ${size} ${scheme}`, options, async (t) => {
    const page = await open(t, TRACE, { size, scheme });
    const heads = await page.$$eval('main h2', (found) => found.map((head) => head.textContent));
    assert.deepEqual(heads, ['The two phases']);
    await until('the figure', () => page.$eval('.trace img', (one) => one.naturalWidth === 900));
    assert.match(await page.getAttribute('.trace img', 'alt'), /recv, epoll: The thread sleeps/);
    const items = await page.$$eval('.sentences li', (all) => all.map((one) => one.textContent));
    assert.deepEqual(items, ['recv, epoll: The thread sleeps in epoll_pwait2.',
      'accept, io_uring: not traced: it is <b>denied</b>']);
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.equal(width, SIZES[size].viewport.width);
    assert.deepEqual(await page.evaluate(() => window.violations), []);
    await page.evaluate(axe.source);
    await accessible(page, `trace ${size} ${scheme}`);
  });
}

test('a trace beside results; a figure that is none, or evil', options, async (t) => {
  const evil = '<svg xmlns="http://www.w3.org/2000/svg" onload="parent.pwned=1"><script>' +
    'parent.pwned=1;top.pwned=1</script><image href="http://127.0.0.1:9/x.png"/></svg>';
  const page = await open(t, { ...brief(), ...TRACE, svg: evil });
  const heads = await page.$$eval('main h2', (found) => found.map((head) => head.textContent));
  assert.deepEqual(heads.slice(0, 4), ['The answer', 'The figures', 'Claims', 'The two phases']);
  await until('the image', () => page.$eval('.trace img', (one) => one.complete));
  assert.equal(await page.evaluate(() => window.pwned), undefined);
  assert.deepEqual(page.requests.filter((url) => url.startsWith('http')), []);
  await sane(page);
  for (const svg of ['', 7, null, 'javascript:alert(1)', '<html>']) {
    await turn(page, { ...TRACE, svg });
    assert.equal(await page.$('.trace img'), null);
    assert.equal(await page.locator('.sentences li').count(), 2);
  }
});
