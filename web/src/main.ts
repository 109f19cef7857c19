// polyio chat's page: puts its parts together.

import { Account } from './account';
import { Admin } from './admin';
import { arrowKeys } from './arrows';
import { Browse } from './browse';
import { Composer } from './composer';
import type { State } from './connection';
import { confirmThen, openDialog, openMenu, prepareDialogs, type Choice } from './dialogs';
import { byId, setText } from './dom';
import { closeDrawer, prepareDrawers } from './drawers';
import { excerpt } from './entry';
import type { Said } from './held';
import { shortcuts } from './keys';
import { Log } from './log';
import { notify } from './notify';
import { MOST } from './outbox';
import { People } from './people';
import type { Entry } from './protocol';
import { mentions, type Room } from './room';
import { Search } from './search';
import { Session } from './session';
import { Sidebar } from './sidebar';
import { Spoken } from './spoken';
import { addToast } from './toasts';

const TICK_MS = 10_000;

const session = new Session({
  state: showState,
  me: () => {
    account.shown();
    composer.limit = session.me.limit;
    composer.show(session.shown, session.name);
    log.changed();
  },
  rooms: () => {
    sidebar.changed();
    showHead();
  },
  shown: () => {
    people.clear();
    closeDrawer(false);
    log.show(session.shown);
    composer.show(session.shown, session.name);
    sidebar.changed();
    showHead();
  },
  log: () => log.changed(),
  found: (_, seq) => log.goTo(seq),
  live: said,
  people: (news) => people.news(news),
  listed: (rooms) => browse.listed(rooms),
  invited: (name, by) =>
    addToast({
      text: `${by} invites you to ${name}.`,
      kind: 'notice',
      action: { label: 'Join', act: () => session.open('join', name) },
    }),
  notice: (text) => addToast({ text, kind: 'notice' }),
  refused: (about, text) => {
    addToast({ text, topic: about || text });
    if (about === 'edit') composer.editRefused();
  },
});

const log = new Log(
  { reader: session, find: (seq) => session.shown?.held.find(seq) },
  {
    unsent: (room) => session.outbox.of(room),
    ask: (room, where) => session.ask(room, where),
    atEnd: (room) => {
      if (!document.hidden) session.markRead(room);
    },
  },
);
const composer = new Composer({
  say: (room, text, action) => {
    session.say(room, text, action);
    log.follow();
  },
  edit: (room, target, text) =>
    session.send({ type: 'edit', room: room.info.room, target, text }),
  lastOwn: (room) =>
    room.held.stretches.at(-1)?.list.findLast((one) => mayEdit(one)),
  full: (room) => (session.outbox.full(room) ? `${MOST} messages wait to be sent.` : ''),
});
const people = new People(() => session.me, (person) => admin.openPerson(person));
const sidebar = new Sidebar(session, show);
const account = new Account(session);
const admin = new Admin(session, (name) => composer.add(`${name}: `));
const browse = new Browse(session);
const search = new Search(session, (room, seq) => goTo(room, seq));
const spoken = new Spoken();

function show(room: Room): void {
  const same = room === session.shown;
  if (same) closeDrawer(false);
  session.show(room);
  if (matchMedia('(pointer: fine)').matches) composer.focus();
  else byId('room-name').focus(); // no keyboard comes up
}

function goTo(number: number, seq: number): void {
  const room = session.rooms.get(number);
  if (room) session.goTo(room, seq);
}

let head = ''; // what is shown of it

// With every entry that comes; most of them change nothing here.
function showHead(): void {
  const info = session.shown?.info;
  const { connected, name, rooms } = session;
  const now = JSON.stringify([info && { ...info, last: 0, read: 0 }, connected, name, rooms.size]);
  if (now === head) return;
  head = now;
  setText(byId('room-name'), info?.name ?? '');
  setText(byId('topic'), info?.topic ?? '');
  byId('room-open').hidden = !info;
  byId('none').hidden = session.rooms.size > 0 || !session.connected;
  byId('people-part').hidden = !info;
  if (byId<HTMLDialogElement>('room').open) admin.shown();
  composer.show(session.shown, session.name);
}

function said(room: Room, entries: Entry[]): void {
  const news = entries.filter(({ target, topic }) => target === undefined && topic === undefined);
  if (room === session.shown) spoken.say(news);
  for (const entry of news) {
    if (!room.direct && !mentions(entry, session)) continue;
    const title = room.direct ? entry.name : `${entry.name} in ${room.info.name}`;
    notify(title, excerpt({ ...entry, asOf: 0 }), `room ${room.info.room}`, () => show(room));
  }
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

function mayEdit(one: Said): boolean {
  return one.id === session.me.id && !one.removed && one.topic === undefined;
}

function mayRemove(one: Said): boolean {
  if (one.removed || one.topic !== undefined) return false;
  return one.id === session.me.id || admin.operates(session.shown);
}

function remove({ seq, name, ...rest }: Said): void {
  const room = session.shown?.info.room;
  if (room === undefined) return;
  const note = `${name}: ${excerpt({ seq, name, ...rest })}`;
  confirmThen('Delete this message?', note, 'Delete', () =>
    session.send({ type: 'remove', room, target: seq }),
  );
}

function openMessage(one: Said): void {
  const choices: Choice[] = [];
  const add = (may: boolean, label: string, act: () => void, danger = false) =>
    may && choices.push({ label, act, danger });
  const text = one.text ?? '';
  add(!one.removed, 'Reply', () => composer.replyTo(one));
  add(mayEdit(one), 'Edit', () => composer.edit(one));
  const copies = !one.removed && isSecureContext;
  add(copies, 'Copy the text', () => void navigator.clipboard.writeText(text));
  add(true, one.name, () => admin.openPerson(people.find(one.id) ?? one));
  add(mayRemove(one), 'Delete…', () => remove(one), true);
  openMenu('Message', `${one.name}: ${excerpt(one)}`, choices);
}

// What is done with the message that a click or a key is for; false: nothing.
function act(what: string, one: Said): boolean {
  const may = {
    reply: !one.removed && one.topic === undefined,
    menu: one.topic === undefined,
    edit: mayEdit(one),
    remove: mayRemove(one),
  };
  if (what === 'reply' && may.reply) composer.replyTo(one);
  else if (what === 'menu' && may.menu) openMessage(one);
  else if (what === 'edit' && may.edit) composer.edit(one);
  else if (what === 'remove' && may.remove) remove(one);
  else return false;
  return true;
}

const KEYS: Record<string, string> = { Enter: 'menu', r: 'reply', e: 'edit', Delete: 'remove' };

arrowKeys((key, li) => {
  const item = log.item(li);
  return item?.kind === 'said' && act(KEYS[key] ?? '', item.said);
});

byId('messages').addEventListener('click', ({ target }) => {
  if (!(target instanceof Element) || !session.shown) return;
  const button = target.closest<HTMLElement>('button');
  const item = log.item(target.closest('#messages > li'));
  const { key, seq } = button?.dataset ?? {};
  if (button?.matches('.quote')) session.goTo(session.shown, Number(seq));
  else if (button?.matches('.retry')) session.outbox.retry(key!, session.shown, session.account);
  else if (button?.matches('.discard')) session.outbox.drop((one) => one.key === key);
  else if (button && item?.kind === 'said') act(button.className, item.said);
  else if (target.matches('.name') && item?.kind === 'said') {
    admin.openPerson(people.find(item.said.id) ?? item.said);
  }
  log.changed();
});

shortcuts({
  room: (down, unread) => {
    const room = sidebar.next(down, unread);
    if (room) show(room);
  },
  search: () => search.open(),
  browse: () => browse.open(),
  help: () => openDialog('help'),
  escape: () => {
    if (composer.cancel() || closeDrawer()) return;
    log.follow();
    composer.focus();
  },
});

document.addEventListener('visibilitychange', () => {
  const { shown } = session;
  if (document.hidden && shown && log.following) shown.since = shown.held.newest;
  if (document.hidden) return;
  session.probe();
  log.changed();
});

// After a sleep the clock has jumped.
let ticked = Date.now();
setInterval(() => {
  if (Date.now() - ticked > 3 * TICK_MS) session.probe();
  ticked = Date.now();
}, TICK_MS);

prepareDialogs();
prepareDrawers();
byId('now').addEventListener('click', () => session.connectNow());
byId('help-open').addEventListener('click', () => openDialog('help'));
if (location.protocol === 'http:' && location.port) {
  setText(byId('nc'), `nc ${location.hostname.replace(/[[\]]/g, '')} ${location.port}`);
  byId('terminal').hidden = false;
}
if (matchMedia('(pointer: fine)').matches) composer.focus();
session.connectNow();
