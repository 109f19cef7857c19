// The messages of /ws, one JSON object per text frame. docs/chat-page.md has the table.

export interface Person {
  id: number;
  name: string;
}

/** `time` is in milliseconds since 1970. */
export interface Message extends Person {
  text: string;
  time: number;
}

export type FromServer =
  | { type: 'hello'; id: number; name: string; limit: number }
  | { type: 'history'; messages: Message[]; continued?: boolean }
  | { type: 'who'; people: Person[]; total: number }
  | { type: 'join'; id: number; name: string }
  | { type: 'leave'; id: number }
  | { type: 'total'; total: number }
  | { type: 'rename'; id: number; name: string }
  | ({ type: 'message' } & Message)
  | { type: 'skipped'; count: number }
  | { type: 'error'; text: string; about?: string };

export type ToServer = { type: 'say'; text: string } | { type: 'nick'; nick: string };

type Fields = Record<string, 'number' | 'string' | 'list'>;
const person: Fields = { id: 'number', name: 'string' };
const message: Fields = { ...person, text: 'string', time: 'number' };

const shapes = new Map<string, Fields>([
  ['hello', { ...person, limit: 'number' }],
  ['history', { messages: 'list' }],
  ['who', { people: 'list', total: 'number' }],
  ['join', person],
  ['leave', { id: 'number' }],
  ['total', { total: 'number' }],
  ['rename', person],
  ['message', message],
  ['skipped', { count: 'number' }],
  ['error', { text: 'string' }],
]);

function fits(value: unknown, fields: Fields): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const object = value as Record<string, unknown>;
  return Object.entries(fields).every(([key, kind]) =>
    kind === 'list' ? Array.isArray(object[key]) : typeof object[key] === kind,
  );
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
  if (known.type === 'history') known.messages = known.messages.filter((m) => fits(m, message));
  if (known.type === 'who') known.people = known.people.filter((p) => fits(p, person));
  return known;
}
