// What was said and is not known to be stored. Every message has a key: said again after a lost
// connection, it is the same message. Kept with the tab, so that a reload loses nothing.

import { keepInTab, keptInTab } from './memory';
import type { Entry } from './protocol';
import type { Room } from './room';
import { randomKey } from './text';

export interface Unsent {
  key: string;
  room: number;
  name: string; // the room's: numbers begin anew where nothing is stored
  text: string;
  action?: boolean;
  by: number; // the account; 0: a guest
  arrived?: boolean; // its entry seems to be here: it is not drawn a second time
  seq?: number; // it is stored under this number
  failed?: string; // why it was refused: it waits for its author
}

const KEPT = 'unsent';
export const MOST = 100;

export class Outbox {
  private list: Unsent[] = keptInTab<Unsent[]>(KEPT, []);

  /** `deliver` says it if there is a connection. */
  constructor(private readonly deliver: (unsent: Unsent) => void) {}

  full(room: Room): boolean {
    return this.list.filter((one) => one.room === room.info.room).length >= MOST;
  }

  of(room: Room): Unsent[] {
    return this.list.filter((one) => one.room === room.info.room && !one.arrived);
  }

  add(to: Room, text: string, action: boolean, by: number): void {
    const { room, name } = to.info;
    const unsent: Unsent = { key: randomKey(), room, name, text, by, ...(action && { action }) };
    this.list.push(unsent);
    this.keep();
    this.deliver(unsent);
  }

  /** We are in this room again, as this account (0: a guest). */
  again({ info }: Room, by: number): void {
    for (const one of this.list) {
      if (one.room !== info.room) continue;
      if (one.by !== by) one.failed ??= 'You wrote this under another name.';
      if (one.name !== info.name) one.failed ??= `You wrote this in ${one.name}.`;
      if (one.failed === undefined && one.seq === undefined) this.deliver(one);
    }
  }

  retry(key: string, room: Room, by: number): void {
    const one = this.list.find((unsent) => unsent.key === key);
    if (!one) return;
    delete one.failed;
    one.by = by;
    one.name = room.info.name;
    this.keep();
    this.deliver(one);
  }

  stored(key: string, seq: number, room: Room | undefined): void {
    const one = this.list.find((unsent) => unsent.key === key);
    if (one) one.seq = seq;
    this.settle(room);
    this.keep();
  }

  refused(key: string, why: string): void {
    const one = this.list.find((unsent) => unsent.key === key);
    if (one) one.failed = why;
    this.keep();
  }

  drop(gone: (unsent: Unsent) => boolean): void {
    const left = this.list.filter((one) => !gone(one));
    if (left.length === this.list.length) return;
    this.list = left;
    this.keep();
  }

  /** An entry of ours: the oldest with its text is the one, most likely. */
  arrived(room: number, entry: Entry): void {
    const one = this.list.find(
      (unsent) =>
        unsent.room === room && unsent.text === entry.text && !unsent.arrived && !unsent.failed,
    );
    if (one) one.arrived = true;
  }

  /** Lets go of what is stored and whose entry is here. */
  settle(room: Room | undefined): void {
    if (!room) return;
    const here = (seq: number) => room.held.has(seq) || seq <= room.missing;
    this.drop((one) => one.room === room.info.room && one.seq !== undefined && here(one.seq));
  }

  private keep(): void {
    keepInTab(KEPT, this.list.map(({ arrived: _, ...one }) => one));
  }
}
