// Accounts on the page: registering, logging in and out, passwords.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  inRoom,
  is,
  join,
  logIn,
  options,
  press,
  ready,
  register,
  rooms,
  say,
  serve,
  serveStandIn,
  setNick,
  shows,
  text,
  toast,
  until,
  visit,
} from './harness.mjs';

const PASSWORD = 'a long password';

async function refused(page, words) {
  await until(`the words ${words}`, async () => words.test(await text(page, '#login-problem')));
  assert.ok(await page.isVisible('#login-problem'));
}

test('register, log out, log in again: one person', options, async (t) => {
  const server = await serve(t);
  const page = await visit(t, server);
  await setNick(page, 'a guest');
  await register(page, 'erika', PASSWORD);
  assert.equal(await text(page, '#me-role'), 'account');
  await join(page, '#dev');
  await say(page, 'from an account');
  await shows(page, 'erika', 'from an account');
  await press(page, '#settings-open');
  assert.ok(await page.isHidden('#nick-form'), 'an account has no nickname beside its name');
  await page.click('#logout');
  await is(page, 'a guest');
  await ready(page);
  await until('the lobby', async () => (await rooms(page)).length > 0);
  assert.deepEqual((await rooms(page)).map(({ name }) => name), ['lobby']);

  await press(page, '#login-open');
  await logIn(page, 'erika', 'a wrong password');
  await refused(page, /wrong/i);
  await logIn(page, 'erika', PASSWORD);
  await is(page, 'erika');
  await ready(page);
  await until('its rooms', async () => (await rooms(page)).length === 2);
  await press(page, 'nav [data-room="2"]');
  await inRoom(page, '#dev');
  await shows(page, 'erika', 'from an account');
  const own = page.locator('#messages .said .you');
  await own.waitFor();
});

test('a name that is taken, and a password that is short', options, async (t) => {
  const server = await serve(t);
  const [page, other] = [await visit(t, server), await visit(t, server)];
  await register(page, 'erika', PASSWORD);
  await press(other, '#login-open');
  await other.click('#login-other');
  await logIn(other, 'Erika', PASSWORD);
  await refused(other, /taken/);
  await logIn(other, 'max', 'short');
  await refused(other, /password/i);
  await logIn(other, 'max', PASSWORD);
  await is(other, 'max');
});

test('the password is changed, and everybody logged out', options, async (t) => {
  const server = await serve(t);
  const [page, other] = [await visit(t, server), await visit(t, server)];
  await register(page, 'erika', PASSWORD);
  await press(other, '#login-open');
  await logIn(other, 'erika', PASSWORD);
  await is(other, 'erika');
  await ready(other);
  await press(page, '#settings-open');
  await page.fill('#password-old', 'not this one');
  await page.fill('#password-new', 'a new long password');
  await page.press('#password-new', 'Enter');
  await page.waitForSelector('#password-problem', { state: 'visible' });
  await page.fill('#password-old', PASSWORD);
  await page.press('#password-new', 'Enter');
  await toast(page, /password is changed/);
  await press(page, '#settings-open');
  await page.click('#logout-all');
  await until('a guest', async () => (await text(page, '#me-role')) === 'guest');
  await until('the other, too', async () => (await text(other, '#me-role')) === 'guest');
  await ready(page);
  await press(page, '#login-open');
  await logIn(page, 'erika', PASSWORD);
  await refused(page, /wrong/i);
  await logIn(page, 'erika', 'a new long password');
  await is(page, 'erika');
});

test('an administrator operates every room', options, async (t) => {
  const server = await serveStandIn(t);
  const [page, other] = [await visit(t, server), await visit(t, server)];
  await join(other, '#dev');
  await press(page, '#login-open');
  await logIn(page, 'admin', 'admin admin');
  await is(page, 'admin');
  await ready(page);
  assert.equal(await text(page, '#me-role'), 'administrator');
  await join(page, '#dev');
  await press(page, '#room-open');
  await page.fill('#topic-text', 'by the administrator');
  await page.press('#topic-text', 'Enter');
  await until('the topic', async () => (await text(other, '#topic')) === 'by the administrator');
});

test('where guests are refused the page asks to log in', options, async (t) => {
  const server = await serveStandIn(t);
  const page = await visit(t, server);
  await register(page, 'erika', PASSWORD);
  await server.command('guests off');
  await server.command('register off');
  await press(page, '#settings-open');
  await page.click('#logout');
  await page.waitForSelector('#login[open]');
  assert.ok(await page.isHidden('#login-other'), 'no accounts are made here');
  await logIn(page, 'erika', PASSWORD);
  await is(page, 'erika');
  await ready(page);
});

test('too many wrong passwords: wait', options, async (t) => {
  const server = await serveStandIn(t);
  const page = await visit(t, server);
  await press(page, '#login-open');
  for (let i = 0; i < 5; i++) {
    await logIn(page, 'erika', `wrong ${i}`);
    await refused(page, /wrong/);
    await page.evaluate(() => (document.getElementById('login-problem').textContent = ''));
  }
  await logIn(page, 'erika', 'wrong again');
  await refused(page, /Try again in 60 s/);
});
