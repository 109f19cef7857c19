// A stand-in for `polyio chat`, for working on the page without the server: the page, /ws, /api and
// the line protocol on one port, and the same command line.
//
//   node tests/page/mock.mjs chat --listen 127.0.0.1:8080      (`quit` or the end of stdin ends it)
//
// On its standard input, for tests:
//   drop              breaks all pages' connections
//   gap on, gap off   pages get no entries; then they hear what was left out
//   flood ROOM N      N messages in that room, "flood 1" to "flood N"
//   crowd N           N more guests in the lobby
//   refuse TEXT       the next message of a page is refused with that text
//   lose              the next message is kept, but its author's connection breaks before it hears
//   guests off        without an account nothing is possible;  register off: no new accounts
// An account "admin" with the password "admin admin" is there.

import { readFileSync } from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import net from 'node:net';
import { createInterface } from 'node:readline';

import { answerApi, personOf } from './mock_api.mjs';
import { Chat, Refused } from './mock_chat.mjs';
import { servePage } from './mock_page.mjs';

const require = createRequire(new URL('../../web/package.json', import.meta.url));
const { WebSocketServer } = require('ws');

const SILENT_MS = 300; // a client silent for this long is a line client

const dist = new URL('../../web/dist/', import.meta.url);
const pages = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/assets/app.js': ['assets/app.js', 'text/javascript; charset=utf-8'],
  '/assets/app.css': ['assets/app.css', 'text/css; charset=utf-8'],
  '/favicon.svg': ['favicon.svg', 'image/svg+xml'],
};
const headers = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cache-control': 'no-cache',
  // A browser keeps a spare connection when an earlier one comes free first; silent for 300 ms, it
  // would be taken for a line client. Nothing comes free if every answer closes.
  connection: 'close',
  'x-content-type-options': 'nosniff',
};

const chat = new Chat();
const options = {};

const web = http.createServer((request, response) => {
  if (request.url.startsWith('/api/')) return answerApi(chat, options, request, response, headers);
  const page = pages[request.url];
  if (!page) return response.writeHead(404, headers).end('not found\n');
  response.writeHead(200, { ...headers, 'content-type': page[1] });
  response.end(readFileSync(new URL(page[0], dist)));
});

const addressOf = (socket) => `('${socket.remoteAddress}', ${socket.remotePort})`;

const sockets = new WebSocketServer({ server: web, path: '/ws' });
sockets.on('connection', (ws, request) => {
  ws.on('error', () => {});
  const person = personOf(chat, request) ?? chat.guest(addressOf(request.socket));
  servePage(chat, person, ws, options);
});

function serveHttp(socket, bytes) {
  socket.pause();
  socket.unshift(bytes);
  web.emit('connection', socket);
  process.nextTick(() => socket.resume());
}

function serveLines(socket, person) {
  createInterface({ input: socket, crlfDelay: Infinity }).on('line', (line) => {
    const [, nick] = /^\/nick ?(.*)$/.exec(line) ?? [];
    try {
      if (nick !== undefined) chat.rename(person, nick);
      else chat.say(chat.lobby, person, line);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      socket.write(`-- error: ${error.message}\n`);
    }
  });
}

const lineConnection = (socket) => ({
  line: true,
  shown: null,
  deliver({ type, room, entries }) {
    if (type !== 'entries' || room !== chat.lobby.number) return;
    for (const { name, text, target } of entries) {
      if (text !== undefined && target === undefined) socket.write(`[${name}] ${text}\n`);
    }
  },
});

// The first bytes show a browser or a line client, also when they come late: a browser may
// open a connection and write to it only after SILENT_MS, having been a line client until then.
const listener = net.createServer((socket) => {
  socket.on('error', () => {});
  let person = null;
  const connection = lineConnection(socket);
  const arrive = () => {
    if (person) return;
    person = chat.guest(addressOf(socket));
    chat.connect(person, connection);
  };
  const depart = () => {
    clearTimeout(silent);
    if (person) chat.disconnect(person, connection);
  };
  const silent = setTimeout(arrive, SILENT_MS);
  socket.on('close', depart);
  socket.once('data', (bytes) => {
    if (/^[A-Z]+ \/\S* HTTP/.test(bytes.toString('latin1'))) {
      depart();
      return serveHttp(socket, bytes);
    }
    clearTimeout(silent);
    arrive();
    socket.pause();
    socket.unshift(bytes);
    serveLines(socket, person);
    socket.resume();
  });
});

const [, , command, flag, listen = ''] = process.argv;
const [, host, port] = /^(.*):(\d+)$/.exec(listen) ?? [];
if (command !== 'chat' || flag !== '--listen' || !port) {
  console.error('usage: mock.mjs chat --listen HOST:PORT');
  process.exit(2);
}
listener.listen(Number(port), host, () => {
  console.log(`listening on ${host}:${listener.address().port} (mock, event loop)`);
});

function quit() {
  for (const ws of sockets.clients) ws.close(1001);
  setTimeout(() => process.exit(0), 100);
}

function flood(room, count) {
  for (let i = 1; i <= count; i++) chat.say(chat.rooms.get(room), chat.flooder, `flood ${i}`);
}

function crowd(count) {
  for (let i = 1; i <= count; i++) {
    const person = chat.guest(`guest ${i}`);
    person.connections.add({ line: true, shown: null, deliver() {} });
    chat.lobby.members.add(person);
  }
  chat.tellPeople(chat.lobby, { type: 'total', total: chat.who(chat.lobby).total });
}

const commands = {
  quit,
  drop: () => [...sockets.clients].forEach((ws) => ws.terminate()),
  gap: (on) => (on === 'on' ? (chat.withhold = new Map()) : chat.endGap()),
  flood: (room, count) => flood(Number(room), Number(count)),
  crowd: (count) => crowd(Number(count)),
  refuse: (...words) => (options.refuse = words.join(' ')),
  lose: () => (options.lose = true),
  guests: () => (options.guests = false),
  register: () => (options.register = false),
};
createInterface({ input: process.stdin })
  .on('line', (line) => {
    const [name, ...words] = line.trim().split(' ');
    commands[name]?.(...words);
    if (name !== 'quit') console.log(`done ${line.trim()}`);
  })
  .on('close', quit);
