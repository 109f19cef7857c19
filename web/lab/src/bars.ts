// Bars made of parts, as a table: the line's name, the bar, and the same in figures. Parts differ
// by pattern besides colour.

import { make } from '../../src/dom';

export interface Bar {
  label: string;
  parts: number[]; // as many as the parts have names
  text: string;
}

const PATTERNS = 6;

const pattern = (i: number) => `part p${i % PATTERNS}`;

export function bars(title: string, note: string, names: string[], rows: Bar[]): HTMLElement {
  const total = (bar: Bar) => bar.parts.reduce((a, b) => a + b, 0);
  const longest = Math.max(...rows.map(total));
  const key = names.map((name, i) => make('li', '', make('i', pattern(i)), name));
  const lines = rows.map((bar) => {
    const strip = make('div', 'strip');
    bar.parts.forEach((size, i) => {
      if (!(size > 0)) return;
      const part = make('i', pattern(i));
      part.style.width = `${(size / longest) * 100}%`;
      strip.append(part);
    });
    const name = make('th', '', bar.label);
    name.scope = 'row';
    return make('tr', '', name, make('td', 'strip-cell', strip), make('td', 'figure', bar.text));
  });
  const caption = make('figcaption', '', make('h3', '', title), make('p', 'note', note));
  return make(
    'figure',
    'chart bars',
    caption,
    make('ul', 'key', ...key),
    make('table', '', make('tbody', '', ...lines)),
  );
}
