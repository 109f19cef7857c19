// What of a room is drawn, one after the other: entries, what is missing between them, days, the
// line above what is new, and what is unsent. At most MOST entries at a time.

import type { Said, Stretch } from './held';
import type { Unsent } from './outbox';
import type { Room, View } from './room';
import { date, dayOf } from './time';

const MOST = 400; // entries
const STEP = 100;
const GROUP_WITHIN_MS = 5 * 60_000;

export type Item =
  | { kind: 'said'; key: string; said: Said; more: boolean } // more: by the same person, soon
  | { kind: 'gap'; key: string; from: number; to: number }
  | { kind: 'day'; key: string; day: string }
  | { kind: 'new'; key: string }
  | { kind: 'start'; key: string }
  | { kind: 'unsent'; key: string; unsent: Unsent };

const all = (room: Room): Said[] => room.held.stretches.flatMap(({ list }) => list);

/** Draws older ones, too; false if nothing older is here. */
export function extendUp(room: Room): boolean {
  const { view } = room;
  const list = all(room);
  const first = firstIndex(list, view);
  if (first <= 0) return false;
  const lo = Math.max(0, first - STEP);
  view.lo = list[lo]!.seq;
  const last = list[lo + MOST - 1];
  if (last && last.seq < view.hi && lo + MOST < list.length) view.hi = last.seq;
  return true;
}

/** Draws newer ones, too; false if all of them are drawn. */
export function extendDown(room: Room): boolean {
  const { view } = room;
  if (view.hi === Infinity) return false;
  const list = all(room);
  const next = list.findIndex(({ seq }) => seq > view.hi);
  const end = next < 0 ? list.length : Math.min(list.length, next + STEP);
  view.hi = end === list.length ? Infinity : list[end - 1]!.seq;
  view.lo = list[Math.max(firstIndex(list, view), end - MOST)]?.seq ?? 0;
  return true;
}

/** Draws what is around this entry. */
export function around(room: Room, seq: number): void {
  const list = all(room);
  const at = Math.max(0, list.findIndex((said) => said.seq >= seq));
  const end = at + MOST / 2;
  const lo = list[Math.max(0, at - MOST / 2)]?.seq ?? 0;
  room.view = { lo, hi: list[end]?.seq ?? Infinity, anchor: { seq, offset: 0 } };
}

// A view without a beginning begins with the newest few.
function firstIndex(list: Said[], { lo }: View): number {
  if (lo === 0) return Math.max(0, list.length - STEP);
  const found = list.findIndex(({ seq }) => seq >= lo);
  return found < 0 ? Math.max(0, list.length - STEP) : found;
}

// While it stays at the end it moves along; a reader further up does not make it grow for ever.
function bound(room: Room): void {
  const { view } = room;
  const list = all(room);
  const first = firstIndex(list, view);
  view.lo = list[first]?.seq ?? 0;
  if (view.hi !== Infinity || list.length - first <= MOST) return;
  if (view.anchor === null) view.lo = list[list.length - STEP]!.seq;
  else view.hi = list[first + MOST - 1]!.seq;
}

class Builder {
  readonly items: Item[] = [];
  private day = '';
  private last: Said | null = null;
  private isNew = false;

  constructor(private readonly since: number) {}

  gap(from: number, to: number): void {
    this.items.push({ kind: 'gap', key: `gap ${to}`, from, to });
    this.last = null;
  }

  said(said: Said): void {
    const day = dayOf(date(said.time));
    if (day !== this.day) this.items.push({ kind: 'day', key: `day ${said.seq}`, day });
    const fresh = said.seq > this.since && !this.isNew;
    if (fresh) this.items.push({ kind: 'new', key: 'new' });
    const more = !fresh && day === this.day && continues(this.last, said);
    this.items.push({ kind: 'said', key: `said ${said.seq}`, said, more });
    this.isNew ||= fresh;
    this.day = day;
    this.last = said;
  }
}

function continues(last: Said | null, said: Said): boolean {
  const plain = (one: Said) => one.topic === undefined && !one.action;
  if (!last || !plain(last) || !plain(said)) return false;
  const same = last.id === said.id && last.name === said.name;
  return same && said.time - last.time < GROUP_WITHIN_MS;
}

function within(stretch: Stretch, { lo, hi }: View): Said[] {
  if (stretch.to < lo || stretch.from > hi) return [];
  return stretch.list.filter(({ seq }) => seq >= lo && seq <= hi);
}

export function itemsOf(room: Room, unsent: Unsent[]): Item[] {
  bound(room);
  const { view, held, begun, info } = room;
  const builder = new Builder(room.since);
  const oldest = held.stretches[0]?.list[0]?.seq ?? 0;
  if (begun && info.last > 0 && held.oldest === 1 && view.lo <= oldest) {
    builder.items.push({ kind: 'start', key: 'start' });
  }
  let before: Stretch | null = null;
  for (const stretch of held.stretches) {
    if (before && stretch.from > view.lo && before.to < view.hi) {
      builder.gap(before.to + 1, stretch.from - 1);
    }
    for (const said of within(stretch, view)) builder.said(said);
    before = stretch;
  }
  if (view.hi !== Infinity) return builder.items;
  if (room.missing > held.newest) builder.gap(held.newest + 1, room.missing);
  for (const one of unsent) {
    builder.items.push({ kind: 'unsent', key: `unsent ${one.key}`, unsent: one });
  }
  return builder.items;
}
