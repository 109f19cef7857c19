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
import { once } from 'node:events';
import { test } from 'node:test';

import {
  accessible,
  axe,
  options,
  POLICY,
  SIZES,
  until,
  serve,
  visit,
  state,
  connected,
  text,
  messages,
  shows,
  people,
  here,
  say,
  setNick,
  lineClient,
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
  const texts = (await messages(late)).map((m) => m.text);
  assert.deepEqual(texts, ['first', 'second', 'third']);
  const time = await late.getAttribute('#messages time', 'datetime');
  assert.ok(Math.abs(Date.now() - Date.parse(time)) < 60_000, `a time near now: ${time}`);
});

test('markup in texts and names is shown as text', options, async (t) => {
  const server = await serve(t);
  const page = await visit(t, server);
  const nc = await lineClient(t, server);
  const evil = '<img src=x onerror=alert(1)>';
  nc.send(`${evil}\n`);
  await shows(page, nc.name, evil);
  await setNick(page, '<b>bold</b>');
  await say(page, '&lt;script&gt; </p><script>window.pwned = 1</script>');
  await shows(page, '<b>bold</b>', '&lt;script&gt; </p><script>window.pwned = 1</script>');
  assert.equal(await page.$('#messages img, #messages b, #messages script, #people b'), null);
  assert.equal(await page.evaluate(() => window.pwned), undefined);
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

test('a restarted server is found again, nickname and unsent text kept', options, async (t) => {
  const server = await serve(t);
  const [one, two] = [await visit(t, server), await visit(t, server)];
  await setNick(one, 'alice');
  await server.stop();
  await until('the page to notice', async () => (await state(one)) !== 'connected');
  await until('a count-down', async () => /in \d+ s/.test(await text(one, '#countdown')));
  await one.fill('#text', 'typed while away');
  await one.press('#text', 'Enter');
  assert.equal(await one.inputValue('#text'), 'typed while away');

  const again = await serve(t, server.port);
  await two.evaluate(() => document.getElementById('now').click());
  await connected(two);
  await connected(one);
  await until('being alice', async () => (await text(one, '#me')) === 'You are alice');
  assert.ok(await one.isHidden('#banner'));
  const nc = await lineClient(t, again);
  await here(one, 3, nc.name);
  await one.press('#text', 'Enter');
  await shows(two, 'alice', 'typed while away');
  await nc.receives('[alice] typed while away');

  await one.reload();
  await connected(one);
  await until('alice remembered', async () => (await text(one, '#me')) === 'You are alice');
});

// The stand-in's line clients have no nicknames.
const real = { ...options, skip: !process.env.POLYIO_CHAT };

test('a nickname that is still taken is asked for until it is free', real, async (t) => {
  const server = await serve(t);
  const holder = await lineClient(t, server);
  const page = await visit(t, server);
  await setNick(page, 'alice');
  await setNick(page, 'not alice');
  holder.send('/nick alice\n');
  await here(page, 2, 'alice');
  // As after a drop that the server has not noticed: the page remembers its name, another has it.
  await page.evaluate(() => localStorage.setItem('polyio-chat.nick', 'alice'));
  await page.reload();
  await connected(page);
  await until('the refusal', async () => /is taken/.test(await text(page, '#alert')));
  holder.end();
  await until('being alice', async () => (await text(page, '#me')) === 'You are alice');
  assert.equal(await text(page, '#alert'), '');
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

for (const view of ['desktop light', 'desktop dark', 'phone light', 'phone dark', 'narrow light']) {
  const [size, scheme] = view.split(' ');
  test(`accessible and without side-scrolling: ${view}`, options, async (t) => {
    const server = await serve(t);
    const nc = await lineClient(t, server);
    const page = await visit(t, server, { size, scheme });
    // As many names as there are colours, and something wide.
    for (let i = 0; i < 12; i++) {
      if (size !== 'desktop') break;
      await setNick(page, `name ${'abcdefghijklmnopqrst'[i]}`);
      await say(page, `message ${i}`);
    }
    nc.send(`${'wide'.repeat(100)}\n`);
    await shows(page, nc.name, 'wide'.repeat(100));
    await page.evaluate(axe.source);
    await accessible(page, 'the room');
    // Everything that is usually hidden, at once.
    await page.evaluate(() => {
      document.getElementById('banner-text').textContent = 'Connection lost.';
      document.getElementById('countdown').textContent = 'Reconnecting in 14 s';
      document.getElementById('alert').textContent = 'That did not work.';
      document.getElementById('newer').textContent = '2 new messages';
      for (const id of ['banner', 'alert-box', 'newer']) document.getElementById(id).hidden = false;
    });
    await page.fill('#text', 'x'.repeat(page.hello.limit + 1));
    await accessible(page, 'the room in trouble');
    const width = () => page.evaluate(() => document.documentElement.scrollWidth);
    assert.equal(await width(), SIZES[size].viewport.width);
    if (size === 'desktop') return;
    await page.tap('#toggle');
    await accessible(page, 'the people');
    assert.equal(await width(), SIZES[size].viewport.width);
  });
}

test('everything can be reached and done with the keyboard', options, async (t) => {
  const server = await serve(t);
  const page = await visit(t, server);
  await page.evaluate(() => document.activeElement.blur());
  const focused = () =>
    page.evaluate(() => {
      const { id, className, textContent } = document.activeElement;
      return id || className || textContent;
    });
  const order = [];
  await page.focus('.skip');
  for (let i = 0; i < 7; i++) {
    order.push(await focused());
    const outline = await page.evaluate(() => {
      const shown = document.activeElement.closest('#composer') ?? document.activeElement;
      const { outlineStyle, boxShadow } = getComputedStyle(shown);
      return outlineStyle !== 'none' || boxShadow !== 'none';
    });
    assert.ok(outline, `a visible focus on ${order.at(-1)}`);
    await page.keyboard.press('Tab');
  }
  assert.deepEqual(order, ['skip', 'nick', 'quiet', 'people-box', 'log', 'text', 'send']);

  await page.focus('.skip');
  await page.keyboard.press('Enter');
  assert.equal(await focused(), 'text');
  await page.keyboard.type('typed');
  await page.keyboard.press('Shift+Enter');
  await page.keyboard.type(' text');
  await page.keyboard.press('Enter');
  await shows(page, page.address, 'typed text');
  await page.focus('#nick');
  await page.keyboard.type('dora');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Space');
  await until('being dora', async () => (await text(page, '#me')) === 'You are dora');
  await page.focus('#text');
  await page.keyboard.type('by the button');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await shows(page, 'dora', 'by the button');
});

test('on a phone the people fold away', options, async (t) => {
  const server = await serve(t);
  const page = await visit(t, server, { size: 'phone' });
  assert.ok(await page.isHidden('#side'));
  await page.focus('#toggle');
  await page.keyboard.press('Enter');
  assert.equal(await page.getAttribute('#toggle', 'aria-expanded'), 'true');
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'nick');
  await page.keyboard.press('Escape');
  assert.ok(await page.isHidden('#side'));
  assert.equal(await page.evaluate(() => document.activeElement.id), 'toggle');
  await page.tap('#toggle');
  await setNick(page, 'erin');
  assert.ok(await page.isVisible('#text'), 'a saved nickname leads back to the room');
});

test('lines, limits and control characters', options, async (t) => {
  const server = await serve(t);
  const page = await visit(t, server);
  await say(page, 'one\n\r\n two\u0007 \n\tthree');
  await shows(page, page.address, 'three');
  assert.deepEqual((await messages(page)).map((m) => m.text), ['one', 'two', 'three']);

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

test('the log follows only at the bottom, keeps 1,000, counts in the title', options, async (t) => {
  const server = await serve(t);
  const page = await visit(t, server);
  const nc = await lineClient(t, server);
  for (let sent = 0; sent < 1100; sent += 50) {
    nc.send(Array.from({ length: 50 }, (_, i) => `line ${sent + i}\n`).join(''));
    await until(`line ${sent + 49}`, () =>
      page.$eval('#messages', (list, last) => list.lastElementChild?.textContent.endsWith(last),
        `line ${sent + 49}`),
    );
  }
  assert.equal(await page.$$eval('#messages li', (items) => items.length), 1000);
  const below = () =>
    page.$eval('#log', (log) => Math.round(log.scrollHeight - log.scrollTop - log.clientHeight));
  assert.ok((await below()) <= 1, 'at the bottom');

  await page.$eval('#log', (log) => log.scrollTo(0, log.scrollHeight / 2));
  await until('scrolled up', async () => (await below()) > 1000);
  await page.evaluate(() => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => true });
  });
  nc.send('below\n');
  await until('the button', async () => (await text(page, '#newer')) === '1 new message');
  assert.ok((await below()) > 1000, 'the reader was not moved');
  assert.equal(await page.title(), '(1) polyio chat');
  await page.evaluate(() => {
    delete document.hidden;
    document.dispatchEvent(new Event('visibilitychange'));
  });
  assert.equal(await page.title(), 'polyio chat');
  await page.click('#newer');
  assert.ok((await below()) <= 1, 'at the bottom again');
  assert.ok(await page.isHidden('#newer'));
});
