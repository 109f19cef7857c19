// What the page and the server say to each other: our name, the rooms and their logs. Nothing of
// it touches the document; the views are called when something has changed.

import { Connection, webSocketUrl, type State } from './connection';
import { keepInTab, keptInTab } from './memory';
import { Nickname } from './nickname';
import { Outbox } from './outbox';
import { parse, type Entry, type FromServer, type Hello, type Listed } from './protocol';
import type { PeopleNews, RoomInfo, ToServer } from './protocol';
import { Room, type Reader } from './room';

export interface Views {
  state(state: State): void;
  me(): void;
  rooms(): void; // one came or went, or its counts changed
  shown(): void; // another room is shown, or none
  log(room: Room): void; // what is here of it changed
  found(room: Room, seq: number): void; // the entry that was wanted
  live(room: Room, entries: Entry[]): void; // said just now, by others
  people(news: PeopleNews): void;
  listed(rooms: Listed[]): void;
  invited(name: string, by: string): void;
  notice(text: string): void;
  refused(about: string, text: string): void;
}

const LOBBY = 1;
const PAGE = 100;
const SMALL_GAP = 400; // a larger one is filled where it is looked at
const ANSWERED = new Set(['say', 'edit', 'remove', 'history', 'show', 'rooms']);

const isNamed = (room: Room, { name, direct }: { name: string; direct: boolean }): boolean =>
  room.direct === direct && room.info.name.toLowerCase() === name.toLowerCase();

export class Session implements Reader {
  me: Hello = { id: -1, name: '', limit: 8192 };
  readonly rooms = new Map<number, Room>();
  shown: Room | null = null;
  readonly nick = new Nickname((nick) => this.send({ type: 'nick', nick }));
  readonly outbox = new Outbox((one) => this.deliver(one));
  private readonly ids = new Set<number>(); // ours, of earlier connections too
  private opening: { name: string; direct: boolean } | null = null; // shown when it comes
  private returning = keptInTab('shown', 0); // the room that was shown before a reload
  private before = false; // we have been connected
  private heard = 0; // when something came last
  private readonly connection: Connection<FromServer, ToServer>;

  constructor(private readonly views: Views) {
    this.connection = new Connection<FromServer, ToServer>(webSocketUrl(), {
      state: (state) => this.stateIs(state),
      message: (message) => this.received(message),
      parse,
      answered: ({ type }) => ANSWERED.has(type),
    });
  }

  get connected(): boolean {
    return this.connection.connected;
  }

  get name(): string {
    return this.me.name;
  }

  get account(): number {
    return this.me.account ? this.me.id : 0;
  }

  owns(entry: Entry): boolean {
    return this.ids.has(entry.id);
  }

  connectNow(): void {
    this.connection.connectNow();
  }

  send(message: ToServer): boolean {
    return this.connection.send(message);
  }

  /** After a long pause: asks something, to learn whether the connection still lives. */
  probe(): void {
    if (Date.now() - this.heard > 30_000) this.sendShow();
  }

  show(room: Room | null): void {
    if (room === this.shown) return;
    const was = this.shown;
    was?.trim();
    this.shown = room;
    this.opening = null;
    if (room) room.since = room.unread(this).count > 0 ? room.info.read : Infinity;
    keepInTab('shown', room?.info.room ?? 0);
    this.views.shown();
    this.sendShow();
    if (room) this.advance(room);
  }

  /** Joins the room, makes it, or begins to talk to that person; shows it when it comes. */
  open(type: 'join' | 'direct', name: string): void {
    const opening = { name, direct: type === 'direct' };
    const known = [...this.rooms.values()].find((room) => isNamed(room, opening));
    if (known) return this.show(known);
    this.opening = opening;
    this.send({ type, name });
  }

  say(room: Room, text: string, action: boolean): void {
    room.since = Infinity; // all of it is read
    this.outbox.add(room, text, action, this.account);
    this.views.log(room);
  }

  /** Shown up to the newest that is here. */
  markRead(room: Room): void {
    const seq = room.held.newest;
    if (seq <= room.info.read) return;
    if (!this.send({ type: 'read', room: room.info.room, seq })) return;
    room.info.read = seq;
    this.views.rooms();
  }

  goTo(room: Room, seq: number): void {
    room.wanted = seq;
    this.show(room);
    this.advance(room);
  }

  ask(room: Room, where: { before: number } | { after: number }): void {
    if (room.request || !room.begun) return;
    const { room: number, last } = room.info;
    if (!this.send({ type: 'history', room: number, ...where, count: PAGE })) return;
    room.request = { ...where, asOf: last };
  }

  private sendShow(): void {
    const room = this.shown;
    this.send({ type: 'show', ...(room && { room: room.info.room }) });
  }

  private deliver(one: { room: number; text: string; key: string; action?: boolean }): void {
    const { room, text, key, action } = one;
    this.send({ type: 'say', room, text, key, ...(action && { action }) });
  }

  private stateIs(state: State): void {
    if (state.name !== 'connected') for (const room of this.rooms.values()) room.interrupt();
    this.views.state(state);
  }

  private received(message: FromServer): void {
    this.heard = Date.now();
    switch (message.type) {
      case 'hello':
        return this.hello(message);
      case 'room':
        return this.room(message);
      case 'parted':
        return this.parted(message.room, message.text);
      case 'entries':
      case 'history':
      case 'gap':
        return this.logged(message);
      case 'stored':
        this.outbox.stored(message.key, message.seq, this.rooms.get(message.room));
        return this.logChanged(this.rooms.get(message.room));
      case 'renamed':
        this.me.name = message.name;
        this.nick.is(message.name);
        return this.views.me();
      case 'rooms':
        return this.views.listed(message.rooms);
      case 'invited':
        return this.views.invited(message.name, message.by);
      case 'notice':
        return this.views.notice(message.text);
      case 'error':
        return this.refused(message.text, message.about ?? '', message.key);
      default:
        if (message.type === 'who') this.settleRooms();
        if (message.room === this.shown?.info.room) this.views.people(message);
    }
  }

  private hello(me: Hello): void {
    if (me.account !== this.me.account) this.ids.clear(); // another person
    this.me = me;
    this.ids.add(me.id);
    this.views.me();
    const rooms = [...this.rooms.values()];
    // A guest is in the lobby only, and begins anew in the rooms that it joins again.
    const known = rooms.filter(
      ({ held, info }) => held.newest > 0 && (me.account || info.room === LOBBY),
    );
    for (const room of known) room.begun = true;
    const ends = known.map(({ info, held }): [number, number] => [info.room, held.newest]);
    if (this.before) this.send({ type: 'resume', rooms: ends });
    this.before = true;
    if (me.account) this.nick.stop();
    else this.returnAsGuest(rooms);
    if (this.shown) this.sendShow();
  }

  // A guest's rooms end with its connection: it joins them again.
  private returnAsGuest(rooms: Room[]): void {
    this.nick.reclaim(this.me.name);
    const names = rooms.filter((room) => !room.direct).map(({ info }) => info.name);
    for (const name of rooms.length ? names : keptInTab<string[]>('rooms', [])) {
      this.send({ type: 'join', name });
    }
  }

  private room(info: RoomInfo): void {
    let room = this.rooms.get(info.room);
    const fresh = !room;
    const back = !room?.confirmed;
    if (room) room.update(info);
    else this.rooms.set(info.room, (room = new Room(info)));
    const { opening } = this;
    const opened =
      opening && room.direct === opening.direct && (fresh || isNamed(room, opening));
    const returned = info.room === this.returning;
    if (fresh) this.keepRooms();
    if (!this.shown || opened || returned) this.show(room);
    if (returned) this.returning = 0;
    if (back) this.outbox.again(room, this.account);
    this.views.rooms();
    this.logChanged(room);
    if (room === this.shown) this.advance(room);
  }

  private parted(number: number, why = ''): void {
    const room = this.rooms.get(number);
    if (!room) return;
    this.rooms.delete(number);
    this.keepRooms();
    this.views.rooms();
    if (why) this.views.notice(why);
    if (room === this.shown) this.show([...this.rooms.values()][0] ?? null);
  }

  private keepRooms(): void {
    const rooms = this.account ? [] : [...this.rooms.values()].filter((room) => !room.direct);
    keepInTab('rooms', rooms.map(({ info }) => info.name));
  }

  // The server names all our rooms before it answers anything: what it did not name is gone.
  private settleRooms(): void {
    for (const { confirmed, info } of this.rooms.values()) if (!confirmed) this.parted(info.room);
  }

  private logged(message: Extract<FromServer, { type: 'entries' | 'history' | 'gap' }>): void {
    const room = this.rooms.get(message.room);
    if (!room) return;
    if (message.type === 'gap') room.missing = Math.max(room.missing, message.to);
    else if (message.type === 'entries') this.entries(room, message.entries);
    else this.history(room, message.entries, message.start === true);
    room.info.last = Math.max(room.info.last, room.held.newest, room.missing);
    if (room !== this.shown) room.trim();
    this.outbox.settle(room);
    this.views.rooms();
    this.logChanged(room);
    this.advance(room);
  }

  // They come in order; where one is left out there is a gap.
  private entries(room: Room, entries: Entry[]): void {
    const news = entries.filter(({ seq }) => !room.held.has(seq));
    for (const entry of news) {
      room.held.take([entry], entry.seq, entry.seq);
      if (this.owns(entry) && entry.target === undefined) {
        this.outbox.arrived(room.info.room, entry);
      }
      if (entry.topic !== undefined) room.info.topic = entry.topic;
    }
    this.views.live(room, news.filter((entry) => !this.owns(entry)));
  }

  private history(room: Room, entries: Entry[], start: boolean): void {
    const request = room.begun ? room.request : null;
    if (room.begun) room.request = null;
    room.begun = true;
    let from = entries[0]?.seq ?? 0;
    let to = entries.at(-1)?.seq ?? 0;
    if (request?.before !== undefined) {
      to = request.before - 1;
      if (entries.length === 0) from = 1;
    }
    if (start) from = 1;
    if (request?.after !== undefined) {
      from = request.after + 1;
      if (entries.length === 0) to = room.held.gaps().find((gap) => gap.from === from)?.to ?? 0;
      if (to === 0) room.missing = 0;
    }
    room.held.take(entries, from, to, request?.asOf);
  }

  /** Asks for what is missing: first what is wanted, then small gaps. */
  private advance(room: Room): void {
    const { held, wanted, info } = room;
    if (held.newest === 0 && info.last > 0) this.ask(room, { before: info.last + 1 });
    if (wanted && held.has(wanted)) {
      room.wanted = 0;
      this.views.found(room, wanted);
    } else if (wanted) {
      this.ask(room, { before: wanted + 1 });
    }
    const gap = held.gaps().find(({ from, to }) => to - from < SMALL_GAP);
    if (gap) this.ask(room, { after: gap.from - 1 });
    else if (held.newest && room.missing > held.newest) this.ask(room, { after: held.newest });
  }

  private logChanged(room: Room | undefined): void {
    if (room && room === this.shown) this.views.log(room);
  }

  private refused(text: string, about: string, key: string | undefined): void {
    if (key !== undefined) {
      this.outbox.refused(key, text);
      return this.logChanged(this.shown ?? undefined);
    }
    if (about === 'history') {
      for (const room of this.rooms.values()) [room.request, room.wanted] = [null, 0];
    }
    if (about === 'show') this.settleRooms();
    if (about === 'join' || about === 'direct') this.opening = null;
    this.views.refused(about, text);
  }
}
