// The messages of /ws, one JSON object per text frame. docs/chat-page.md has the tables.

export type Role = 'member' | 'operator' | 'founder';

export interface Person {
  id: number;
  name: string;
  role?: Role;
}

/** An entry of a room's log. `time`: milliseconds since 1970; `target`: it changes that one. */
export interface Entry extends Person {
  seq: number;
  time: number;
  text?: string;
  action?: boolean;
  edited?: boolean;
  removed?: boolean;
  target?: number;
  topic?: string;
}

export interface RoomInfo {
  room: number;
  name: string;
  topic: string;
  last: number;
  read: number;
  role: Role;
  private?: boolean;
  readonly?: boolean;
  muted?: boolean;
  direct?: number;
}

export interface Hello extends Person {
  limit: number;
  account?: boolean;
  admin?: boolean;
  register?: boolean;
  guests?: boolean;
}

/** A room as the list of all rooms has it. */
export interface Listed {
  room: number;
  name: string;
  topic: string;
  people: number;
}

export type PeopleNews =
  | { type: 'who'; room: number; people: Person[]; total: number }
  | { type: 'join'; room: number; id: number; name: string; role?: Role }
  | { type: 'leave'; room: number; id: number }
  | { type: 'rename'; room: number; id: number; name: string }
  | { type: 'total'; room: number; total: number };

export type FromServer =
  | PeopleNews
  | ({ type: 'hello' } & Hello)
  | ({ type: 'room' } & RoomInfo)
  | { type: 'parted'; room: number; text?: string }
  | { type: 'entries'; room: number; entries: Entry[] }
  | { type: 'history'; room: number; entries: Entry[]; start?: boolean }
  | { type: 'gap'; room: number; from: number; to: number }
  | { type: 'stored'; key: string; room: number; seq: number }
  | { type: 'renamed'; name: string }
  | { type: 'rooms'; rooms: Listed[] }
  | { type: 'invited'; name: string; by: string }
  | { type: 'notice'; text: string }
  | { type: 'error'; text: string; about?: string; key?: string };

/** What an operator does to a person in a room. */
export type Deed = 'invite' | 'kick' | 'ban' | 'unban' | 'mute' | 'unmute' | 'op' | 'deop';

export type ToServer =
  | { type: 'say'; room: number; text: string; key: string; action?: boolean }
  | { type: 'edit'; room: number; target: number; text: string }
  | { type: 'remove'; room: number; target: number }
  | { type: 'history'; room: number; before?: number; after?: number; count: number }
  | { type: 'resume'; rooms: [number, number][] }
  | { type: 'show'; room?: number }
  | { type: 'read'; room: number; seq: number }
  | { type: 'nick'; nick: string }
  | { type: 'join' | 'direct'; name: string }
  | { type: 'part'; room: number }
  | { type: 'rooms' }
  | { type: 'topic'; room: number; text: string }
  | { type: 'mode'; room: number; private?: boolean; readonly?: boolean }
  | { type: Deed; room: number; name: string };

type Kind = 'number' | 'string' | 'boolean' | 'list';
type Fields = Record<string, Kind>; // a name that ends with ? may be absent

const person: Fields = { id: 'number', name: 'string', 'role?': 'string' };
const flags = { 'action?': 'boolean', 'edited?': 'boolean', 'removed?': 'boolean' } as const;
const entry: Fields = {
  ...person,
  ...flags,
  seq: 'number',
  time: 'number',
  'text?': 'string',
  'target?': 'number',
  'topic?': 'string',
};
const entries: Fields = { room: 'number', entries: 'list', 'start?': 'boolean' };
const listed: Fields = { room: 'number', name: 'string', topic: 'string', people: 'number' };
const one: Fields = { room: 'number', ...person };

const shapes = new Map<string, Fields>([
  ['hello', { ...person, limit: 'number' }],
  ['room', { room: 'number', name: 'string', topic: 'string', last: 'number', read: 'number' }],
  ['parted', { room: 'number', 'text?': 'string' }],
  ['entries', entries],
  ['history', entries],
  ['gap', { room: 'number', from: 'number', to: 'number' }],
  ['stored', { key: 'string', room: 'number', seq: 'number' }],
  ['who', { room: 'number', people: 'list', total: 'number' }],
  ['join', one],
  ['rename', one],
  ['leave', { room: 'number', id: 'number' }],
  ['total', { room: 'number', total: 'number' }],
  ['renamed', { name: 'string' }],
  ['rooms', { rooms: 'list' }],
  ['invited', { name: 'string', by: 'string' }],
  ['notice', { text: 'string' }],
  ['error', { text: 'string', 'about?': 'string', 'key?': 'string' }],
]);

function fits(value: unknown, fields: Fields): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const object = value as Record<string, unknown>;
  return Object.entries(fields).every(([field, kind]) => {
    const name = field.replace('?', '');
    const found = object[name];
    if (found === undefined) return name !== field;
    return kind === 'list' ? Array.isArray(found) : typeof found === kind;
  });
}

/** Those of a list that are entries, as /api/search gives them too. */
export function entriesOf<T extends Entry>(list: unknown): T[] {
  return Array.isArray(list) ? list.filter((one): one is T => fits(one, entry)) : [];
}

/** What a frame says; null for anything this page does not know, which is left aside. */
export function parse(frame: unknown): FromServer | null {
  let value: unknown;
  try {
    value = JSON.parse(String(frame));
  } catch {
    return null;
  }
  const type = (value as { type?: unknown } | null)?.type;
  const shape = typeof type === 'string' ? shapes.get(type) : undefined;
  if (!shape || !fits(value, shape)) return null;
  const known = value as FromServer;
  if (known.type === 'entries' || known.type === 'history') {
    known.entries = entriesOf(known.entries);
  }
  if (known.type === 'who') known.people = known.people.filter((p) => fits(p, person));
  if (known.type === 'rooms') known.rooms = known.rooms.filter((r) => fits(r, listed));
  return known;
}
