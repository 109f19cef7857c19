// The messages. Arrivals are collected and shown once per frame; at most 1,000 are kept; the view
// follows the newest only while the reader is at the bottom.

import { byId, make, setText } from './dom';
import type { Message } from './protocol';
import { colour, initial, plural } from './text';

const KEPT = 1000;
const NEAR_BOTTOM_PX = 48;
const GROUP_WITHIN_MS = 5 * 60_000;

type Entry =
  | { kind: 'message'; message: Message; mine: boolean }
  | { kind: 'skipped'; count: number };

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });
const day = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });

/** A time outside what Date can hold becomes now. */
function date(time: number): Date {
  const at = new Date(time);
  return Number.isNaN(at.getTime()) ? new Date() : at;
}

export class Log {
  private readonly box = byId('log');
  private readonly list = byId<HTMLOListElement>('messages');
  private readonly newer = byId<HTMLButtonElement>('newer');
  private pending: Entry[] = [];
  private frame = 0;
  private last: Message | null = null; // the message shown last, null after a gap
  private lastDay = '';
  private atBottom = true;
  private below = 0; // messages that arrived while the reader was further up

  constructor() {
    this.box.addEventListener('scroll', () => this.scrolled(), { passive: true });
    this.newer.addEventListener('click', () => {
      this.follow();
      this.box.focus({ preventScroll: true });
    });
    new ResizeObserver(() => this.atBottom && this.toBottom()).observe(this.box);
  }

  /** Shows these instead of everything shown so far. They are older than our connection. */
  replace(messages: Message[]): void {
    this.box.setAttribute('aria-busy', 'true');
    this.pending = messages.map((message) => ({ kind: 'message', message, mine: false }));
    this.list.replaceChildren();
    this.last = null;
    this.lastDay = '';
    this.follow();
    this.show();
    this.box.removeAttribute('aria-busy');
  }

  /** More of the history, up to what was said while it came. */
  more(messages: Message[], me: number): void {
    for (const message of messages) this.add(message, message.id === me);
  }

  add(message: Message, mine: boolean): void {
    this.push({ kind: 'message', message, mine });
  }

  skipped(count: number): void {
    this.push({ kind: 'skipped', count });
  }

  /** Goes to the newest message and stays with it. */
  follow(): void {
    this.atBottom = true;
    this.below = 0;
    this.newer.hidden = true;
    this.toBottom();
  }

  private push(entry: Entry): void {
    this.pending.push(entry);
    // A hidden page draws no frames; what would be dropped at once need not wait for one.
    if (this.pending.length > 2 * KEPT) this.pending = this.pending.slice(-KEPT);
    this.frame ||= requestAnimationFrame(() => this.show());
  }

  private show(): void {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    const entries = this.pending.slice(-KEPT);
    this.pending = [];
    const fresh = document.createDocumentFragment();
    for (const entry of entries) this.render(entry, fresh);
    this.list.append(fresh);
    this.trim();
    byId('empty').hidden = this.list.childElementCount > 0;
    if (this.atBottom) return this.toBottom();
    this.below += entries.filter((entry) => entry.kind === 'message').length;
    setText(this.newer, plural(this.below, 'new message', 'new messages'));
    this.newer.hidden = this.below === 0;
  }

  private trim(): void {
    while (this.list.childElementCount > KEPT) this.list.firstElementChild?.remove();
    this.list.firstElementChild?.classList.remove('more');
  }

  private render(entry: Entry, into: DocumentFragment): void {
    if (entry.kind === 'skipped') {
      const text = plural(entry.count, 'message skipped', 'messages skipped');
      into.append(make('li', 'gap', make('span', '', text)));
      this.last = null;
      return;
    }
    const { message, mine } = entry;
    const at = date(message.time);
    const today = day.format(at);
    if (today !== this.lastDay) {
      const shown = today === day.format(new Date()) ? 'Today' : today;
      into.append(make('li', 'gap day', make('span', '', shown)));
      this.last = null;
    }
    this.lastDay = today;
    into.append(this.line(message, at, mine));
    this.last = message;
  }

  private line(message: Message, at: Date, mine: boolean): HTMLLIElement {
    const { last } = this;
    const more =
      last?.id === message.id &&
      last.name === message.name &&
      message.time - last.time < GROUP_WITHIN_MS;
    const badge = make('span', 'badge', initial(message.name));
    badge.ariaHidden = 'true';
    const time = make('time', '', clock.format(at));
    time.dateTime = at.toISOString();
    time.title = full.format(at);
    const head = make('p', 'head', make('bdi', 'name', message.name), ' ');
    if (mine) head.append(make('span', 'you', 'you'), ' ');
    head.append(time);
    const text = make('p', 'text', message.text);
    text.dir = 'auto';
    const className = `${colour(message.name)}${more ? ' more' : ''}`;
    return make('li', className, badge, make('div', '', head, text));
  }

  private scrolled(): void {
    const { scrollHeight, scrollTop, clientHeight } = this.box;
    this.atBottom = scrollHeight - scrollTop - clientHeight < NEAR_BOTTOM_PX;
    if (!this.atBottom) return;
    this.below = 0;
    this.newer.hidden = true;
  }

  private toBottom(): void {
    this.box.scrollTop = this.box.scrollHeight;
  }
}
