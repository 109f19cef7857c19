// Finding rooms and people: the list of rooms, a room by its name, a conversation with a person.

import { onSubmit, openDialog } from './dialogs';
import { byId, make, setText } from './dom';
import type { Listed } from './protocol';
import type { Session } from './session';
import { clean, plural } from './text';

const field = (id: string): HTMLInputElement => byId<HTMLInputElement>(id);

export class Browse {
  constructor(private readonly session: Session) {
    for (const id of ['browse-open', 'browse-open-2']) {
      byId(id).addEventListener('click', () => this.open());
    }
    onSubmit('join-form', () => this.go('join', field('join-name'), asRoom));
    onSubmit('direct-form', () => this.go('direct', field('direct-name'), clean));
    byId('all-rooms').addEventListener('click', ({ target }) => {
      const button = target instanceof Element && target.closest('button');
      if (!button) return;
      byId<HTMLDialogElement>('browse').close();
      this.session.open('join', button.dataset['name'] ?? '');
    });
  }

  open(): void {
    setText(byId('all-rooms-state'), 'Loading…');
    byId('all-rooms').replaceChildren();
    openDialog('browse');
    this.session.send({ type: 'rooms' });
  }

  listed(rooms: Listed[]): void {
    const count = plural(rooms.length, 'room', 'rooms');
    setText(byId('all-rooms-state'), rooms.length ? count : 'No rooms yet.');
    byId('all-rooms').replaceChildren(...rooms.map((room) => this.item(room)));
  }

  private item({ name, topic, people, room }: Listed): HTMLLIElement {
    const count = plural(people, 'person', 'people');
    const state = this.session.rooms.has(room) ? `${count} · you are in it` : count;
    const head = make('span', 'head', make('bdi', 'room-name', name), ' ');
    head.append(make('span', 'note', state));
    const button = make('button', 'result', make('span', 'body', head));
    if (topic) button.firstElementChild!.append(make('span', 'text', topic));
    button.type = 'button';
    button.dataset['name'] = name;
    return make('li', '', button);
  }

  private go(type: 'join' | 'direct', from: HTMLInputElement, as: (text: string) => string): void {
    const name = as(from.value);
    if (!name) return;
    from.value = '';
    byId<HTMLDialogElement>('browse').close();
    this.session.open(type, name);
  }
}

function asRoom(text: string): string {
  const name = clean(text);
  return name === '' || name.startsWith('#') ? name : `#${name}`;
}
