// How one item of the log looks.

import { make } from './dom';
import type { Said } from './held';
import type { Item } from './items';
import type { Unsent } from './outbox';
import type { Reader } from './room';
import { rich } from './rich';
import { isToday, timeElement } from './time';
import { colour, initial, plural, quoteOf } from './text';

/** Whose eyes it is for, and what is here of the entries that are quoted. */
export interface Look {
  reader: Reader;
  find(seq: number): Said | undefined;
}

const EXCERPT = 140;

export function button(className: string, label: string, shown: string): HTMLButtonElement {
  const element = make('button', className, shown);
  element.type = 'button';
  element.ariaLabel = label;
  element.title = label;
  return element;
}

export function badge(name: string): HTMLElement {
  const element = make('span', 'badge', initial(name));
  element.ariaHidden = 'true';
  return element;
}

/** One line of what an entry says. */
export function excerpt(said: Said): string {
  if (said.removed) return 'removed';
  const { rest } = quoteOf(said.text ?? '');
  return rest.length > EXCERPT ? `${rest.slice(0, EXCERPT)}…` : rest;
}

function quotedBy(said: Said): { quoted: number; rest: string } {
  const text = said.text ?? '';
  const { quoted, rest } = quoteOf(text);
  return quoted > 0 && quoted < said.seq ? { quoted, rest } : { quoted: 0, rest: text };
}

/** Changes when the item looks different. */
export function signature(item: Item, look: Look): string {
  switch (item.kind) {
    case 'said': {
      const { text, edited, removed } = item.said;
      const { quoted } = quotedBy(item.said);
      const original = quoted ? look.find(quoted) : undefined;
      const shown = original && [original.name, original.text, original.removed];
      return JSON.stringify([text, edited, removed, item.more, shown, look.reader.name]);
    }
    case 'unsent':
      return item.unsent.failed ?? '';
    case 'gap':
      return `${item.from}`;
    default:
      return '';
  }
}

/** Fills the list item: all of it is made anew. */
export function fill(li: HTMLLIElement, item: Item, look: Look): void {
  const [className, ...content] = draw(item, look);
  li.className = className;
  li.replaceChildren(...content);
}

type Drawn = [className: string, ...content: (Node | string)[]];

function draw(item: Item, look: Look): Drawn {
  switch (item.kind) {
    case 'said':
      return item.said.topic === undefined ? message(item.said, item.more, look) : topic(item.said);
    case 'unsent':
      return unsent(item.unsent, look.reader.name);
    case 'gap':
      return ['gap missing', make('span', '', `Loading ${missing(item.to - item.from + 1)}`)];
    case 'day':
      return ['gap day', make('span', '', isToday(item.day) ? 'Today' : item.day)];
    case 'new':
      return ['gap new', make('span', '', 'New')];
    case 'start':
      return ['gap begin', make('span', '', 'The beginning')];
  }
}

const missing = (count: number): string => `${plural(count, 'entry', 'entries')} not here yet…`;

function topic({ name, topic, time }: Said): Drawn {
  const words = topic === '' ? 'removed the topic' : 'set the topic:';
  const text = make('p', 'text', make('bdi', 'name', name), ` ${words} `, make('bdi', '', topic!));
  return [`event ${colour(name)}`, text, timeElement(time)];
}

function message(said: Said, more: boolean, look: Look): Drawn {
  const { name, time, action } = said;
  const mine = look.reader.owns(said);
  const { quoted, rest } = quotedBy(said);
  const head = make('p', 'head', make('bdi', 'name', name), ' ');
  if (mine) head.append(make('span', 'you', 'you'), ' ');
  head.append(timeElement(time));
  const body = make('div', 'body', head);
  if (quoted) body.append(quote(quoted, look.find(quoted)));
  body.append(words(said, rest, mine ? '' : look.reader.name));
  const marked = !mine && body.querySelector('mark') !== null;
  const kinds = [more && 'more', action && 'action', marked && 'called', said.removed && 'removed'];
  const className = ['said', colour(name), ...kinds].filter(Boolean).join(' ');
  return [className, badge(name), body, actions(name, said.removed === true)];
}

function words(said: Said, text: string, name: string): HTMLElement {
  if (said.removed) return make('p', 'text', 'This message was removed.');
  const element = make('p', 'text', ...rich(text, name));
  element.dir = 'auto';
  if (said.action) element.prepend(make('bdi', 'name', said.name), ' ');
  if (said.edited) element.append(' ', make('span', 'edited', '(edited)'));
  return element;
}

function actions(name: string, removed: boolean): HTMLElement {
  const reply = button('reply', `Reply to ${name}`, '↩');
  const menu = button('menu', `More about this message of ${name}`, '⋯');
  const shown = removed ? [menu] : [reply, menu];
  for (const one of shown) one.tabIndex = -1; // reached by the arrow keys
  return make('div', 'acts', ...shown);
}

function quote(seq: number, said: Said | undefined): HTMLElement {
  const element = make('button', 'quote');
  element.type = 'button';
  element.tabIndex = -1;
  element.dataset['seq'] = String(seq);
  if (!said || said.topic !== undefined) element.append(`Message ${seq}`);
  else element.append(make('bdi', `name ${colour(said.name)}`, said.name), ' ', excerpt(said));
  return element;
}

function unsent({ text, key, failed, action }: Unsent, name: string): Drawn {
  const state = make('p', 'note', failed === undefined ? 'Sending…' : `Not sent: ${failed}`);
  const words = make('p', 'text', ...rich(quoteOf(text).rest, ''));
  words.dir = 'auto';
  const body = make('div', 'body', words, state);
  if (action) words.prepend(`${name} `);
  if (failed !== undefined) {
    const again = button('quiet retry', 'Send again', 'Send again');
    const drop = button('quiet discard', 'Discard', 'Discard');
    again.dataset['key'] = drop.dataset['key'] = key;
    body.append(make('p', 'row', again, drop));
  }
  const className = `unsent ${colour(name)}${failed === undefined ? '' : ' failed'}`;
  return [className, badge(name), body];
}
