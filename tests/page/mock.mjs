// A stand-in for `polyio chat`, for working on the page without the server: the page, /ws and the
// line protocol on one port, and the same command line.
//
//   node tests/page/mock.mjs chat --listen 127.0.0.1:8080      (`quit` or the end of stdin ends it)

import { readFileSync } from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import net from 'node:net';
import { createInterface } from 'node:readline';

const require = createRequire(new URL('../../web/package.json', import.meta.url));
const { WebSocketServer } = require('ws');

const HISTORY = 100;
const SILENT_MS = 300; // a client silent for this long is a line client
const LIMIT = 8192;

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

const people = new Map(); // id -> { id, name, address, deliver(event) }
const history = [];
let nextId = 1;

function broadcast(event, except) {
  for (const person of people.values()) if (person !== except) person.deliver(event);
}

function enter(socket, deliver) {
  const address = `('${socket.remoteAddress}', ${socket.remotePort})`;
  const person = { id: nextId++, name: address, address, deliver };
  people.set(person.id, person);
  broadcast({ type: 'join', id: person.id, name: person.name }, person);
  return person;
}

function leave(person) {
  if (people.delete(person.id)) broadcast({ type: 'leave', id: person.id });
}

function say(person, text) {
  const message = { id: person.id, name: person.name, text, time: Date.now() };
  history.push(message);
  if (history.length > HISTORY) history.shift();
  broadcast({ type: 'message', ...message });
}

function rename(person, nick) {
  if (nick.length > 32) {
    return person.deliver({ type: 'error', text: 'That nickname is too long.' });
  }
  person.name = nick || person.address;
  broadcast({ type: 'rename', id: person.id, name: person.name });
}

const web = http.createServer((request, response) => {
  const page = pages[request.url];
  if (!page) return response.writeHead(404, headers).end('not found\n');
  response.writeHead(200, { ...headers, 'content-type': page[1] });
  response.end(readFileSync(new URL(page[0], dist)));
});

const sockets = new WebSocketServer({ server: web, path: '/ws' });
sockets.on('connection', (ws, request) => {
  const person = enter(request.socket, (event) => ws.send(JSON.stringify(event)));
  person.deliver({ type: 'hello', id: person.id, name: person.name, limit: LIMIT });
  person.deliver({ type: 'history', messages: history });
  const listed = [...people.values()].slice(-500).map(({ id, name }) => ({ id, name }));
  person.deliver({ type: 'who', people: listed, total: people.size });
  ws.on('message', (data) => {
    const event = JSON.parse(String(data));
    if (event.type === 'say') say(person, event.text);
    if (event.type === 'nick') rename(person, event.nick);
  });
  ws.on('close', () => leave(person));
});

function serveHttp(socket, bytes) {
  socket.pause();
  socket.unshift(bytes);
  web.emit('connection', socket);
  process.nextTick(() => socket.resume());
}

function serveLines(socket, person) {
  createInterface({ input: socket, crlfDelay: Infinity }).on('line', (line) => say(person, line));
}

// The first bytes show a browser or a line client, also when they come late: a browser may
// open a connection and write to it only after SILENT_MS, having been a line client until then.
const listener = net.createServer((socket) => {
  socket.on('error', () => {});
  let person = null;
  const arrive = () => {
    person ??= enter(socket, (event) => {
      if (event.type !== 'message' || event.id === person.id) return;
      socket.write(`[${event.name}] ${event.text}\n`);
    });
  };
  const depart = () => {
    clearTimeout(silent);
    if (person) leave(person);
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
createInterface({ input: process.stdin })
  .on('line', (line) => line.trim() === 'quit' && quit())
  .on('close', quit);
