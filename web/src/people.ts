// The list of people. The server names at most 500, perhaps without us, and says how many there
// are; the list is drawn anew at most five times a second, however many come and go.

import { byId, make, setText } from './dom';
import type { Person } from './protocol';
import { colour, initial, isAddress, plural } from './text';

const LISTED = 500;
const REDRAW_MS = 200;

function before(a: Person, b: Person): number {
  // Nicknames first, addresses after them.
  const rank = Number(isAddress(a.name)) - Number(isAddress(b.name));
  return rank || a.name.localeCompare(b.name, undefined, { numeric: true }) || a.id - b.id;
}

export class People {
  private readonly list = byId<HTMLUListElement>('people');
  private readonly more = byId('people-more');
  private readonly people = new Map<number, string>();
  private total = 0;
  private me = -1;
  private timer = 0;

  replace(people: Person[], total: number, me: Person): void {
    this.people.clear();
    for (const { id, name } of people) this.people.set(id, name);
    if (total > this.people.size) this.people.set(me.id, me.name);
    this.total = Math.max(total, this.people.size);
    this.me = me.id;
    this.redraw();
  }

  count(total: number): void {
    this.total = total;
    this.redraw();
  }

  join(id: number, name: string): void {
    if (this.people.has(id)) return this.rename(id, name);
    this.total++;
    if (this.people.size <= LISTED) this.people.set(id, name);
    this.redraw();
  }

  leave(id: number): void {
    this.people.delete(id);
    this.total = Math.max(this.total - 1, this.people.size);
    this.redraw();
  }

  rename(id: number, name: string): void {
    if (this.people.has(id)) this.people.set(id, name);
    this.redraw();
  }

  private redraw(): void {
    this.timer ||= window.setTimeout(() => this.draw(), REDRAW_MS);
  }

  private draw(): void {
    this.timer = 0;
    const count = this.total.toLocaleString('en');
    setText(byId('count'), count);
    setText(byId('toggle-count'), count);
    const people = [...this.people].map(([id, name]) => ({ id, name })).sort(before);
    const mine = people.findIndex(({ id }) => id === this.me);
    if (mine > 0) people.unshift(...people.splice(mine, 1));
    this.list.replaceChildren(...people.map((person) => this.item(person)));
    const unlisted = this.total - people.length;
    this.more.hidden = unlisted <= 0;
    setText(this.more, `and ${plural(unlisted, 'other', 'others')}`);
  }

  private item({ id, name }: Person): HTMLLIElement {
    const badge = make('span', 'badge', initial(name));
    badge.ariaHidden = 'true';
    const item = make('li', colour(name), badge, make('bdi', 'name', name));
    item.title = name;
    if (id === this.me) item.append(' ', make('span', 'you', 'you'));
    return item;
  }
}
