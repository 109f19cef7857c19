// The rooms and conversations that we are in, what of them is unread, and which one is shown.

import { byId, make, setText } from './dom';
import { badge } from './entry';
import type { Room } from './room';
import type { Session } from './session';
import { colour, plural } from './text';

const TITLE = document.title;
const REDRAW_MS = 50;

/** Rooms in the order that they are listed in: the oldest first, conversations after them. */
function ordered(rooms: Iterable<Room>): Room[] {
  const order = (a: Room, b: Room) =>
    Number(a.direct) - Number(b.direct) ||
    (a.direct ? a.info.name.localeCompare(b.info.name) : a.info.room - b.info.room);
  return [...rooms].sort(order);
}

export class Sidebar {
  private waiting = false;
  private shape = ''; // of what is drawn

  constructor(
    private readonly session: Session,
    private readonly chosen: (room: Room) => void,
  ) {
    for (const id of ['rooms', 'directs']) {
      byId(id).addEventListener('click', ({ target }) => {
        const button = target instanceof Element && target.closest('button');
        const room = button && this.session.rooms.get(Number(button.dataset['room']));
        if (room) this.chosen(room);
      });
    }
  }

  /** Many changes in a row are drawn once. */
  changed(): void {
    if (this.waiting) return;
    this.waiting = true;
    setTimeout(() => this.draw(), REDRAW_MS);
  }

  /** The room beside the shown one; `unread`: the next with something unread. */
  next(down: boolean, unread: boolean): Room | undefined {
    const rooms = ordered(this.session.rooms.values());
    const at = rooms.findIndex((room) => room === this.session.shown);
    const after = [...rooms.slice(at + 1), ...rooms.slice(0, Math.max(at, 0))];
    const way = down ? after : after.reverse();
    return way.find((room) => !unread || room.unread(this.session).count > 0);
  }

  private draw(): void {
    this.waiting = false;
    const { session } = this;
    const rooms = ordered(session.rooms.values());
    const rows = rooms.map((room) => ({ room, ...room.unread(session) }));
    const total = rows.reduce((sum, { count }) => sum + count, 0);
    document.title = total ? `(${total}) ${TITLE}` : TITLE;
    const elsewhere = rows.filter(({ room }) => room !== session.shown);
    this.badgeOnToggle(elsewhere.reduce((sum, { count }) => sum + count, 0));
    const shape = JSON.stringify(
      rows.map(({ room, count, mentions }) => [room.info, count, mentions, room === session.shown]),
    );
    if (shape === this.shape) return;
    this.shape = shape;
    const focused = (document.activeElement as HTMLElement | null)?.dataset['room'];
    const items = (direct: boolean) =>
      rows.filter(({ room }) => room.direct === direct).map((row) => this.item(row));
    byId('rooms').replaceChildren(...items(false));
    byId('directs').replaceChildren(...items(true));
    byId('directs-part').hidden = !rooms.some(({ direct }) => direct);
    if (focused) document.querySelector<HTMLElement>(`nav [data-room="${focused}"]`)?.focus();
  }

  private badgeOnToggle(count: number): void {
    const badge = byId('rooms-count');
    badge.hidden = count === 0;
    setText(badge, count ? `${short(count)}` : '');
    byId('rooms-toggle').ariaLabel = count ? `Rooms, ${count} unread` : 'Rooms';
  }

  private item({ room, count, mentions }: Row): HTMLLIElement {
    const { name, room: number } = room.info;
    const icon = make('span', 'sign', room.info.private ? '◈' : '#');
    icon.ariaHidden = 'true';
    icon.title = room.info.private ? 'Private' : '';
    const label = make('bdi', 'room-name', room.direct ? name : name.replace(/^#/, ''));
    const sign = room.direct ? badge(name) : icon;
    const button = make('button', room.direct ? colour(name) : '', sign, label);
    button.type = 'button';
    button.dataset['room'] = String(number);
    if (room === this.session.shown) button.ariaCurrent = 'page';
    if (count) {
      button.classList.add('unread');
      const mark = make('span', mentions ? 'count loud' : 'count', short(mentions || count));
      mark.ariaHidden = 'true';
      const words = `${plural(count, 'unread message', 'unread messages')}`;
      const called = mentions && !room.direct ? `, ${plural(mentions, 'mention', 'mentions')}` : '';
      button.append(mark, make('span', 'sr', `, ${words}${called}`));
    }
    return make('li', '', button);
  }
}

interface Row {
  room: Room;
  count: number;
  mentions: number;
}

const short = (count: number): string => (count > 999 ? '999+' : String(count));
