// The chat of the stand-in server: rooms with logs, people, accounts, all in memory and simple.
// docs/chat-page.md has the protocol. A person has any number of connections (`deliver`); a line
// client is a guest whose connection takes lines.

export const NEWEST = 50;
export const MOST = 200;
const LISTED = 500;
export const LIMIT = 8192;

const fold = (name) => name.normalize('NFKC').toLowerCase();

export class Refused extends Error {}

function need(condition, text) {
  if (!condition) throw new Refused(text);
}

class Room {
  log = []; // of entries; a message's own entry has its newest text
  members = new Set(); // of people
  founder = 0;
  operators = new Set(); // of person ids
  muted = new Set();
  banned = new Set(); // of folded names
  invited = new Set();
  read = new Map(); // person id -> seq
  keys = new Map(); // key -> seq

  constructor(number, name) {
    Object.assign(this, { number, name, topic: '', pair: null });
  }

  roleOf(person) {
    if (person.id === this.founder) return 'founder';
    return this.operators.has(person.id) ? 'operator' : 'member';
  }

  operatedBy(person) {
    return person.admin === true || this.roleOf(person) !== 'member';
  }
}

export class Chat {
  rooms = new Map(); // number -> Room
  people = new Map(); // id -> person
  accounts = new Map(); // folded name -> person
  nextPerson = 1;
  nextRoom = 1;
  withhold = null; // `gap on`: what pages miss of each room

  constructor() {
    this.lobby = this.make('#lobby');
    const admin = this.register('admin', 'admin admin');
    admin.admin = true;
    this.flooder = { id: this.nextPerson++, name: 'flood', connections: new Set() };
  }

  make(name) {
    const room = new Room(this.nextRoom++, name);
    this.rooms.set(room.number, room);
    return room;
  }

  register(name, password) {
    need(/^[^\p{C}]{1,32}$/u.test(name), 'A name has 1 to 32 characters.');
    need(password.length >= 8, 'A password has at least 8 characters.');
    if (this.named(name) || this.accounts.has(fold(name))) return null;
    const account = { id: this.nextPerson++, name, password, account: true };
    Object.assign(account, { connections: new Set(), tokens: new Set() });
    this.accounts.set(fold(name), account);
    this.people.set(account.id, account);
    this.lobby.members.add(account);
    return account;
  }

  guest(address) {
    const person = { id: this.nextPerson++, name: address, address, connections: new Set() };
    this.people.set(person.id, person);
    return person;
  }

  named(name) {
    return [...this.people.values()].find((one) => fold(one.name) === fold(name));
  }

  // Connections

  /** `connection` has deliver(event), and `shown`, the room whose people it hears of. */
  connect(person, connection) {
    const first = person.connections.size === 0;
    person.connections.add(connection);
    if (!person.account) this.enter(this.lobby, person);
    else if (first) for (const room of this.roomsOf(person)) this.tellJoin(room, person);
  }

  disconnect(person, connection) {
    if (!person.connections.delete(connection) || person.connections.size > 0) return;
    for (const room of this.roomsOf(person)) {
      this.tellPeople(room, { type: 'leave', id: person.id });
      if (!person.account) room.members.delete(person);
    }
    if (!person.account) this.people.delete(person.id);
  }

  roomsOf(person) {
    return [...this.rooms.values()].filter((room) => room.members.has(person));
  }

  /** Everything that hello is followed by. */
  greet(person, connection) {
    for (const room of this.roomsOf(person)) connection.deliver(this.roomInfo(room, person));
  }

  // What is sent

  tell(person, event) {
    for (const connection of person.connections) connection.deliver(event);
  }

  tellPeople(room, event) {
    for (const person of room.members) {
      for (const connection of person.connections) {
        if (connection.shown === room) connection.deliver({ ...event, room: room.number });
      }
    }
  }

  tellJoin(room, { id, name }) {
    this.tellPeople(room, { type: 'join', id, name });
  }

  tellRoom(room) {
    for (const person of room.members) this.tell(person, this.roomInfo(room, person));
  }

  roomInfo(room, person) {
    const other = room.pair?.find((one) => one !== person);
    return {
      type: 'room',
      room: room.number,
      name: other ? other.name : room.name,
      topic: room.topic,
      last: room.log.length,
      read: room.read.get(person.id) ?? room.log.length,
      role: room.roleOf(person),
      ...(room.private && { private: true }),
      ...(room.readonly && { readonly: true }),
      ...(room.muted.has(person.id) && { muted: true }),
      ...(other && { direct: other.id }),
    };
  }

  who(room) {
    const here = [...room.members].filter(({ connections }) => connections.size > 0);
    const people = here.slice(-LISTED).map((person) => {
      const { id, name } = person;
      const role = room.roleOf(person);
      return { id, name, ...(role !== 'member' && { role }) };
    });
    return { type: 'who', room: room.number, people, total: here.length };
  }

  // The log

  append(room, person, rest) {
    const { id, name } = person;
    const entry = { seq: room.log.length + 1, id, name, time: Date.now(), ...rest };
    room.log.push(entry);
    const event = { type: 'entries', room: room.number, entries: [{ ...entry }] };
    if (this.withhold) this.withhold.set(room, this.withhold.get(room) ?? entry.seq);
    for (const member of room.members) {
      for (const connection of member.connections) {
        if (!this.withhold || connection.line) connection.deliver(event);
      }
    }
    return entry;
  }

  /** `gap off`: says what was left out. */
  endGap() {
    for (const [room, from] of this.withhold ?? []) {
      const event = { type: 'gap', room: room.number, from, to: room.log.length };
      for (const person of room.members) {
        for (const one of person.connections) if (!one.line) one.deliver(event);
      }
    }
    this.withhold = null;
  }

  say(room, person, text, { key, action } = {}) {
    need(!room.muted.has(person.id), 'You are muted here.');
    need(!room.readonly || room.operatedBy(person), 'Only operators write here.');
    if (room.keys.has(key)) return room.keys.get(key);
    const entry = this.append(room, person, { text, ...(action && { action }) });
    if (key) room.keys.set(key, entry.seq);
    return entry.seq;
  }

  edit(room, person, target, text) {
    const entry = room.log[target - 1];
    need(entry?.text !== undefined && entry.target === undefined, 'That is no message.');
    need(entry.id === person.id, 'It is not yours.');
    Object.assign(entry, { text, edited: true });
    this.append(room, person, { target, text });
  }

  remove(room, person, target) {
    const entry = room.log[target - 1];
    need(entry?.text !== undefined && entry.target === undefined, 'That is no message.');
    need(entry.id === person.id || room.operatedBy(person), 'It is not yours.');
    delete entry.text;
    entry.removed = true;
    this.append(room, person, { target, removed: true });
  }

  history(room, { before, after, count = NEWEST }) {
    const { log } = room;
    const most = Math.min(count, MOST);
    const end = after !== undefined ? after + most : Math.min((before ?? Infinity) - 1, log.length);
    const begin = after !== undefined ? after : Math.max(0, end - most);
    const entries = log.slice(begin, Math.max(begin, end));
    const start = begin === 0 && after === undefined;
    return { type: 'history', room: room.number, entries, ...(start && { start }) };
  }

  search(person, words, number, before, within) {
    const all = within ?? this.roomsOf(person);
    const rooms = all.filter((room) => !number || room.number === number);
    const found = rooms.flatMap((room) =>
      room.log
        .filter((entry) => entry.target === undefined && entry.time < before)
        .filter(({ text }) => text && fold(text).includes(fold(words)))
        .map((entry) => ({ ...entry, room: room.number })),
    );
    return found.sort((a, b) => b.time - a.time || b.seq - a.seq).slice(0, 50);
  }

  // Rooms and people

  enter(room, person) {
    if (!room.members.has(person)) {
      room.members.add(person);
      room.invited.delete(fold(person.name));
      this.tellJoin(room, person);
    }
    this.tell(person, this.roomInfo(room, person));
  }

  join(person, name) {
    need(/^#[^\s\p{C}]{1,31}$/u.test(name), 'A room is called # and a word.');
    let room = [...this.rooms.values()].find((one) => !one.pair && fold(one.name) === fold(name));
    if (!room) {
      room = this.make(name);
      room.founder = person.id;
    }
    need(!room.banned.has(fold(person.name)), `You are banned from ${name}.`);
    const asked = room.invited.has(fold(person.name)) || room.members.has(person);
    need(!room.private || asked || person.admin, `${name} is private: ask for an invitation.`);
    this.enter(room, person);
  }

  part(room, person, text) {
    if (!room.members.delete(person)) return;
    this.tell(person, { type: 'parted', room: room.number, ...(text && { text }) });
    this.tellPeople(room, { type: 'leave', id: person.id });
  }

  direct(person, name) {
    const other = this.named(name);
    need(other && other !== person, `There is no ${name} here.`);
    const has = ({ pair }) => pair?.includes(person) && pair.includes(other);
    let room = [...this.rooms.values()].find(has);
    if (!room) {
      room = this.make('');
      room.pair = [person, other];
    }
    this.enter(room, person);
    this.enter(room, other);
  }

  rename(person, nick) {
    need(!person.account, 'An account keeps its name.');
    need(nick.length <= 32, 'That nickname is too long.');
    const owner = nick && (this.named(nick) ?? this.accounts.get(fold(nick)));
    need(!owner || owner === person, `The nickname ${nick} is taken.`);
    person.name = nick || person.address;
    this.tell(person, { type: 'renamed', name: person.name });
    for (const room of this.roomsOf(person)) {
      this.tellPeople(room, { type: 'rename', id: person.id, name: person.name });
      if (room.pair) this.tellRoom(room);
    }
  }

  listed(person) {
    const open = [...this.rooms.values()].filter(
      (room) => !room.pair && (!room.private || room.members.has(person)),
    );
    const info = ({ number, name, topic, members }) => {
      return { room: number, name, topic, people: members.size };
    };
    return { type: 'rooms', rooms: open.map(info) };
  }

  setTopic(room, person, topic) {
    need(room.operatedBy(person), 'Only operators set the topic.');
    room.topic = topic;
    this.append(room, person, { topic });
    this.tellRoom(room);
  }

  setMode(room, person, event) {
    need(room.operatedBy(person), 'Only operators do that.');
    for (const mode of ['private', 'readonly']) {
      if (event[mode] !== undefined) room[mode] = event[mode];
    }
    this.tellRoom(room);
  }

  deed(room, person, type, name) {
    const open = type === 'invite' && room.private;
    need(open || room.operatedBy(person), 'Only operators do that.');
    const key = fold(name);
    const other = this.named(name);
    if (type === 'ban' || type === 'unban') room.banned[type === 'ban' ? 'add' : 'delete'](key);
    if (type === 'unban') return;
    need(other, `There is no ${name} here.`);
    if (type === 'invite') {
      room.invited.add(key);
      this.tell(other, { type: 'invited', name: room.name, by: person.name });
    }
    if (type === 'kick' || type === 'ban') {
      const out = type === 'ban' ? 'banned you from' : 'took you out of';
      this.part(room, other, `${person.name} ${out} ${room.name}`);
    }
    if (type === 'mute' || type === 'unmute') {
      room.muted[type === 'mute' ? 'add' : 'delete'](other.id);
    }
    if (type === 'op' || type === 'deop') {
      room.operators[type === 'op' ? 'add' : 'delete'](other.id);
      this.tellPeople(room, this.who(room));
    }
    if (room.members.has(other)) this.tell(other, this.roomInfo(room, other));
  }
}
