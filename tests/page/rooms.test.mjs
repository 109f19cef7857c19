// Rooms and people on the page: unread and mentions, conversations of two, operators.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  choose,
  here,
  inRoom,
  join,
  lineClient,
  message,
  openMessage,
  options,
  people,
  press,
  register,
  rooms,
  say,
  serve,
  serveStandIn,
  setNick,
  showRoom,
  shows,
  text,
  texts,
  toast,
  unread,
  until,
  visit,
} from './harness.mjs';

/** Pages of guests with these names. */
async function guests(t, server, ...names) {
  const pages = [];
  for (const name of names) {
    const page = await visit(t, server);
    await setNick(page, name);
    pages.push(page);
  }
  return pages;
}

/** Does with a person of the shown room what the menu offers. */
async function deed(page, name, label) {
  await until(`${name} in the list`, async () => (await people(page)).includes(name));
  await page.locator('#people button', { hasText: name }).click();
  await choose(page, label);
}

const closed = (page) =>
  until('the box to be closed', async () => (await text(page, '#hint')) !== '');

test('what is unread elsewhere is counted, mentions too', options, async (t) => {
  const server = await serve(t);
  const [alice, bob] = await guests(t, server, 'alice', 'bob');
  await join(alice, '#dev');
  await join(bob, '#dev');
  await showRoom(alice, 'lobby');
  await inRoom(alice, '#lobby');
  await say(bob, 'one');
  await say(bob, 'two');
  await unread(alice, 'dev', ', 2 unread messages');
  await say(bob, 'malice is another word');
  await say(bob, 'look, Alice!');
  await unread(alice, 'dev', ', 4 unread messages, 1 mention');
  await alice.waitForFunction(() => document.title === '(4) polyio chat');

  await showRoom(alice, 'dev');
  await shows(alice, 'bob', 'look, Alice!');
  await unread(alice, 'dev', '');
  await alice.waitForFunction(() => document.title === 'polyio chat');
  assert.equal(await alice.$$eval('#messages mark', (all) => all.map((m) => m.textContent).join()),
    'Alice');
  assert.equal(await alice.$$eval('#messages .new', (all) => all.length), 1, 'the line above them');
  await showRoom(alice, 'lobby');
  await inRoom(alice, '#lobby');
  await say(bob, 'one more');
  await unread(alice, 'dev', ', 1 unread message');
});

test('of many people 500 are listed, and all counted', options, async (t) => {
  const server = await serveStandIn(t);
  const early = await visit(t, server);
  await here(early, 1, early.address);
  await server.command('crowd 2000');
  await here(early, '2,001', early.address);
  assert.equal(await text(early, '#people-more'), 'and 2,000 others');
  const late = await visit(t, server);
  await here(late, '2,002', late.address, 'guest 2000');
  assert.equal(await text(late, '#people-more'), 'and 1,502 others');
  await late.context().close();
  await here(early, '2,001', early.address);
});

test('a conversation of two', options, async (t) => {
  const server = await serve(t);
  const [alice, bob] = await guests(t, server, 'alice', 'bob');
  await deed(alice, 'bob', 'Direct message');
  await inRoom(alice, 'bob');
  await say(alice, 'only for you');
  await unread(bob, 'alice', ', 1 unread message');
  await showRoom(bob, 'alice');
  await inRoom(bob, 'alice');
  await shows(bob, 'alice', 'only for you');
  await say(bob, 'thanks');
  await shows(alice, 'bob', 'thanks');
  const nc = await lineClient(t, server);
  await showRoom(alice, 'lobby');
  await inRoom(alice, '#lobby');
  nc.send('in the lobby\n');
  await shows(alice, nc.name, 'in the lobby');
  assert.deepEqual(await texts(alice), ['in the lobby']);
});

test('rooms are found, joined and left', options, async (t) => {
  const server = await serve(t);
  const [alice, bob] = await guests(t, server, 'alice', 'bob');
  await press(alice, '#browse-open');
  await alice.fill('#join-name', 'dev'); // the page knows that rooms begin with #
  await alice.press('#join-name', 'Enter');
  await inRoom(alice, '#dev');
  await here(alice, 1, 'alice');
  await press(bob, '#browse-open');
  await bob.locator('#all-rooms button', { hasText: '#dev' }).click();
  await inRoom(bob, '#dev');
  await here(alice, 2, 'alice', 'bob');
  assert.deepEqual((await rooms(bob)).map(({ name }) => name), ['lobby', 'dev']);
  await press(bob, '#room-open');
  await bob.click('#part');
  await inRoom(bob, '#lobby');
  await until('it gone from the list', async () => (await rooms(bob)).length === 1);
  await here(alice, 1, 'alice');

  await bob.reload();
  await inRoom(bob, '#lobby');
  await alice.reload();
  await inRoom(alice, '#dev');
});

test('operators set topic and modes, mute, kick, ban and share', options, async (t) => {
  const server = await serve(t);
  const [alice, bob] = await guests(t, server, 'alice', 'bob');
  await join(alice, '#dev');
  await join(bob, '#dev');
  await press(alice, '#room-open');
  await alice.fill('#topic-text', 'what we do');
  await alice.press('#topic-text', 'Enter');
  await until('the topic', async () => (await text(bob, '#topic')) === 'what we do');
  await until('it in the log', () => bob.$('#messages .event'));

  await press(alice, '#room-open');
  await alice.check('#room-readonly');
  await closed(bob);
  assert.equal(await text(bob, '#hint'), 'Only operators write here.');
  await alice.uncheck('#room-readonly');
  await until('it open', async () => (await text(bob, '#hint')) === '');
  await alice.keyboard.press('Escape');

  await press(bob, '#room-open');
  assert.ok(await bob.isHidden('#topic-form'), 'a member sets no topic');
  await bob.keyboard.press('Escape');

  await deed(alice, 'bob', 'Mute');
  await closed(bob);
  await deed(alice, 'bob', 'Let them write again');
  await until('bob heard again', async () => (await text(bob, '#hint')) === '');
  await deed(alice, 'bob', 'Make an operator');
  await until('bob an operator', async () =>
    /operator/.test(await text(alice, '#people')));
  await press(bob, '#room-open');
  await bob.waitForSelector('#topic-form', { state: 'visible' });
  await bob.keyboard.press('Escape');
  await deed(alice, 'bob', 'Make a member again');
  await until('bob a member', async () => !/operator/.test(await text(alice, '#people')));

  await deed(alice, 'bob', 'Kick');
  await choose(alice, 'Kick');
  await inRoom(bob, '#lobby');
  await toast(bob, /#dev/);
  await join(bob, '#dev');
  await deed(alice, 'bob', 'Ban');
  await choose(alice, 'Ban');
  await inRoom(bob, '#lobby');
  await press(bob, '#browse-open');
  await bob.fill('#join-name', '#dev');
  await bob.press('#join-name', 'Enter');
  await toast(bob, /banned/);
});

test('a private room by invitation', options, async (t) => {
  const server = await serve(t);
  const [alice, bob, carol] = await guests(t, server, 'alice', 'bob', 'carol');
  await join(alice, '#secret');
  await press(alice, '#room-open');
  await alice.check('#room-private');
  await until('it private', async () => /Private/.test(await text(alice, '#room-flags')));
  await press(carol, '#browse-open');
  await until('the list', async () => /room/.test(await text(carol, '#all-rooms-state')));
  assert.doesNotMatch(await text(carol, '#all-rooms'), /secret/);
  await alice.fill('#deed-name', 'bob');
  await alice.press('#deed-name', 'Enter');
  await toast(bob, /alice invites you to #secret/);
  await bob.locator('#toasts button', { hasText: 'Join' }).click();
  await inRoom(bob, '#secret');
  await press(bob, '#room-open');
  assert.ok(await bob.isVisible('#deed-form'), 'every member may invite');
});

test('an operator deletes what others said', options, async (t) => {
  const server = await serve(t);
  const [alice, bob] = await guests(t, server, 'alice', 'bob');
  await join(alice, '#dev');
  await join(bob, '#dev');
  await say(bob, 'something rude');
  await shows(alice, 'bob', 'something rude');
  await openMessage(bob, 'something rude');
  await bob.keyboard.press('Escape');
  await message(alice, 'something rude').focus();
  await alice.keyboard.press('Delete');
  await choose(alice, 'Delete');
  await shows(bob, 'bob', 'This message was removed.');
  assert.doesNotMatch(await text(bob, '#messages'), /rude/);
});

test('drafts stay in their rooms, shortcuts switch between them', options, async (t) => {
  const server = await serve(t);
  const [alice, bob] = await guests(t, server, 'alice', 'bob');
  await join(alice, '#one');
  await join(alice, '#two');
  await join(bob, '#two');
  await alice.fill('#text', 'for two');
  await alice.keyboard.press('Alt+ArrowUp');
  await inRoom(alice, '#one');
  assert.equal(await alice.inputValue('#text'), '');
  await alice.fill('#text', 'for one');
  await alice.keyboard.press('Alt+ArrowUp');
  await inRoom(alice, '#lobby');
  await say(bob, 'hello');
  await unread(alice, 'two', ', 1 unread message');
  await alice.keyboard.press('Alt+Shift+ArrowDown');
  await inRoom(alice, '#two');
  assert.equal(await alice.inputValue('#text'), 'for two');
  await alice.reload();
  await inRoom(alice, '#two');
  assert.equal(await alice.inputValue('#text'), 'for two', 'a reload keeps it');
  await alice.keyboard.press('Control+k');
  assert.ok(await alice.isVisible('#search'));
  await alice.keyboard.press('Escape');
  await alice.keyboard.press('Control+Shift+K');
  assert.ok(await alice.isVisible('#browse'));
  await alice.keyboard.press('Escape');
  await alice.focus('#log');
  await alice.keyboard.press('?');
  assert.ok(await alice.isVisible('#help'));
});

test('notifications for mentions and conversations, when asked for', options, async (t) => {
  const server = await serve(t);
  const [alice, bob] = await guests(t, server, 'alice', 'bob');
  await alice.evaluate(() => {
    window.notified = [];
    window.Notification = class {
      static permission = 'default';
      static async requestPermission() {
        return (this.permission = 'granted');
      }
      constructor(title, { body }) {
        window.notified.push(`${title}: ${body}`);
      }
    };
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => true });
  });
  await say(bob, 'alice: not asked for yet');
  await shows(alice, 'bob', 'alice: not asked for yet');
  await press(alice, '#settings-open');
  await alice.click('#notify');
  await alice.waitForSelector('#notify[aria-pressed=true]');
  await alice.keyboard.press('Escape');
  await say(bob, 'for no one in particular');
  await say(bob, 'alice: look');
  await shows(alice, 'bob', 'alice: look');
  await deed(bob, 'alice', 'Direct message');
  await inRoom(bob, 'alice');
  await say(bob, 'psst');
  await alice.waitForFunction(() => window.notified.length >= 2);
  assert.deepEqual(await alice.evaluate(() => window.notified),
    ['bob in #lobby: alice: look', 'bob: psst']);
});

test('accounts: their rooms stay, on every page of theirs', options, async (t) => {
  const server = await serve(t);
  const page = await visit(t, server);
  await register(page, 'erika');
  await join(page, '#dev');
  const second = await page.context().newPage();
  await second.goto(server.url);
  await inRoom(second, '#lobby');
  await showRoom(second, 'dev');
  await inRoom(second, '#dev');
  await say(second, 'from the second');
  await shows(page, 'erika', 'from the second');
  await here(page, 1, 'erika');
  await unread(page, 'dev', '');
});
