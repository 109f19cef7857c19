// What a screen reader says by itself: messages of the shown room as they are said, and nothing of
// the history. The log itself is silent.

import { byId, make } from './dom';
import { excerpt } from './entry';
import type { Entry } from './protocol';
import { plural } from './text';

const AT_ONCE = 4;
const WITHIN_MS = 300;

export class Spoken {
  private waiting: Entry[] = [];
  private readonly box = byId('spoken');

  say(entries: Entry[]): void {
    if (entries.length === 0) return;
    if (this.waiting.length === 0) setTimeout(() => this.speak(), WITHIN_MS);
    this.waiting.push(...entries);
  }

  private speak(): void {
    const entries = this.waiting;
    this.waiting = [];
    const all = entries.length <= AT_ONCE;
    const words = all
      ? entries.map((entry) => `${entry.name}: ${excerpt({ ...entry, asOf: 0 })}`)
      : [plural(entries.length, 'new message', 'new messages')];
    this.box.replaceChildren(...words.map((text) => make('p', '', text)));
  }
}
