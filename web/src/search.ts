// The search: what was found, newest first, each with the way to its place.

import { search, type Found } from './api';
import { onSubmit, openDialog } from './dialogs';
import { byId, make, setText } from './dom';
import { badge, excerpt } from './entry';
import type { Session } from './session';
import { timeElement } from './time';
import { clean, colour, plural } from './text';

const AT_ONCE = 50;

export class Search {
  private words = '';
  private room = 0;
  private oldest = 0;
  private asked = 0; // answers to what was asked before are left aside
  private readonly list = byId<HTMLUListElement>('found');
  private readonly more = byId<HTMLButtonElement>('search-more');

  constructor(
    private readonly session: Session,
    private readonly chosen: (room: number, seq: number) => void,
  ) {
    byId('search-open').addEventListener('click', () => this.open());
    this.more.addEventListener('click', () => void this.find());
    onSubmit('search-form', () => this.begin());
    this.list.addEventListener('click', ({ target }) => {
      const button = target instanceof Element && target.closest('button');
      if (!button) return;
      byId<HTMLDialogElement>('search').close();
      this.chosen(Number(button.dataset['room']), Number(button.dataset['seq']));
    });
  }

  open(): void {
    const { shown } = this.session;
    byId('search-here').hidden = !shown;
    setText(byId('search-where'), shown?.info.name ?? '');
    openDialog('search');
    byId<HTMLInputElement>('search-words').select();
  }

  private begin(): void {
    this.words = clean(byId<HTMLInputElement>('search-words').value);
    const here = byId<HTMLInputElement>('search-only').checked;
    this.room = here ? (this.session.shown?.info.room ?? 0) : 0;
    this.oldest = 0;
    this.list.replaceChildren();
    if (this.words) void this.find();
  }

  private async find(): Promise<void> {
    const asked = ++this.asked;
    this.more.hidden = true;
    setText(byId('search-state'), 'Searching…');
    const answer = await search(this.words, this.room, this.oldest);
    if (asked !== this.asked) return;
    if ('error' in answer) return setText(byId('search-state'), answer.error);
    const found = answer.value;
    this.list.append(...found.map((one) => this.item(one)));
    this.oldest = found.at(-1)?.time ?? 0;
    this.more.hidden = found.length < AT_ONCE;
    const count = this.list.childElementCount;
    const words = count ? plural(count, 'message', 'messages') : 'Nothing found.';
    setText(byId('search-state'), this.more.hidden ? words : `The newest ${words}`);
  }

  private item(found: Found): HTMLLIElement {
    const { room, seq, name, time } = found;
    const where = this.session.rooms.get(room)?.info.name ?? '';
    const head = make('span', 'head', make('bdi', 'name', name), ' ');
    head.append(make('bdi', 'where', where), ' ', timeElement(time, true));
    const text = make('span', 'text', excerpt({ ...found, asOf: 0 }));
    const body = make('span', 'body', head, text);
    const button = make('button', `result ${colour(name)}`, badge(name), body);
    button.type = 'button';
    Object.assign(button.dataset, { room: String(room), seq: String(seq) });
    return make('li', '', button);
  }
}
