// The log of the shown room. Drawn at most once per frame; what has not changed stays as it is; the
// place that is read stays where it is, whatever comes above or below it.

import { byId, setText } from './dom';
import { fill, signature, type Look } from './entry';
import { around, extendDown, extendUp, itemsOf, type Item } from './items';
import type { Unsent } from './outbox';
import { atEnd, type Room } from './room';
import { plural } from './text';

const NEAR_END_PX = 48;
const NEAR_EDGE_PX = 800;
const HIDDEN_MS = 200;

export interface LogEvents {
  unsent(room: Room): Unsent[];
  ask(room: Room, where: { before: number } | { after: number }): void;
  /** The newest are on the screen. */
  atEnd(room: Room): void;
}

interface Drawn {
  li: HTMLLIElement;
  signature: string;
}

export class Log {
  private readonly box = byId('log');
  private readonly list = byId<HTMLOListElement>('messages');
  private readonly newer = byId<HTMLButtonElement>('newer');
  private drawn = new Map<string, Drawn>();
  private items: Item[] = [];
  private room: Room | null = null;
  private cancel: (() => void) | null = null; // of the drawing that is to come
  private left = 0; // the newest entry when the reader left the end
  private top = 0; // where it was scrolled to
  private size = ''; // of what is scrolled, and of the window to it
  private upward = true; // how it was scrolled
  private going = 0; // the entry to go to with the next drawing

  constructor(
    private readonly look: Look,
    private readonly events: LogEvents,
  ) {
    this.box.addEventListener('scroll', () => this.scrolled(), { passive: true });
    this.newer.addEventListener('click', () => {
      this.follow();
      this.box.focus({ preventScroll: true });
    });
    new ResizeObserver(() => this.place()).observe(this.box);
    new ResizeObserver(() => this.following && this.place()).observe(this.list);
  }

  get following(): boolean {
    return this.room?.view.anchor === null;
  }

  show(room: Room | null): void {
    this.room = room;
    this.left = room?.held.newest ?? 0;
    this.size = '';
    this.drawn.clear();
    this.list.replaceChildren();
    this.draw();
  }

  /** Something of it changed: draws it with the next frame, for a hidden page soon. */
  changed(): void {
    if (this.cancel) return;
    const draw = () => {
      // The reader may have scrolled already, and the event be still to come.
      if (this.box.scrollTop !== this.top && this.size === this.sizeNow()) this.scrolled();
      this.draw();
    };
    const timer = document.hidden ? setTimeout(draw, HIDDEN_MS) : 0; // it draws no frames
    const frame = document.hidden ? 0 : requestAnimationFrame(draw);
    this.cancel = () => (timer ? clearTimeout(timer) : cancelAnimationFrame(frame));
  }

  /** Goes to the newest and stays with it. */
  follow(): void {
    if (!this.room) return;
    this.room.view = atEnd();
    this.upward = true;
    this.draw();
  }

  /** Goes to an entry that is here. */
  goTo(seq: number): void {
    if (!this.room) return;
    around(this.room, seq);
    this.going = seq;
    this.draw();
  }

  item(li: Element | null): Item | undefined {
    const key = li instanceof HTMLElement ? li.dataset['key'] : undefined;
    return this.items.find((item) => item.key === key);
  }

  private draw(): void {
    this.cancel?.();
    this.cancel = null;
    const { room } = this;
    byId('empty').hidden = !room || !isEmpty(room);
    if (!room) return this.list.replaceChildren();
    if (this.following) room.trim();
    this.items = itemsOf(room, this.events.unsent(room));
    byId('empty').hidden ||= this.items.length > 0;
    this.reconcile();
    this.place();
    this.arrive();
    this.extend(room);
    this.showNewer(room);
    if (this.following) this.events.atEnd(room);
  }

  private reconcile(): void {
    const drawn = new Map<string, Drawn>();
    let next = this.list.firstElementChild;
    for (const item of this.items) {
      const one = this.drawItem(item);
      drawn.set(item.key, one);
      if (one.li === next) next = next.nextElementSibling;
      else this.list.insertBefore(one.li, next);
    }
    while (next) {
      const after = next.nextElementSibling;
      next.remove();
      next = after;
    }
    this.drawn = drawn;
  }

  private drawItem(item: Item): Drawn {
    const is = signature(item, this.look);
    const was = this.drawn.get(item.key);
    if (was?.signature === is) return was;
    const li = was?.li ?? document.createElement('li');
    fill(li, item, this.look);
    li.dataset['key'] = item.key;
    if (item.kind === 'said' || item.kind === 'unsent') li.tabIndex = -1;
    return { li, signature: is };
  }

  /** Scrolls to where the reader is: at the end, or at the entry that is anchored. */
  private place(): void {
    const anchor = this.room?.view.anchor;
    if (anchor === undefined) return;
    if (anchor === null) return this.scrollTo(this.box.scrollHeight - this.box.clientHeight);
    const at = this.items.find((item) => item.kind === 'said' && item.said.seq >= anchor.seq);
    const li = at && this.drawn.get(at.key)?.li;
    if (li) this.scrollTo(li.offsetTop - anchor.offset);
  }

  // Only if it is elsewhere: on a phone it would stop a flick.
  private scrollTo(top: number): void {
    if (Math.abs(this.box.scrollTop - top) >= 1) this.box.scrollTop = top;
    this.top = this.box.scrollTop;
    this.size = this.sizeNow();
  }

  private sizeNow(): string {
    return `${this.box.scrollHeight} ${this.box.clientHeight}`;
  }

  private arrive(): void {
    if (!this.going) return;
    const seq = this.going;
    this.going = 0;
    const item = this.items.find((one) => one.kind === 'said' && one.said.seq >= seq);
    const li = item && this.drawn.get(item.key)?.li;
    if (!li) return;
    this.upward = false;
    this.scrollTo(li.offsetTop - this.box.clientHeight / 2);
    li.focus({ preventScroll: true });
    li.classList.add('found');
    li.addEventListener('blur', () => li.classList.remove('found'), { once: true });
    this.scrolled();
  }

  private scrolled(): void {
    const { room } = this;
    if (!room) return;
    const { scrollHeight, scrollTop, clientHeight } = this.box;
    // It was not the reader if something has another size than when it was placed.
    if (this.following && this.size !== this.sizeNow()) return this.place();
    if (scrollTop !== this.top) this.upward = scrollTop < this.top;
    this.top = scrollTop;
    const near = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
    if (this.following !== (near && room.view.hi === Infinity)) this.left = room.held.newest;
    room.view.anchor = near && room.view.hi === Infinity ? null : this.anchor();
    this.extend(room);
    this.showNewer(room);
    if (this.following) this.events.atEnd(room);
  }

  /** The first message on the screen; the first below a gap, if it fills from there. */
  private anchor(): { seq: number; offset: number } {
    let anchor: { seq: number; offset: number } | null = null;
    for (const item of this.items) {
      const { li } = this.drawn.get(item.key)!;
      const offset = li.offsetTop - this.box.scrollTop;
      if (offset + li.offsetHeight <= 0) continue;
      if (anchor && !this.fromBelow(offset)) break;
      if (item.kind === 'gap' && this.fromBelow(offset)) anchor = null;
      else if (item.kind === 'said') anchor ??= { seq: item.said.seq, offset };
    }
    return anchor ?? { seq: this.room!.held.newest, offset: 0 };
  }

  /** Whether a reader that looks at what is there has come from below it. */
  private fromBelow(offset: number): boolean {
    return this.upward && offset < this.box.clientHeight / 2;
  }

  /** Near an edge of what is drawn: draws more, or asks for it. */
  private extend(room: Room): void {
    const { scrollHeight, scrollTop, clientHeight } = this.box;
    const below = scrollHeight - scrollTop - clientHeight;
    if (below < NEAR_EDGE_PX && extendDown(room)) this.changed();
    if (scrollTop < NEAR_EDGE_PX) {
      if (extendUp(room)) this.changed();
      else if (room.held.oldest > 1) this.events.ask(room, { before: room.held.oldest });
    }
    for (const item of this.items) if (item.kind === 'gap') this.fillGap(room, item);
  }

  // From the side that the reader is on.
  private fillGap(room: Room, { key, from, to }: { key: string; from: number; to: number }): void {
    const { li } = this.drawn.get(key)!;
    const top = li.offsetTop - this.box.scrollTop;
    if (top < -NEAR_EDGE_PX || top > this.box.clientHeight + NEAR_EDGE_PX) return;
    const fromBelow = this.fromBelow(top) && to < room.held.newest;
    this.events.ask(room, fromBelow ? { before: to + 1 } : { after: from - 1 });
  }

  private showNewer(room: Room): void {
    const { scrollHeight, scrollTop, clientHeight } = this.box;
    const far = room.view.hi !== Infinity || scrollHeight - scrollTop > 3 * clientHeight;
    const fresh = room.held.stretches.at(-1)?.list.filter(({ seq }) => seq > this.left).length ?? 0;
    this.newer.hidden = this.following || (fresh === 0 && !far);
    const text = fresh ? plural(fresh, 'new message', 'new messages') : 'To the newest';
    if (!this.newer.hidden) setText(this.newer, text);
  }
}

const isEmpty = ({ begun, info, held }: Room): boolean =>
  (begun || info.last === 0) && held.size === 0;
