// One room as the page knows it: what the server says of it, what is here of its log, what of it
// is unread, and where its reader is.

import { Held, type Said } from './held';
import type { Entry, RoomInfo } from './protocol';
import { mentionAt } from './text';

const KEPT = 1000; // entries, up to twice as many

/** Which entries are drawn, and which of them is where. */
export interface View {
  lo: number; // the first that is drawn; 0: the newest few
  hi: number; // the last; Infinity: to the end
  anchor: { seq: number; offset: number } | null; // null: at the end, and staying there
}

export const atEnd = (): View => ({ lo: 0, hi: Infinity, anchor: null });

export interface Reader {
  name: string;
  /** Whether it is theirs, from an earlier connection too. */
  owns(entry: Entry): boolean;
}

export class Room {
  readonly held = new Held();
  view = atEnd();
  confirmed = true; // the server has named it since the connection began
  begun = false; // its first history is here: from now on the page asks
  missing = 0; // there are entries up to this number which did not come
  request: { before?: number; after?: number; asOf: number } | null = null;
  wanted = 0; // the entry to go to once it is here
  since = 0; // shown: what is newer was unread when that began

  constructor(public info: RoomInfo) {}

  get direct(): boolean {
    return this.info.direct !== undefined;
  }

  get operated(): boolean {
    return this.info.role === 'operator' || this.info.role === 'founder';
  }

  update(info: RoomInfo): void {
    const { held } = this;
    // Another log than the one we know: the server has begun anew.
    const renamed = !this.direct && info.name !== this.info.name;
    const other = !this.confirmed && (info.last < held.newest || renamed);
    if (other) this.forget();
    const was = other ? info : this.info;
    const last = Math.max(info.last, held.newest);
    this.info = { ...info, last, read: Math.max(info.read, was.read) };
    this.confirmed = true;
  }

  /** The connection is lost: nothing that was asked will be answered. */
  interrupt(): void {
    this.confirmed = this.begun = false;
    this.request = null;
  }

  /** Of messages by others; more than there are if the page does not have them. */
  unread(reader: Reader): { count: number; mentions: number } {
    const { read, last } = this.info;
    if (last <= read) return { count: 0, mentions: 0 };
    const tail = this.held.stretches.at(-1);
    const fresh = tail ? tail.list.filter((said) => isNews(said, read, reader)) : [];
    const all = tail !== undefined && tail.from <= read + 1 && tail.to >= last;
    const count = all ? fresh.length : last - read;
    if (this.direct) return { count, mentions: count };
    return { count, mentions: fresh.filter((said) => mentions(said, reader)).length };
  }

  /** Bounds what is held while its reader is elsewhere, or at the end. */
  trim(): void {
    if (this.view.anchor && this.held.size < 10 * KEPT) return;
    if (this.held.size > 2 * KEPT) this.held.trim(KEPT);
    if (this.view.anchor && !this.held.has(this.view.anchor.seq)) this.view = atEnd();
  }

  private forget(): void {
    this.held.clear();
    this.view = atEnd();
    this.begun = true; // nothing comes unasked
    this.missing = this.since = 0;
  }
}

function isNews(said: Said, read: number, reader: Reader): boolean {
  return said.seq > read && said.topic === undefined && !said.removed && !reader.owns(said);
}

export function mentions(entry: Entry, reader: Reader): boolean {
  return mentionAt(entry.text ?? '', reader.name) >= 0;
}
