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

/** Starts a server; `stop()` types quit and waits for its end. */
export async function serve(t, port = 0) {
  const [command, ...rest] = process.env.POLYIO_CHAT
    ? [process.env.POLYIO_CHAT]
    : [process.execPath, fileURLToPath(new URL('mock.mjs', import.meta.url))];
  const more = (process.env.POLYIO_CHAT_ARGS ?? '').split(' ').filter(Boolean);
  const child = spawn(command, [...rest, 'chat', '--listen', `127.0.0.1:${port}`, ...more], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  const seen = [];
  createInterface({ input: child.stdout }).on('line', (line) => seen.push(line));
  const server = {
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

/** The chat page, connected. */
export async function visit(t, server, view) {
  const page = await blank(t, view);
  page.on('websocket', (socket) =>
    socket.on('framereceived', ({ payload }) => {
      const event = JSON.parse(payload);
      if (event.type === 'hello') page.hello = event;
    }),
  );
  page.response = await page.goto(server.url);
  await connected(page);
  page.address = page.hello.name;
  page.tcpPort = Number(/, (\d+)\)$/.exec(page.address)[1]);
  return page;
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
  return page.$$eval('#messages li:not(.gap)', (items) =>
    items.map((item) => ({
      name: item.querySelector('.name').textContent,
      text: item.querySelector('.text').textContent,
    })),
  );
}

export function shows(page, name, said) {
  return until(`${name} saying ${said}`, async () =>
    (await messages(page)).some((m) => m.name === name && m.text === said),
  );
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

export async function setNick(page, nick) {
  await page.fill('#nick', nick);
  await page.press('#nick', 'Enter');
  await until(`being ${nick}`, async () => (await text(page, '#me')) === `You are ${nick}`);
}

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
