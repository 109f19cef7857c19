// /api of the stand-in server: accounts with plain passwords, and the search.

import { randomBytes } from 'node:crypto';

import { Refused } from './mock_chat.mjs';

const COOKIE = 'polyio';
const TRIES = 5; // wrong passwords for one name

const tries = new Map();

function tokenOf({ headers }) {
  return new RegExp(`(?:^|; )${COOKIE}=(\\w+)`).exec(headers.cookie ?? '')?.[1];
}

/** The account that a request's cookie stands for. */
export function personOf(chat, request) {
  const token = tokenOf(request);
  return token && [...chat.accounts.values()].find(({ tokens }) => tokens?.has(token));
}

async function read(request) {
  let text = '';
  for await (const chunk of request) text += chunk;
  return JSON.parse(text || '{}');
}

class Status extends Error {
  constructor(status, text, more = {}) {
    super(text);
    Object.assign(this, { status, more });
  }
}

function enter(person) {
  const token = randomBytes(16).toString('hex');
  person.tokens.add(token);
  const cookie = `${COOKIE}=${token}; HttpOnly; SameSite=Strict; Path=/`;
  return [200, { id: person.id, name: person.name }, { 'set-cookie': cookie }];
}

function login(chat, { name, password }) {
  const key = name.toLowerCase();
  if ((tries.get(key) ?? 0) >= TRIES) {
    throw new Status(429, 'Too many wrong passwords.', { 'retry-after': '60' });
  }
  const person = chat.accounts.get(key);
  if (person?.password === password) return enter(person);
  tries.set(key, (tries.get(key) ?? 0) + 1);
  throw new Status(401, 'The name or the password is wrong.');
}

function endConnections(person) {
  for (const page of [...person.connections]) page.ws.close(1001);
}

const posts = {
  login,
  register(chat, { name, password }, options) {
    if (options.register === false) throw new Status(403, 'An administrator makes accounts here.');
    const person = chat.register(name, password);
    if (!person) throw new Status(409, `The name ${name} is taken.`);
    return enter(person);
  },
  logout(chat, { everywhere }, options, person, request) {
    person.tokens.delete(tokenOf(request));
    if (everywhere) {
      person.tokens.clear();
      endConnections(person);
    }
    return [204];
  },
  password(chat, event, options, person) {
    if (event.old !== person.password) throw new Status(401, 'The old password is wrong.');
    if (event.new.length < 8) throw new Status(422, 'A password has at least 8 characters.');
    person.password = event.new;
    return [204];
  },
};

async function answer(chat, options, request) {
  const url = new URL(request.url, 'http://localhost');
  const name = url.pathname.slice('/api/'.length);
  const person = personOf(chat, request);
  if (request.method === 'GET' && name === 'search') {
    const query = url.searchParams;
    const before = Number(query.get('before')) || Infinity;
    const reader = person ?? { id: 0 };
    const rooms = person ? null : [chat.lobby]; // a guest has no cookie: the lobby is all it sees
    const entries = chat.search(reader, query.get('q'), Number(query.get('room')), before, rooms);
    return [200, { entries }];
  }
  const post = request.method === 'POST' && Object.hasOwn(posts, name) && posts[name];
  if (!post) throw new Status(404, 'There is no such thing.');
  if (!person && (post === posts.logout || post === posts.password)) {
    throw new Status(401, 'You are not logged in.');
  }
  return post(chat, await read(request), options, person, request);
}

export async function answerApi(chat, options, request, response, headers) {
  let [status, body, more] = [500, { error: 'broken' }, {}];
  try {
    [status, body, more = {}] = await answer(chat, options, request);
  } catch (error) {
    if (error instanceof Refused) [status, body] = [422, { error: error.message }];
    else if (error instanceof Status) {
      [status, body, more] = [error.status, { error: error.message }, error.more];
    } else throw error;
  }
  response.writeHead(status, { ...headers, ...more, 'content-type': 'application/json' });
  response.end(body === undefined ? undefined : JSON.stringify(body));
}
