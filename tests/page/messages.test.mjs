// What can be done with messages: reading back without end, searching, quoting, changing, deleting.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  choose,
  is,
  join,
  lineClient,
  message,
  openMessage,
  options,
  press,
  readAll,
  say,
  serve,
  serveStandIn,
  setNick,
  shows,
  text,
  texts,
  until,
  visit,
} from './harness.mjs';

/** Says "line 1" to "line N" in the lobby. */
async function fill(page, nc, count) {
  for (let sent = 0; sent < count; sent += 50) {
    nc.send(Array.from({ length: 50 }, (_, i) => `line ${sent + i + 1}\n`).join(''));
    await shows(page, nc.name, `line ${sent + 50}`);
  }
}

/** The first message on the screen, and where it is. */
const place = (page) =>
  page.$$eval('#messages .said', (items) => {
    const { top } = document.getElementById('log').getBoundingClientRect();
    const item = items.find((one) => one.getBoundingClientRect().bottom > top);
    const said = item.querySelector('.text').textContent;
    return { said, top: Math.round(item.getBoundingClientRect().top) };
  });

test('the history goes back to the beginning, the place stays', options, async (t) => {
  const server = await serve(t);
  const nc = await lineClient(t, server);
  await fill(await visit(t, server), nc, 900);
  const page = await visit(t, server);
  await shows(page, nc.name, 'line 900');
  // The place is looked at whenever messages come above it.
  await page.evaluate(() => {
    const log = document.getElementById('log');
    window.moved = [];
    new MutationObserver((changes) => {
      const added = changes.some((change) => change.addedNodes.length);
      if (!added || !window.mark?.isConnected) return;
      requestAnimationFrame(() => {
        const now = window.mark.getBoundingClientRect().top;
        if (Math.abs(now - window.markTop) > 2) window.moved.push([window.markTop, now]);
      });
    }).observe(document.getElementById('messages'), { childList: true });
    window.up = () => {
      log.scrollTop -= 300;
      const top = log.getBoundingClientRect().top;
      window.mark = [...document.querySelectorAll('#messages .said')].find(
        (one) => one.getBoundingClientRect().bottom > top,
      );
      window.markTop = window.mark.getBoundingClientRect().top;
    };
  });
  let most = 0;
  await until('the beginning', async () => {
    await page.evaluate(() => window.up());
    most = Math.max(most, await page.$$eval('#messages li', (all) => all.length));
    return page.$('#messages .begin');
  });
  assert.ok(most <= 450, `${most} were drawn at once`);
  assert.deepEqual(await page.evaluate(() => window.moved), []);
  await page.$eval('#log', (log) => log.scrollTo(0, 0));
  await shows(page, nc.name, 'line 1');
  const said = await texts(page);
  assert.deepEqual(said, said.map((_, i) => `line ${i + 1}`), 'every one, once, in order');

  // And down again.
  await until('the end', async () => {
    await page.$eval('#log', (log) => (log.scrollTop += 2000));
    return (await texts(page)).at(-1) === 'line 900';
  });
  await page.click('#newer').catch(() => {});
  await page.keyboard.press('Escape');
  await until('the end again', () => page.isHidden('#newer'));
});

test('a reader further up is not moved by what is said', options, async (t) => {
  const server = await serve(t);
  const nc = await lineClient(t, server);
  const page = await visit(t, server);
  await fill(page, nc, 100);
  await page.$eval('#log', (log) => log.scrollTo(0, log.scrollHeight / 3));
  await until('the button', () => page.isVisible('#newer'));
  const was = await place(page);
  nc.send(Array.from({ length: 50 }, (_, i) => `more ${i + 1}\n`).join(''));
  await until('the news', async () => (await text(page, '#newer')) === '50 new messages');
  assert.deepEqual(await place(page), was);
});

test('the search finds, and goes to the place', options, async (t) => {
  const server = await serve(t);
  const nc = await lineClient(t, server);
  const early = await visit(t, server);
  nc.send('a needle in the hay\n');
  await fill(early, nc, 600);
  const page = await visit(t, server);
  await shows(page, nc.name, 'line 600');
  await page.keyboard.press('Control+k');
  await page.fill('#search-words', 'NEEDLE');
  await page.keyboard.press('Enter');
  await until('what was found', async () => /needle/.test(await text(page, '#found')));
  assert.equal(await text(page, '#search-state'), '1 message');
  await page.click('#found button');
  await shows(page, nc.name, 'a needle in the hay');
  const found = page.locator('#messages .found');
  await found.waitFor();
  assert.match(await found.textContent(), /needle/);
  assert.ok(await found.evaluate((li) => li === document.activeElement), 'it has the focus');
  await shows(page, nc.name, 'line 2');
  const said = await texts(page);
  assert.deepEqual(said.slice(0, 3), ['a needle in the hay', 'line 1', 'line 2']);
  assert.ok(await found.evaluate((li) => li.getBoundingClientRect().top > 0), 'still there');

  const seen = await readAll(page, 601);
  for (let i = 1; i <= 600; i++) assert.ok(seen.has(`line ${i}`), `line ${i}`);

  await page.keyboard.press('Control+k');
  await page.fill('#search-words', 'nowhere to be found');
  await page.keyboard.press('Enter');
  await until('no answer', async () => (await text(page, '#search-state')) === 'Nothing found.');
});

test('the search pages back', options, async (t) => {
  const server = await serve(t);
  const nc = await lineClient(t, server);
  const page = await visit(t, server);
  await fill(page, nc, 50);
  await until('another time', () => page.evaluate((then) => Date.now() > then + 1, Date.now()));
  await fill(page, nc, 50);
  await page.keyboard.press('Control+k');
  await page.fill('#search-words', 'line');
  await page.keyboard.press('Enter');
  await until('the newest', async () => (await page.$$('#found li')).length === 50);
  await page.click('#search-more');
  await until('older ones', async () => (await page.$$('#found li')).length > 50);
});

test('a reply quotes, for line clients readably', options, async (t) => {
  const server = await serve(t);
  const nc = await lineClient(t, server);
  const page = await visit(t, server);
  await setNick(page, 'alice');
  nc.send('shall we meet at three?\n');
  await shows(page, nc.name, 'shall we meet at three?');
  await message(page, 'shall we').focus();
  await page.keyboard.press('r');
  assert.equal(await text(page, '#about-what'), `Reply to ${nc.name}`);
  await page.keyboard.type('yes');
  await page.keyboard.press('Enter');
  await shows(page, 'alice', `${nc.name}: yes`);
  assert.ok(await page.isHidden('#about'));
  const quote = message(page, 'yes').locator('.quote');
  assert.equal(await quote.textContent(), `${nc.name} shall we meet at three?`);
  await nc.receives(`[alice] >1 ${nc.name}: yes`);
  await quote.click();
  await page.waitForFunction(() => /three/.test(document.querySelector('.found')?.textContent));

  nc.send('>1 a quote by hand\n');
  await shows(page, nc.name, 'a quote by hand');
  nc.send('>99 is no quote\n');
  await shows(page, nc.name, '>99 is no quote');
  // Esc takes a reply back.
  await message(page, 'by hand').focus();
  await page.keyboard.press('r');
  await page.keyboard.press('Escape');
  assert.ok(await page.isHidden('#about'));
});

test('own messages are changed and deleted', options, async (t) => {
  const server = await serve(t);
  const [alice, bob] = [await visit(t, server), await visit(t, server)];
  await setNick(alice, 'alice');
  await say(alice, 'helo');
  await say(alice, 'second');
  await shows(bob, 'alice', 'second');
  await alice.press('#text', 'ArrowUp');
  assert.equal(await alice.inputValue('#text'), 'second');
  await alice.keyboard.press('Escape');
  assert.equal(await alice.inputValue('#text'), '');
  await openMessage(alice, 'helo');
  await choose(alice, 'Edit');
  await alice.fill('#text', 'hello');
  await alice.press('#text', 'Enter');
  await shows(bob, 'alice', 'hello (edited)');
  await shows(alice, 'alice', 'hello (edited)');
  assert.deepEqual(await texts(bob), ['hello (edited)', 'second'], 'in its place');

  await openMessage(bob, 'hello');
  assert.doesNotMatch(await text(bob, '#menu-list'), /Edit|Delete/, 'not those of others');
  await bob.keyboard.press('Escape');
  await openMessage(alice, 'second');
  await choose(alice, 'Delete…');
  await choose(alice, 'Delete');
  await shows(bob, 'alice', 'This message was removed.');
  const late = await visit(t, server);
  await shows(late, 'alice', 'hello (edited)');
  assert.deepEqual(await texts(late), ['hello (edited)', 'This message was removed.']);
});

test('links, code and /me', options, async (t) => {
  const server = await serve(t);
  const page = await visit(t, server);
  await setNick(page, 'alice');
  await say(page, 'see https://example.com/a_(b)?c=d, (http://example.org/) or ftp://x.example');
  await shows(page, 'alice',
    'see https://example.com/a_(b)?c=d, (http://example.org/) or ftp://x.example');
  const links = await page.$$eval('#messages a', (all) =>
    all.map(({ href, target, rel }) => `${href} ${target} ${rel}`));
  const rest = '_blank noopener noreferrer';
  assert.deepEqual(links, [`https://example.com/a_(b)?c=d ${rest}`, `http://example.org/ ${rest}`]);
  await say(page, 'run `rm -rf https://no.example` or ```make all```');
  await until('the code', async () => (await page.$$('#messages code')).length === 2);
  assert.deepEqual(await page.$$eval('#messages code', (all) => all.map((c) => c.textContent)),
    ['rm -rf https://no.example', 'make all']);
  await say(page, 'https://a@b.example/ https://user:pass@c.example/ HTTPS://D.example');
  await until('one more link', async () => (await page.$$('#messages a')).length === 3);
  await say(page, '/me waves');
  await shows(page, 'alice', 'alice waves');
});

test('a screen reader hears what is said, and no history', options, async (t) => {
  const server = await serve(t);
  const nc = await lineClient(t, server);
  const early = await visit(t, server);
  nc.send('said before\n');
  await shows(early, nc.name, 'said before');
  const page = await visit(t, server);
  await shows(page, nc.name, 'said before');
  nc.send('said now\n');
  await until('the words', async () => (await text(page, '#spoken')) === `${nc.name}: said now`);
  assert.equal(await page.getAttribute('#log', 'aria-live'), 'off');
  await setNick(page, 'alice');
  await say(page, 'my own');
  await shows(page, 'alice', 'my own');
  assert.equal(await text(page, '#spoken'), `${nc.name}: said now`);
});

test('arrows go through the messages', options, async (t) => {
  const server = await serve(t);
  const page = await visit(t, server);
  for (const said of ['one', 'two', 'three']) await say(page, said);
  await shows(page, page.address, 'three');
  await page.focus('#log');
  const focused = () =>
    page.evaluate(() => document.activeElement.querySelector('.text')?.textContent);
  await page.keyboard.press('ArrowUp');
  assert.equal(await focused(), 'three');
  await page.keyboard.press('ArrowUp');
  assert.equal(await focused(), 'two');
  await page.keyboard.press('e');
  assert.equal(await page.inputValue('#text'), 'two');
});

test('a flood into a room that is not shown is bounded', options, async (t) => {
  const server = await serveStandIn(t);
  const page = await visit(t, server);
  await setNick(page, 'alice');
  await join(page, '#dev');
  await server.command('flood 1 5000');
  await until('the count', async () => /5,000 unread/.test(await text(page, '#rooms')));
  await press(page, '[data-room="1"]');
  await shows(page, 'flood', 'flood 5000');
  await server.command('flood 1 3000');
  await shows(page, 'flood', 'flood 3000');
  const drawn = await page.$$eval('#messages li', (all) => all.length);
  assert.ok(drawn <= 450, `${drawn} are drawn`);
  await is(page, 'alice');
});
