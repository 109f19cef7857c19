// The page in a real browser against a real server: pages and a plain TCP line client in one room.
//
//   cd web && npm install && POLYIO_CHAT=/path/to/polyio npm test
//
// POLYIO_CHAT       the server; without it, mock.mjs stands in
// POLYIO_CHAT_ARGS  more arguments for it, as in "--model epoll"
// CHROMIUM          the browser, /usr/bin/chromium if not set
//
// Every test has a server of its own and waits for conditions, never for a time.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

import {
  connected,
  here,
  is,
  join,
  lineClient,
  messages,
  openMessage,
  options,
  people,
  POLICY,
  say,
  serve,
  setNick,
  showRoom,
  shows,
  state,
  text,
  texts,
  until,
  visit,
} from './harness.mjs';

test('two pages and a line client talk to each other', options, async (t) => {
  const server = await serve(t);
  const [one, two] = [await visit(t, server), await visit(t, server)];
  const nc = await lineClient(t, server);
  await nc.send('hello from nc\n');
  await shows(one, nc.name, 'hello from nc');
  await shows(two, nc.name, 'hello from nc');

  await say(one, 'hello from a page');
  await nc.receives(`[('127.0.0.1', ${one.tcpPort})] hello from a page`);
  await shows(one, one.address, 'hello from a page');
  await shows(two, one.address, 'hello from a page');
  assert.equal(await one.inputValue('#text'), '', 'what was sent has left the box');

  await setNick(one, 'alice');
  await say(one, 'now with a name: ünï ✓');
  await nc.receives('[alice] now with a name: ünï ✓');
  await shows(two, 'alice', 'now with a name: ünï ✓');
});

test('a later page shows the history', options, async (t) => {
  const server = await serve(t);
  const early = await visit(t, server);
  for (const said of ['first', 'second', 'third']) {
    await say(early, said);
    await shows(early, early.address, said);
  }
  const late = await visit(t, server);
  await shows(late, early.address, 'third');
  assert.deepEqual(await texts(late), ['first', 'second', 'third']);
  const time = await late.getAttribute('#messages time', 'datetime');
  assert.ok(Math.abs(Date.now() - Date.parse(time)) < 60_000, `a time near now: ${time}`);
});

test('markup in texts, names, topics and rooms is shown as text', options, async (t) => {
  const server = await serve(t);
  const page = await visit(t, server);
  const nc = await lineClient(t, server);
  const evil = '<img src=x onerror=alert(1)>';
  nc.send(`${evil}\n`);
  await shows(page, nc.name, evil);
  await setNick(page, '<b>bold</b>');
  await say(page, '&lt;script&gt; </p><script>window.pwned = 1</script>');
  await shows(page, '<b>bold</b>', '&lt;script&gt; </p><script>window.pwned = 1</script>');
  await openMessage(page, '&lt;script&gt;');
  assert.match(await text(page, '#menu-note'), /^<b>bold<\/b>: &lt;script&gt; <\/p><script>/);
  await page.keyboard.press('Escape');

  await join(page, '#<i>room</i>');
  await page.click('#room-open');
  await page.fill('#topic-text', '<u>topic</u><svg onload=alert(1)>');
  await page.press('#topic-text', 'Enter');
  await until('the topic', async () => /^<u>topic<\/u>/.test(await text(page, '#topic')));
  await page.click('#browse-open');
  await until('the list', async () => /<svg onload/.test(await text(page, '#all-rooms')));
  await page.keyboard.press('Escape');
  const schemes = 'javascript:alert(1) data:text/html,x //x.example https://a@b.example';
  await say(page, `${schemes} \`<b>\` \`\`\`<u>\`\`\``);
  await until('the code', () => page.$('#messages code'));
  const made =
    '#messages img, #rooms img, #all-rooms img, b, i, u, svg:not([aria-hidden]), ' +
    'script:not([src]), a[href]:not(.skip)';
  assert.deepEqual(await page.$$eval(made, (all) => all.map((one) => one.outerHTML)), []);
  assert.equal(await page.evaluate(() => window.pwned), undefined);
  assert.deepEqual(await page.evaluate(() => window.violations), []);
});

test('the list of people follows joins, renames and leaves', options, async (t) => {
  const server = await serve(t);
  const page = await visit(t, server);
  await here(page, 1, page.address);
  const silent = await lineClient(t, server);
  await here(page, 2, silent.name);
  const talker = await lineClient(t, server);
  talker.send('hi\n');
  await here(page, 3, talker.name);
  const other = await visit(t, server);
  await here(page, 4, other.address);
  await here(other, 4, page.address, silent.name, talker.name, other.address);
  await setNick(other, 'bob');
  await here(page, 4, 'bob');
  assert.equal((await people(page))[0], page.address, 'you come first');
  talker.end();
  await here(page, 3, 'bob', silent.name);
  await other.context().close();
  await here(page, 2, page.address, silent.name);
});

test('going offline is noticed, coming back too', options, async (t) => {
  const server = await serve(t);
  const page = await visit(t, server);
  await page.context().setOffline(true);
  await until('offline', async () => (await text(page, '#banner-text')) === 'You are offline.');
  await page.context().setOffline(false);
  await connected(page);
});

test('the Content-Security-Policy is strict, kept and effective', options, async (t) => {
  const server = await serve(t);
  const page = await visit(t, server);
  const directives = (policy) => policy.split(/\s*;\s*/).filter(Boolean).sort();
  assert.deepEqual(
    directives(page.response.headers()['content-security-policy'] ?? ''),
    directives(POLICY),
  );
  await say(page, 'x'.repeat(300));
  await shows(page, page.address, 'x'.repeat(300));
  await setNick(page, 'carol');
  await here(page, 1, 'carol');
  assert.deepEqual(await page.evaluate(() => window.violations), []);

  await page.evaluate(() => {
    const script = document.createElement('script');
    script.textContent = 'window.pwned = 1';
    document.head.append(script);
  });
  await until('a violation', () => page.evaluate(() => window.violations.length > 0));
  assert.deepEqual(await page.evaluate(() => window.violations), ['script-src-elem inline']);
  assert.equal(await page.evaluate(() => window.pwned), undefined);
});

test('everything can be reached and done with the keyboard', options, async (t) => {
  const server = await serve(t);
  const page = await visit(t, server);
  await page.evaluate(() => document.activeElement.blur());
  const focused = () =>
    page.evaluate(() => {
      const { id, dataset, className } = document.activeElement;
      return id || (dataset.room && 'a room') || (dataset.id && 'a person') || className;
    });
  await here(page, 1, page.address);
  const order = [];
  await page.focus('.skip');
  for (let i = 0; i < 11; i++) {
    order.push(await focused());
    const outline = await page.evaluate(() => {
      const shown = document.activeElement.closest('#composer') ?? document.activeElement;
      const { outlineStyle, boxShadow } = getComputedStyle(shown);
      return outlineStyle !== 'none' || boxShadow !== 'none';
    });
    assert.ok(outline, `a visible focus on ${order.at(-1)}`);
    await page.keyboard.press('Tab');
  }
  assert.deepEqual(order, [
    'skip', 'search-open', 'browse-open', 'a room', 'settings-open', 'login-open', 'help-open',
    'room-open', 'log', 'text', 'send',
  ]);
  assert.equal(await focused(), 'a person');

  await page.focus('.skip');
  await page.keyboard.press('Enter');
  assert.equal(await focused(), 'text');
  await page.keyboard.type('typed');
  await page.keyboard.press('Shift+Enter');
  await page.keyboard.type(' text');
  await page.keyboard.press('Enter');
  await shows(page, page.address, 'typed');
  await shows(page, page.address, 'text');
  await page.focus('#settings-open');
  await page.keyboard.press('Enter');
  await page.focus('#nick');
  await page.keyboard.type('dora');
  await page.keyboard.press('Enter');
  await is(page, 'dora');
  assert.equal(await focused(), 'text');
  await page.keyboard.type('by the button');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await shows(page, 'dora', 'by the button');
});

test('a dialog keeps the focus and gives it back', options, async (t) => {
  const server = await serve(t);
  const page = await visit(t, server);
  const inside = () => page.evaluate(() => document.activeElement.closest('dialog')?.id ?? null);
  for (const [opener, dialog] of [
    ['search-open', 'search'], ['browse-open', 'browse'], ['settings-open', 'settings'],
    ['login-open', 'login'], ['help-open', 'help'], ['room-open', 'room'],
  ]) {
    await page.focus(`#${opener}`);
    await page.keyboard.press('Enter');
    await until(`${dialog} with the focus`, async () => (await inside()) === dialog);
    await page.keyboard.press('Escape');
    await until(`${dialog} to close`, () => page.$eval(`#${dialog}`, (one) => !one.open));
    assert.equal(await page.evaluate(() => document.activeElement.id), opener);
  }
});

test('on a phone rooms and people are drawers', options, async (t) => {
  const server = await serve(t);
  const page = await visit(t, server, { size: 'phone' });
  const focused = () => page.evaluate(() => document.activeElement.id);
  for (const [name, panel] of [['rooms', '#side'], ['people', '#here']]) {
    assert.ok(await page.isHidden(panel));
    await page.focus(`#${name}-toggle`);
    await page.keyboard.press('Enter');
    assert.equal(await page.getAttribute(`#${name}-toggle`, 'aria-expanded'), 'true');
    assert.ok(await page.isVisible(panel));
    const within = await page.$eval(panel, (drawer) => drawer.contains(document.activeElement));
    assert.ok(within, 'the focus is in the drawer');
    assert.ok(await page.$eval('#main', (main) => main.inert), 'nothing behind it is reached');
    await page.keyboard.press('Escape');
    assert.ok(await page.isHidden(panel));
    assert.equal(await focused(), `${name}-toggle`);
  }
  await page.tap('#people-toggle');
  await page.touchscreen.tap(5, 300);
  await until('the drawer to close', () => page.isHidden('#here'));
  await page.tap('#rooms-toggle');
  await setNick(page, 'erin');
  await page.tap('#side .close');
  await join(page, '#dev');
  await page.tap('#rooms-toggle');
  await showRoom(page, 'lobby');
  await until('the chosen room', () => page.isHidden('#side'));
  assert.equal(await text(page, '#room-name'), '#lobby');
  await say(page, 'from a phone');
  await shows(page, 'erin', 'from a phone');
});

test('the page is small', () => {
  const dist = new URL('../../web/dist/', import.meta.url);
  const files = ['index.html', 'favicon.svg', 'assets/app.js', 'assets/app.css'];
  const bytes = files.map((name) => gzipSync(readFileSync(new URL(name, dist))).length);
  const sum = bytes.reduce((a, b) => a + b);
  assert.ok(sum <= 30_000, `${sum} bytes gzipped`);
});

test('lines, limits and control characters', options, async (t) => {
  const server = await serve(t);
  const page = await visit(t, server);
  await say(page, 'one\n\r\n two\u0007 \n\tthree');
  await shows(page, page.address, 'three');
  assert.deepEqual(await texts(page), ['one', 'two', 'three']);

  const many = Array.from({ length: 21 }, (_, i) => `line ${i}`).join('\n');
  const long = 'ä'.repeat(page.hello.limit / 2) + 'x';
  for (const [refused, why] of [[many, /^21 lines: at most 20/], [long, /^Too long by 1 byte:/]]) {
    await say(page, refused);
    assert.match(await text(page, '#hint'), why);
    assert.equal(await page.getAttribute('#send', 'aria-disabled'), 'true');
    assert.equal(await page.inputValue('#text'), refused, 'it is kept');
  }
  await say(page, long.slice(0, -1));
  await shows(page, page.address, long.slice(0, -1));
  assert.equal((await messages(page)).length, 4);
});

test('the log follows only at the end, is bounded, counts in the title', options, async (t) => {
  const server = await serve(t);
  const page = await visit(t, server);
  const nc = await lineClient(t, server);
  for (let sent = 0; sent < 1100; sent += 50) {
    nc.send(Array.from({ length: 50 }, (_, i) => `line ${sent + i}\n`).join(''));
    await until(`line ${sent + 49}`, () =>
      page.$eval('#messages', (list, last) => list.lastElementChild?.textContent.includes(last),
        `line ${sent + 49}`),
    );
  }
  const drawn = await page.$$eval('#messages li', (items) => items.length);
  assert.ok(drawn <= 450, `${drawn} are drawn`);
  const below = () =>
    page.$eval('#log', (log) => Math.round(log.scrollHeight - log.scrollTop - log.clientHeight));
  assert.ok((await below()) <= 1, 'at the end');

  // What the page still places at this moment may take the reader back to the end, once.
  await until('scrolled up', () =>
    page.$eval('#log', async (log) => {
      log.scrollTo(0, log.scrollHeight / 2);
      for (let frame = 0; frame < 2; ++frame) await new Promise(requestAnimationFrame);
      return log.scrollHeight - log.scrollTop - log.clientHeight > 300;
    }),
  );
  const first = () =>
    page.$$eval('#messages .said', (items) => {
      const top = document.getElementById('log').getBoundingClientRect().top;
      const item = items.find((one) => one.getBoundingClientRect().bottom > top);
      const said = item.querySelector('.text').textContent;
      return `${said} ${Math.round(item.getBoundingClientRect().top)}`;
    });
  const was = await first();
  await page.evaluate(() => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => true });
  });
  nc.send('below\n');
  await until('the button', async () => (await text(page, '#newer')) === '1 new message');
  assert.equal(await first(), was, 'the reader was not moved');
  await page.waitForFunction(() => document.title === '(1) polyio chat');
  await page.evaluate(() => {
    delete document.hidden;
    document.dispatchEvent(new Event('visibilitychange'));
  });
  await page.click('#newer');
  await page.waitForFunction(() => document.title === 'polyio chat');
  assert.ok((await below()) <= 1, 'at the end again');
  assert.ok(await page.isHidden('#newer'));
});
