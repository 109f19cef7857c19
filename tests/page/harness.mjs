// What the page's tests stand on: a real browser, a real server, and a plain TCP line client.
//
//   cd web && npm install && POLYIO_CHAT=/path/to/polyio npm test
//
// POLYIO_CHAT       the server; without it, mock.mjs stands in
// POLYIO_CHAT_ARGS  more arguments for it, as in "--model epoll"
// CHROMIUM          the browser, /usr/bin/chromium if not set
//
// Every test has a server of its own and waits for conditions, never for a time.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import net from 'node:net';
import { createInterface } from 'node:readline';
import { after, before } from 'node:test';
import { fileURLToPath } from 'node:url';

const require = createRequire(new URL('../../web/package.json', import.meta.url));
const { chromium } = require('playwright-core');
export const axe = require('axe-core');

export const WITHIN_MS = 15_000;
export const options = { timeout: 90_000 };
export const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
export const SIZES = {
  desktop: { viewport: { width: 1180, height: 760 } },
  phone: { viewport: { width: 360, height: 640 }, hasTouch: true, isMobile: true },
  narrow: { viewport: { width: 320, height: 568 }, hasTouch: true, isMobile: true },
};

let browser;
before(async () => {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync',
    ],
  });
});
after(() => browser?.close());

/** Waits until `check` gives something true, and gives it back. */
export async function until(what, check) {
  const end = Date.now() + WITHIN_MS;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (Date.now() > end) assert.fail(`waited ${WITHIN_MS} ms for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Starts a server, which keeps nothing; `stop()` types quit and waits for its end. */
export async function serve(t, port = 0, standsIn = !process.env.POLYIO_CHAT) {
  const [command, ...rest] = standsIn
    ? [process.execPath, fileURLToPath(new URL('mock.mjs', import.meta.url))]
    : [process.env.POLYIO_CHAT];
  const more = (process.env.POLYIO_CHAT_ARGS ?? '').split(' ').filter(Boolean);
  const child = spawn(command, [...rest, 'chat', '--listen', `127.0.0.1:${port}`, ...more], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, POLYIO_MEMORY: 'true', POLYIO_MESSAGE_RATE: '0' },
  });
  const ended = once(child, 'exit');
  const seen = [];
  createInterface({ input: child.stdout }).on('line', (line) => seen.push(line));
  const server = {
    async command(text) {
      const done = () => seen.filter((one) => one === `done ${text}`).length;
      const before = done();
      child.stdin.write(`${text}\n`);
      await until(`the command ${text}`, () => done() > before);
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const kill = setTimeout(() => child.kill('SIGKILL'), WITHIN_MS);
      child.stdin.write('quit\n');
      const [code] = await ended;
      clearTimeout(kill);
      assert.equal(code, 0, 'the server ends with 0 after quit');
    },
  };
  t.after(() => server.stop());
  const line = await until('the server to listen', () => {
    assert.equal(child.exitCode, null, `the server ended: ${seen.join('\n')}`);
    return seen.find((text) => /^listening on 127\.0\.0\.1:\d+ \(.+, .+\)$/.test(text));
  });
  server.port = Number(/:(\d+) /.exec(line)[1]);
  server.url = `http://127.0.0.1:${server.port}/`;
  return server;
}

/** Starts the stand-in, which has commands for what a real server does only rarely. */
export const serveStandIn = (t) => serve(t, 0, true);

/** An empty page in a context of its own, which records what goes wrong in it. */
export async function blank(t, { size = 'desktop', scheme = 'light' } = {}) {
  const context = await browser.newContext({ ...SIZES[size], colorScheme: scheme });
  t.after(() => context.close());
  await context.addInitScript(() => {
    window.violations = [];
    document.addEventListener('securitypolicyviolation', (event) => {
      window.violations.push(`${event.effectiveDirective} ${event.blockedURI}`);
    });
  });
  const page = await context.newPage();
  page.errors = [];
  page.on('pageerror', (error) => page.errors.push(String(error)));
  t.after(() => assert.deepEqual(page.errors, [], 'no exception in the page'));
  return page;
}

/** The chat page, connected and in the lobby. */
export async function visit(t, server, view) {
  const page = await blank(t, view);
  page.frames = [];
  page.on('websocket', (socket) => {
    socket.on('framesent', ({ payload }) => page.frames.push(JSON.parse(payload)));
    socket.on('framereceived', ({ payload }) => {
      const event = JSON.parse(payload);
      if (event.type === 'hello') page.hello = event;
    });
  });
  page.response = await page.goto(server.url);
  await ready(page);
  page.address = page.hello.name;
  page.tcpPort = Number(/, (\d+)\)$/.exec(page.address)?.[1]);
  return page;
}

/** Connected, and a room is shown. */
export async function ready(page) {
  await connected(page);
  await until('a room', async () => (await text(page, '#room-name')) !== '');
}

/** axe-core finds nothing serious; its source must be in the page. */
export async function accessible(page, view) {
  const { violations } = await page.evaluate(() =>
    window.axe.run(document, { resultTypes: ['violations'] }),
  );
  const bad = violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.failureSummary + node.html)}`);
  assert.deepEqual(bad, [], `axe-core on ${view}`);
}

export const state = (page) => page.getAttribute('#state', 'data-state');
export const connected = (page) =>
  until('the page to connect', async () => (await state(page)) === 'connected');
export const text = (page, selector) => page.textContent(selector);

export function messages(page) {
  return page.$$eval('#messages .said', (items) =>
    items.map((item) => ({
      name: item.querySelector('.name').textContent,
      text: item.querySelector('.text').textContent,
    })),
  );
}

export const texts = async (page) => (await messages(page)).map((one) => one.text);

export function shows(page, name, said) {
  return until(`${name} saying ${said}`, async () =>
    (await messages(page)).some((m) => m.name === name && m.text === said),
  );
}

/** Scrolls up and down until `count` different messages were there; gives them. */
export async function readAll(page, count) {
  const seen = new Set();
  let step = -600;
  await until(`${count} messages`, async () => {
    const stuck = await page.$eval('#log', (log, by) => {
      const was = log.scrollTop;
      log.scrollTop += by;
      return log.scrollTop === was;
    }, step);
    if (stuck) step = -step;
    for (const said of await texts(page)) seen.add(said);
    return seen.size >= count;
  });
  return seen;
}

export function people(page) {
  return page.$$eval('#people .name', (names) => names.map((name) => name.textContent));
}

export async function here(page, count, ...names) {
  let seen = '';
  await until(`${count} here, ${names}`, async () => {
    const listed = await people(page);
    seen = `${await text(page, '#count')} here: ${listed.join(' ')}`;
    return seen.startsWith(`${count} here`) && names.every((name) => listed.includes(name));
  }).catch((error) => {
    throw new Error(`${error.message}\nshown: ${seen}`);
  });
}

export async function say(page, said) {
  await page.fill('#text', said);
  await page.press('#text', 'Enter');
}

export const is = (page, name) =>
  until(`being ${name}`, async () => (await text(page, '#me')) === name);

/** Presses a button, also where it is in a drawer. */
export const press = (page, selector) => page.$eval(selector, (button) => button.click());

export async function setNick(page, nick) {
  await press(page, '#settings-open');
  await page.fill('#nick', nick);
  await page.press('#nick', 'Enter');
  await is(page, nick);
}

/** Makes an account and is it. */
export async function register(page, name, password = 'a long password') {
  await press(page, '#login-open');
  await page.click('#login-other');
  await logIn(page, name, password);
  await is(page, name);
  await ready(page);
}

/** Fills the dialog that is open. */
export async function logIn(page, name, password) {
  await page.fill('#login-name', name);
  await page.fill('#login-password', password);
  await page.click('#login-go');
}

export const inRoom = (page, name) =>
  until(`${name} to be shown`, async () => (await text(page, '#room-name')) === name);

export async function join(page, name) {
  await press(page, '#browse-open');
  await page.fill('#join-name', name);
  await page.press('#join-name', 'Enter');
  await inRoom(page, name);
}

/** The rooms and conversations at the side: name, and what is unread in words. */
export function rooms(page) {
  return page.$$eval('nav [data-room]', (buttons) =>
    buttons.map((button) => ({
      name: button.querySelector('.room-name').textContent,
      unread: button.querySelector('.sr')?.textContent ?? '',
    })),
  );
}

export function unread(page, name, words) {
  return until(`${name}: ${words || 'nothing unread'}`, async () =>
    (await rooms(page)).some((room) => room.name === name && room.unread === words),
  );
}

export function showRoom(page, name) {
  return until(`${name} in the list`, () =>
    page.evaluate((wanted) => {
      const buttons = [...document.querySelectorAll('nav [data-room]')];
      const named = (button) => button.querySelector('.room-name').textContent === wanted;
      const found = buttons.find(named);
      found?.click();
      return found !== undefined;
    }, name),
  );
}

/** The message that says this. */
export const message = (page, said) =>
  page.locator('#messages .said', { has: page.locator('.text', { hasText: said }) });

/** Chooses from the menu that is open. */
export const choose = (page, label) =>
  page.locator('#menu-list button', { hasText: label }).click();

/** What can be done with a message, by the keyboard. */
export async function openMessage(page, said) {
  await message(page, said).focus();
  await page.keyboard.press('Enter');
}

export const toast = (page, words) =>
  until(`the words ${words}`, async () =>
    (await page.locator('#toasts p').allTextContents()).some((shown) => words.test(shown)),
  );

/** A plain TCP client, as nc. */
export async function lineClient(t, server) {
  const socket = net.connect(server.port, '127.0.0.1');
  const lines = [];
  socket.setEncoding('utf8');
  let rest = '';
  socket.on('data', (data) => {
    const parts = (rest + data).split('\n');
    rest = parts.pop();
    lines.push(...parts);
  });
  socket.on('error', () => {});
  await once(socket, 'connect');
  t.after(() => socket.destroy());
  return {
    name: `('127.0.0.1', ${socket.localPort})`,
    send: (data) => socket.write(data),
    receives: (line) =>
      until(`the line client to receive ${line}`, () => lines.includes(line)).catch((error) => {
        throw new Error(`${error.message}\nit received ${JSON.stringify(lines)}`);
      }),
    end: () => socket.end(),
  };
}
