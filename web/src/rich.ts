// A message's text as elements: links, code and the reader's own name. Everything anyone says ends
// up in text nodes; only http and https addresses become links.

import { make } from './dom';
import { mentionAt } from './text';

// Code first, so that nothing within it is a link. No invisible characters in an address.
const PARTS = /```(.+?)```|`([^`]+)`|(https?:\/\/[^\s<>"`\p{Cc}\p{Cf}]+)/giu;

/** The address without the punctuation that ends the sentence it stands in. */
function trimmed(link: string): string {
  let end = link.length;
  const count = (sign: string) => link.slice(0, end).split(sign).length;
  while (end > 0 && /[.,;:!?'")\]}*_~]/.test(link[end - 1]!)) {
    if (link[end - 1] === ')' && count('(') >= count(')')) break;
    end--;
  }
  return link.slice(0, end);
}

/** Null for what is no address, or hides where it leads behind a name ("https://a@b"). */
function address(link: string): string | null {
  try {
    const url = new URL(link);
    const web = url.protocol === 'http:' || url.protocol === 'https:';
    return web && !url.username && !url.password ? url.href : null;
  } catch {
    return null;
  }
}

function anchor(link: string): Node | string {
  const href = address(link);
  if (href === null) return link;
  const element = make('a', '', link);
  element.href = element.title = href;
  element.target = '_blank';
  element.rel = 'noopener noreferrer';
  return element;
}

function plain(text: string, name: string): (Node | string)[] {
  const nodes: (Node | string)[] = [];
  let done = 0;
  for (let at = mentionAt(text, name); at >= 0; at = mentionAt(text, name, done)) {
    nodes.push(text.slice(done, at), make('mark', '', text.slice(at, at + name.length)));
    done = at + name.length;
  }
  return [...nodes, text.slice(done)].filter((node) => node !== '');
}

/** `name`: the reader's, marked where it stands. */
export function rich(text: string, name: string): (Node | string)[] {
  const nodes: (Node | string)[] = [];
  let done = 0;
  for (const found of text.matchAll(PARTS)) {
    const [all, block, code, link] = found;
    const shown = link === undefined ? all : trimmed(link);
    nodes.push(...plain(text.slice(done, found.index), name));
    if (block !== undefined) nodes.push(make('code', 'block', block.trim()));
    else if (code !== undefined) nodes.push(make('code', '', code));
    else nodes.push(anchor(shown));
    done = found.index + shown.length;
  }
  return [...nodes, ...plain(text.slice(done), name)];
}
