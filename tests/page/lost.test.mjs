// Nothing is lost: connections that break, servers that restart, messages that are left out.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  connected,
  here,
  inRoom,
  is,
  join,
  lineClient,
  options,
  readAll,
  ready,
  register,
  say,
  serve,
  serveStandIn,
  setNick,
  showRoom,
  shows,
  state,
  text,
  texts,
  toast,
  unread,
  until,
  visit,
} from './harness.mjs';

const gone = (page) => until('the page to notice', async () => (await state(page)) !== 'connected');
const again = async (page) => {
  await page.evaluate(() => document.getElementById('now').click());
  await connected(page);
};
const unsent = (page) => page.$$eval('#messages .unsent', (all) => all.length);

test('a restarted server is found again, what was said meanwhile is sent', options, async (t) => {
  const server = await serve(t);
  const [one, two] = [await visit(t, server), await visit(t, server)];
  await setNick(one, 'alice');
  await server.stop();
  await gone(one);
  await until('a count-down', async () => /in \d+ s/.test(await text(one, '#countdown')));
  await say(one, 'said while away');
  assert.equal(await unsent(one), 1);

  const next = await serve(t, server.port);
  const nc = await lineClient(t, next);
  nc.send('here before you\n');
  await again(two);
  await again(one);
  await is(one, 'alice');
  assert.ok(await one.isHidden('#banner'));
  await here(one, 3, nc.name);
  await shows(one, nc.name, 'here before you');
  await shows(two, 'alice', 'said while away');
  await until('it stored', async () => (await unsent(one)) === 0);
  assert.deepEqual((await texts(one)).sort(), ['here before you', 'said while away']);

  await one.reload();
  await ready(one);
  await is(one, 'alice');
});

test('a nickname that is still taken is asked for until it is free', options, async (t) => {
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
  await ready(page);
  await toast(page, /is taken/);
  holder.end();
  await is(page, 'alice');
  assert.equal(await text(page, '#toasts'), '');
});

test('after a break everything is there once, in order', options, async (t) => {
  const server = await serveStandIn(t);
  const page = await visit(t, server);
  const nc = await lineClient(t, server);
  await setNick(page, 'alice');
  for (let round = 1; round <= 3; round++) {
    nc.send(`before ${round}\n`);
    await shows(page, nc.name, `before ${round}`);
    await page.context().setOffline(true);
    await gone(page);
    nc.send(`away ${round}\n`);
    await nc.receives(`[${nc.name}] away ${round}`);
    await say(page, `mine ${round}`);
    await page.context().setOffline(false);
    await connected(page);
    await shows(page, 'alice', `mine ${round}`);
  }
  const wanted = [1, 2, 3].flatMap((i) => [`before ${i}`, `away ${i}`, `mine ${i}`]);
  await until('none unsent', async () => (await unsent(page)) === 0);
  assert.deepEqual(await texts(page), wanted);
});

test('a message that was kept unheard is not said twice', options, async (t) => {
  const server = await serveStandIn(t);
  const [page, other] = [await visit(t, server), await visit(t, server)];
  await setNick(page, 'alice');
  await server.command('lose');
  await say(page, 'said once');
  await shows(other, 'alice', 'said once');
  await say(page, 'and another');
  await shows(other, 'alice', 'and another');
  await until('none unsent', async () => (await unsent(page)) === 0);
  assert.deepEqual(await texts(page), ['said once', 'and another']);
  assert.deepEqual(await texts(other), ['said once', 'and another']);
  const keys = page.frames.filter((f) => f.text === 'said once').map((f) => f.key);
  assert.equal(keys.length, 2, 'it was said again');
  assert.equal(new Set(keys).size, 1, 'with the same key');
  assert.match(keys[0], /^[A-Za-z0-9_-]{16,64}$/);
});

test('what is left out heals by itself, changes too', options, async (t) => {
  const server = await serveStandIn(t);
  const page = await visit(t, server);
  const other = await visit(t, server);
  await setNick(other, 'bob');
  await say(other, 'helo');
  await shows(page, 'bob', 'helo');
  await server.command('gap on');
  await server.command('flood 1 150');
  await other.press('#text', 'ArrowUp'); // it has its own message
  await other.fill('#text', 'hello');
  await other.press('#text', 'Enter');
  await until('the change to arrive', () => other.frames.some((f) => f.type === 'edit'));
  await say(other, 'in the gap');
  await until('it said', () => other.frames.some((f) => f.text === 'in the gap'));
  await server.command('gap off');
  await shows(page, 'bob', 'in the gap');
  await say(other, 'after the gap');
  await shows(page, 'bob', 'after the gap');
  await until('the gap to heal', async () => !(await page.$('#messages .missing')));
  const said = await texts(page);
  assert.deepEqual(said.slice(-3), ['flood 150', 'in the gap', 'after the gap']);
  await page.$eval('#log', (log) => log.scrollTo(0, 0));
  await shows(page, 'bob', 'hello (edited)');
  const all = await texts(page);
  assert.equal(new Set(all).size, all.length, 'nothing twice');
  assert.equal(all.filter((one) => one.startsWith('flood')).length, 150);
});

test('a short absence heals at once, wherever the reader is', options, async (t) => {
  const server = await serveStandIn(t);
  const page = await visit(t, server);
  const nc = await lineClient(t, server);
  nc.send('before\n');
  await shows(page, nc.name, 'before');
  await page.context().setOffline(true);
  await gone(page);
  await server.command('flood 1 300');
  await page.context().setOffline(false);
  await connected(page);
  await shows(page, 'flood', 'flood 300');
  await shows(page, 'flood', 'flood 1');
  await until('no gap', async () => !(await page.$('#messages .missing')));
  assert.equal((await texts(page)).length, 301);
});

test('a long absence leaves a gap that fills where it is read', options, async (t) => {
  const server = await serveStandIn(t);
  const page = await visit(t, server);
  const nc = await lineClient(t, server);
  nc.send('before\n');
  await shows(page, nc.name, 'before');
  await page.context().setOffline(true);
  await gone(page);
  await server.command('flood 1 1000');
  await page.context().setOffline(false);
  await connected(page);
  await shows(page, 'flood', 'flood 1000');
  assert.ok(!(await texts(page)).includes('flood 500'), 'not all of it is loaded');
  const seen = await readAll(page, 1001);
  assert.ok(seen.has('before') && seen.has('flood 500'));
});

test('a refused message waits for its author', options, async (t) => {
  const server = await serveStandIn(t);
  const page = await visit(t, server);
  await server.command('refuse Slowly, please.');
  await say(page, 'too fast');
  await until('the refusal', async () =>
    /Not sent: Slowly, please\./.test(await text(page, '#messages')));
  await page.click('.retry');
  await shows(page, page.address, 'too fast');
  assert.equal(await unsent(page), 0);
  await server.command('refuse No.');
  await say(page, 'never');
  await until('the refusal', async () => /Not sent: No\./.test(await text(page, '#messages')));
  await page.click('.discard');
  await until('it gone', async () => (await unsent(page)) === 0);
  assert.deepEqual(await texts(page), ['too fast']);
});

test('a reload loses nothing that is unsent', options, async (t) => {
  const server = await serveStandIn(t);
  const page = await visit(t, server);
  const other = await visit(t, server);
  await register(page, 'erika');
  await server.command('gap on');
  await server.command('lose');
  await say(page, 'said, and reloaded');
  await until('it said', () => page.frames.some((f) => f.text === 'said, and reloaded'));
  await page.reload();
  await server.command('gap off');
  await ready(page);
  await shows(page, 'erika', 'said, and reloaded');
  await shows(other, 'erika', 'said, and reloaded');
  await until('none unsent', async () => (await unsent(page)) === 0);
  assert.equal((await texts(other)).length, 1);
});

test('what was said in other rooms during a break is counted', options, async (t) => {
  const server = await serve(t);
  const [page, other] = [await visit(t, server), await visit(t, server)];
  await register(page, 'erika');
  await join(page, '#dev');
  await join(other, '#dev');
  await say(other, 'before');
  await shows(page, other.address, 'before');
  await showRoom(page, 'lobby');
  await inRoom(page, '#lobby');
  await page.context().setOffline(true);
  await gone(page);
  await say(other, 'erika, are you there?');
  await shows(other, other.address, 'erika, are you there?');
  await page.context().setOffline(false);
  await unread(page, 'dev', ', 1 unread message, 1 mention');
});

test('a guest is back in its rooms after a break', options, async (t) => {
  const server = await serve(t);
  const [page, other] = [await visit(t, server), await visit(t, server)];
  await setNick(page, 'alice');
  await setNick(other, 'bob');
  await join(other, '#dev');
  await join(page, '#dev');
  await say(other, 'before');
  await shows(page, 'bob', 'before');
  await page.context().setOffline(true);
  await gone(page);
  await say(other, 'meanwhile');
  await shows(other, 'bob', 'meanwhile');
  await page.context().setOffline(false);
  await connected(page);
  await inRoom(page, '#dev');
  await shows(page, 'bob', 'meanwhile');
  await say(other, 'after');
  await shows(page, 'bob', 'after');
  assert.deepEqual(await texts(page), ['before', 'meanwhile', 'after']);
});
