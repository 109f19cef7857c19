// polyio chat's page: one room, everyone in it.

import { Composer } from './composer';
import { Connection, webSocketUrl, type State } from './connection';
import { byId, setText } from './dom';
import { Log } from './log';
import { People } from './people';
import { parse, type FromServer, type ToServer } from './protocol';
import { clean } from './text';

const TITLE = document.title;
const NICK_KEY = 'polyio-chat.nick';

const RECLAIM_MS = 3000;

let me = { id: -1, name: '' };
let nick = recall(); // the one wanted; '' for none
let reclaiming = 0; // a timer: the nickname was ours before the connection was lost
let unread = 0;

const log = new Log();
const people = new People();
const composer = new Composer((text) => connection.send({ type: 'say', text }));
const connection = new Connection<FromServer, ToServer>(webSocketUrl(), {
  state: showState,
  message: received,
  parse,
  answered: ({ type }) => type === 'say', // everything said comes back
});

// Storage may be forbidden: then the nickname lasts as long as the page.
function recall(): string {
  try {
    return localStorage.getItem(NICK_KEY) ?? '';
  } catch {
    return '';
  }
}

function remember(): void {
  try {
    if (nick) localStorage.setItem(NICK_KEY, nick);
    else localStorage.removeItem(NICK_KEY);
  } catch {
    // See recall().
  }
}

function received(message: FromServer): void {
  switch (message.type) {
    case 'hello':
      me = { id: message.id, name: message.name };
      composer.limit = message.limit;
      showMe(message.name);
      reclaim();
      return;
    case 'history':
      for (const { id } of message.messages) if (id === me.id) composer.confirm();
      return message.continued ? log.more(message.messages, me.id) : log.replace(message.messages);
    case 'who':
      return people.replace(message.people, message.total, me);
    case 'total':
      return people.count(message.total);
    case 'join':
      return people.join(message.id, message.name);
    case 'leave':
      return people.leave(message.id);
    case 'rename':
      if (message.id === me.id) showMe(message.name);
      return people.rename(message.id, message.name);
    case 'message':
      if (message.id === me.id) composer.confirm();
      else countUnread();
      return log.add(message, message.id === me.id);
    case 'skipped':
      composer.forget();
      return log.skipped(message.count);
    case 'error':
      if (message.about !== 'nick') composer.refused();
      return showError(message.text);
  }
}

// After a lost connection the server may count the old one for a while, and with it our nickname:
// asks for it until it is free again, or another one is wanted.
function reclaim(): void {
  clearTimeout(reclaiming);
  reclaiming = 0;
  if (!nick || nick === me.name) return;
  connection.send({ type: 'nick', nick });
  reclaiming = window.setTimeout(reclaim, RECLAIM_MS);
}

function showMe(name: string): void {
  if (reclaiming && name === nick) showError('');
  me.name = name;
  setText(byId('me'), `You are ${name}`);
  composer.setName(name);
}

function showError(text: string): void {
  byId('alert-box').hidden = text === '';
  byId('alert').textContent = text;
}

// The banner counts down in silence; #announce speaks once per change of state.
function showState(state: State): void {
  const waiting = state.name === 'waiting';
  const shown = { connecting: 'Connecting…', connected: 'Connected', waiting: 'Reconnecting' };
  const pill = byId('state');
  const changed = pill.dataset['state'] !== state.name;
  pill.dataset['state'] = state.name;
  setText(pill, shown[state.name]);
  if (waiting) {
    setText(byId('banner-text'), state.offline ? 'You are offline.' : 'Connection lost.');
    setText(byId('countdown'), `Reconnecting in ${state.seconds} s`);
  }
  if (!changed) return;
  composer.setConnected(state.name === 'connected');
  if (state.name === 'connected') setText(byId('announce'), 'Connected');
  if (waiting) setText(byId('announce'), 'Connection lost. Reconnecting.');
  showBanner(waiting);
}

function showBanner(shown: boolean): void {
  const banner = byId('banner');
  const hadFocus = banner.contains(document.activeElement);
  banner.hidden = !shown;
  if (!shown && hadFocus) composer.focus();
}

function countUnread(): void {
  if (!document.hidden) return;
  unread++;
  document.title = `(${unread}) ${TITLE}`;
}

function showPeople(shown: boolean): void {
  byId('toggle').ariaExpanded = String(shown);
  byId('side').classList.toggle('open', shown);
}

document.addEventListener('visibilitychange', () => {
  if (document.hidden) return;
  unread = 0;
  document.title = TITLE;
});

byId('nick-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const field = byId<HTMLInputElement>('nick');
  nick = clean(field.value);
  field.value = nick;
  remember();
  showError('');
  clearTimeout(reclaiming);
  reclaiming = 0;
  connection.send({ type: 'nick', nick }); // or after the next hello
  if (byId('toggle').ariaExpanded === 'true') {
    showPeople(false);
    composer.focus();
  }
});

byId('composer').addEventListener('submit', () => {
  showError('');
  log.follow();
});

byId('now').addEventListener('click', () => connection.connectNow());
byId('toggle').addEventListener('click', () => showPeople(byId('toggle').ariaExpanded !== 'true'));
byId('dismiss').addEventListener('click', () => {
  showError('');
  composer.focus();
});
document.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape' || byId('toggle').ariaExpanded !== 'true') return;
  showPeople(false);
  byId('toggle').focus();
});

byId<HTMLInputElement>('nick').value = nick;
if (location.protocol === 'http:' && location.port) {
  setText(byId('nc'), `nc ${location.hostname.replace(/[[\]]/g, '')} ${location.port}`);
  byId('terminal').hidden = false;
}
if (matchMedia('(pointer: fine)').matches) composer.focus();
connection.connectNow();
