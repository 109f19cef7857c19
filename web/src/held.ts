// What the page has of one room's log: stretches without a hole, each from one number to another.
// An entry is taken once however often it comes. Edits and removals are applied to the messages
// that they change, whichever comes first.

import type { Entry } from './protocol';

/** A message or a topic. Its text is at least as new as entry `asOf` of the log. */
export interface Said extends Entry {
  asOf: number;
}

export interface Stretch {
  from: number;
  to: number;
  list: Said[]; // in order; changes have numbers too, but are not in it
}

function apply(said: Said, change: Entry): void {
  said.asOf = Math.max(said.asOf, change.seq);
  if (change.removed) {
    delete said.text;
    said.removed = true;
  } else if (change.text !== undefined) {
    said.text = change.text;
    said.edited = true;
  }
}

export class Held {
  stretches: Stretch[] = [];
  private readonly changes = new Map<number, Entry>(); // the newest of each message

  /** The newest number that is here; 0 if there is none. */
  get newest(): number {
    return this.stretches.at(-1)?.to ?? 0;
  }

  get oldest(): number {
    return this.stretches[0]?.from ?? 0;
  }

  has(seq: number): boolean {
    return this.stretches.some(({ from, to }) => from <= seq && seq <= to);
  }

  find(seq: number): Said | undefined {
    const stretch = this.stretches.find(({ from, to }) => from <= seq && seq <= to);
    return stretch?.list.find((said) => said.seq === seq);
  }

  /** What is missing between what is here. */
  gaps(): { from: number; to: number }[] {
    const { stretches } = this;
    return stretches.slice(1).map((one, i) => ({ from: stretches[i]!.to + 1, to: one.from - 1 }));
  }

  /**
   * Takes all there is from one number to another. `asOf`: texts are at least as new as this
   * entry.
   */
  take(entries: Entry[], from: number, to: number, asOf = 0): void {
    for (const entry of entries) if (entry.target !== undefined) this.change(entry);
    const list = entries
      .filter(({ target, seq }) => target === undefined && from <= seq && seq <= to)
      .map((entry) => this.changed({ ...entry, asOf: Math.max(entry.seq, asOf) }));
    const last = this.stretches.at(-1);
    if (last && from === last.to + 1) {
      last.list.push(...list);
      last.to = Math.max(last.to, to);
    } else if (from <= to) {
      this.merge({ from, to, list });
    }
  }

  get size(): number {
    return this.stretches.reduce((sum, { list }) => sum + list.length, 0);
  }

  /** Keeps the newest `most` entries, and forgets the rest. */
  trim(most: number): void {
    const last = this.stretches.at(-1);
    if (!last) return;
    this.stretches = [last];
    if (last.list.length <= most) return;
    last.list = last.list.slice(-most);
    last.from = last.list[0]!.seq;
  }

  clear(): void {
    this.stretches = [];
    this.changes.clear();
  }

  private merge(fresh: Stretch): void {
    const touches = (one: Stretch) => one.to >= fresh.from - 1 && one.from <= fresh.to + 1;
    const known = new Map<number, Said>();
    for (const one of [...this.stretches.filter(touches), fresh]) {
      fresh.from = Math.min(fresh.from, one.from);
      fresh.to = Math.max(fresh.to, one.to);
      for (const said of one.list) {
        const was = known.get(said.seq);
        if (was && was.asOf >= said.asOf) continue;
        if (was) delete was.text; // it may be removed
        known.set(said.seq, was ? Object.assign(was, said) : said);
      }
    }
    fresh.list = [...known.values()].sort((a, b) => a.seq - b.seq);
    this.stretches = this.stretches.filter((one) => !touches(one));
    this.stretches.push(fresh);
    this.stretches.sort((a, b) => a.from - b.from);
  }

  private change(entry: Entry): void {
    const was = this.changes.get(entry.target!);
    if (was && was.seq >= entry.seq) return;
    this.changes.set(entry.target!, entry);
    const said = this.find(entry.target!);
    if (said && entry.seq > said.asOf) apply(said, entry);
  }

  private changed(said: Said): Said {
    const change = this.changes.get(said.seq);
    if (change && change.seq > said.asOf) apply(said, change);
    return said;
  }
}
