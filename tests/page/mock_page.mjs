// The WebSocket of the stand-in server: one page's connection, and what it asks.

import { LIMIT, MOST, NEWEST, Refused } from './mock_chat.mjs';

const DEEDS = new Set(['invite', 'kick', 'ban', 'unban', 'mute', 'unmute', 'op', 'deop']);

const handlers = {
  say(page, event, room) {
    const { options, chat, person } = page;
    if (options.refuse) {
      const text = options.refuse;
      options.refuse = '';
      throw new Refused(text);
    }
    if (options.lose) {
      // Kept, but its author hears nothing of it.
      options.lose = false;
      page.deaf = true;
      chat.say(room, person, event.text, event);
      return page.ws.terminate();
    }
    const seq = chat.say(room, person, event.text, event);
    page.deliver({ type: 'stored', key: event.key, room: room.number, seq });
  },
  edit: ({ chat, person }, { target, text }, room) => chat.edit(room, person, target, text),
  remove: ({ chat, person }, { target }, room) => chat.remove(room, person, target),
  history: (page, event, room) => page.deliver(page.chat.history(room, event)),
  resume(page, { rooms }) {
    for (const [number, seq] of rooms) {
      const room = page.room(number);
      page.begun.add(room);
      const last = room.log.length;
      const from = last - seq > MOST ? last - NEWEST : seq;
      if (from > seq) page.deliver({ type: 'gap', room: number, from: seq + 1, to: from });
      const { entries } = page.chat.history(room, { after: from, count: MOST });
      if (entries.length) page.deliver({ type: 'entries', room: number, entries });
    }
  },
  show(page, event) {
    const room = event.room === undefined ? null : page.room(event.room);
    page.shown = room;
    if (!room) return;
    if (!page.begun.has(room)) page.deliver(page.chat.history(room, {}));
    page.begun.add(room);
    page.deliver(page.chat.who(room));
  },
  read({ person }, { seq }, room) {
    room.read.set(person.id, Math.max(seq, room.read.get(person.id) ?? 0));
  },
  nick: ({ chat, person }, { nick }) => chat.rename(person, nick),
  join: ({ chat, person }, { name }) => chat.join(person, name),
  direct: ({ chat, person }, { name }) => chat.direct(person, name),
  part: ({ chat, person }, _, room) => chat.part(room, person),
  rooms: (page) => page.deliver(page.chat.listed(page.person)),
  topic: ({ chat, person }, { text }, room) => chat.setTopic(room, person, text),
  mode: ({ chat, person }, event, room) => chat.setMode(room, person, event),
};
for (const type of DEEDS) {
  handlers[type] = ({ chat, person }, { name }, room) => chat.deed(room, person, type, name);
}
const ROOMLESS = new Set(['resume', 'show', 'nick', 'join', 'direct', 'rooms']);

class Page {
  shown = null;
  begun = new Set(); // rooms that it has something of
  deaf = false;

  constructor(chat, person, ws, options) {
    Object.assign(this, { chat, person, ws, options });
  }

  deliver(event) {
    if (!this.deaf && this.ws.readyState === this.ws.OPEN) this.ws.send(JSON.stringify(event));
  }

  room(number) {
    const room = this.chat.rooms.get(number);
    if (!room?.members.has(this.person)) throw new Refused('You are not in that room.');
    return room;
  }

  received(data) {
    const event = JSON.parse(String(data));
    const handle = handlers[event.type];
    if (!handle) return;
    try {
      handle(this, event, ROOMLESS.has(event.type) ? null : this.room(event.room));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const { key } = event;
      this.deliver({ type: 'error', text: error.message, about: event.type, ...(key && { key }) });
    }
  }
}

/** Serves a page. `options`: guests, register; and, set by commands, refuse and lose. */
export function servePage(chat, person, ws, options) {
  const page = new Page(chat, person, ws, options);
  const { id, name, account, admin } = person;
  page.deliver({
    ...{ type: 'hello', id, name, limit: LIMIT },
    ...(account && { account }),
    ...(admin && { admin }),
    ...(options.register === false && { register: false }),
    ...(options.guests === false && { guests: false }),
  });
  if (account || options.guests !== false) chat.connect(person, page);
  if (account) chat.greet(person, page);
  ws.on('message', (data) => page.received(data));
  ws.on('close', () => chat.disconnect(person, page));
}
