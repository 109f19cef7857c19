// Requests by HTTP: accounts and the search. The cookie of the login is out of reach here.

import { entriesOf, type Entry } from './protocol';

export interface Found extends Entry {
  room: number;
}

/** What was wrong, in words; the answer otherwise. */
export type Answer<T> = { error: string } | { value: T };

async function request(path: string, init?: RequestInit): Promise<Answer<unknown>> {
  let response: Response;
  try {
    response = await fetch(path, { ...init, credentials: 'same-origin' });
  } catch {
    return { error: 'The server can’t be reached.' };
  }
  const value: unknown = response.status === 204 ? null : await response.json().catch(() => null);
  if (response.ok) return { value };
  const said = (value as { error?: unknown } | null)?.error;
  const wait = Number(response.headers.get('Retry-After'));
  const later = response.status === 429 && wait > 0 ? ` Try again in ${wait} s.` : '';
  const text = typeof said === 'string' ? said : `The server refused it (${response.status}).`;
  return { error: text + later };
}

/** '' if all is well. */
export async function post(path: string, body: unknown): Promise<string> {
  const headers = { 'Content-Type': 'application/json' };
  const answer = await request(path, { method: 'POST', headers, body: JSON.stringify(body) });
  return 'error' in answer ? answer.error : '';
}

/** `room` 0: in all rooms; `before` 0: the newest. */
export async function search(
  words: string,
  room: number,
  before: number,
): Promise<Answer<Found[]>> {
  const query = new URLSearchParams({ q: words });
  if (room) query.set('room', String(room));
  if (before) query.set('before', String(before));
  const answer = await request(`api/search?${query}`);
  if ('error' in answer) return answer;
  const list = (answer.value as { entries?: unknown } | null)?.entries;
  return { value: entriesOf<Found>(list).filter(({ room }) => typeof room === 'number') };
}
