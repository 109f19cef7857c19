// The people of the shown room. The server names at most 500, perhaps without us, and says how many
// there are; the list is drawn anew at most five times a second, however many come and go.

import { byId, make, setText } from './dom';
import { badge } from './entry';
import type { PeopleNews, Person } from './protocol';
import { colour, isAddress, plural } from './text';

const LISTED = 500;
const REDRAW_MS = 200;
const RANKS = { founder: 0, operator: 1, member: 2 };

function before(a: Person, b: Person): number {
  // Operators first, then nicknames, addresses after them.
  const rank = (one: Person) => RANKS[one.role ?? 'member'] + (isAddress(one.name) ? 5 : 0);
  const order = rank(a) - rank(b);
  return order || a.name.localeCompare(b.name, undefined, { numeric: true }) || a.id - b.id;
}

export class People {
  private readonly list = byId<HTMLUListElement>('people');
  private readonly more = byId('people-more');
  private people = new Map<number, Person>();
  private total = 0;
  private timer = 0;

  constructor(
    private readonly me: () => Person,
    opened: (person: Person) => void,
  ) {
    this.list.addEventListener('click', ({ target }) => {
      const button = target instanceof Element && target.closest('button');
      const person = button && this.people.get(Number(button.dataset['id']));
      if (person) opened(person);
    });
  }

  find(id: number): Person | undefined {
    return this.people.get(id);
  }

  clear(): void {
    this.people.clear();
    this.total = 0;
    this.draw();
  }

  news(news: PeopleNews): void {
    const { people } = this;
    if (news.type === 'who') {
      this.people = new Map(news.people.map((one) => [one.id, one]));
      const { id, name } = this.me();
      if (news.total > this.people.size && !this.people.has(id)) this.people.set(id, { id, name });
      this.total = Math.max(news.total, this.people.size);
    } else if (news.type === 'total') {
      this.total = news.total;
    } else if (news.type === 'leave') {
      people.delete(news.id);
      this.total = Math.max(this.total - 1, people.size);
    } else {
      const { id, name } = news;
      const known = people.get(id);
      if (news.type === 'join' && !known) this.total++;
      if (known) people.set(id, { ...known, name });
      else if (news.type === 'join' && people.size <= LISTED) people.set(id, news);
    }
    this.timer ||= window.setTimeout(() => this.draw(), REDRAW_MS);
  }

  private draw(): void {
    clearTimeout(this.timer);
    this.timer = 0;
    const count = this.total.toLocaleString('en');
    setText(byId('count'), count);
    setText(byId('people-count'), count);
    const me = this.me().id;
    const people = [...this.people.values()].sort(before);
    const mine = people.findIndex(({ id }) => id === me);
    if (mine > 0) people.unshift(...people.splice(mine, 1));
    const focused = (document.activeElement as HTMLElement | null)?.dataset['id'];
    const items = people.map((person) => this.item(person, person.id === me));
    this.list.replaceChildren(...items);
    if (focused) this.list.querySelector<HTMLElement>(`[data-id="${focused}"]`)?.focus();
    const unlisted = this.total - people.length;
    this.more.hidden = unlisted <= 0;
    setText(this.more, `and ${plural(unlisted, 'other', 'others')}`);
  }

  private item({ id, name, role }: Person, mine: boolean): HTMLLIElement {
    const button = make('button', `person ${colour(name)}`, badge(name), make('bdi', 'name', name));
    button.type = 'button';
    button.title = name;
    button.dataset['id'] = String(id);
    if (mine) button.append(' ', make('span', 'you', 'you'));
    if (role && role !== 'member') button.append(' ', make('span', 'role', role));
    return make('li', '', button);
  }
}
