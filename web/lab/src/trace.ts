// What `polyio lab trace` has recorded: its figure, and what it shows in words. The figure is an
// image, in which no script runs and which loads nothing, whatever the text of it says.

import { make } from '../../src/dom';
import type { Trace } from './results';

const lineOf = ({ call, model, sentence }: Trace['models'][number]) =>
  make('li', '', make('strong', '', `${call}, ${model}: `), sentence);

export function tracePart({ models, svg }: Trace): HTMLElement {
  const part = make('div', 'trace');
  if (svg) {
    const image = make('img', '');
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
    const words = models.map(({ call, model, sentence }) => `${call}, ${model}: ${sentence}`);
    image.alt = `Timelines of the two phases. ${words.join(' ')}`;
    const box = make('div', 'scroll', image);
    box.tabIndex = 0;
    box.role = 'region';
    box.ariaLabel = 'Timelines of the two phases';
    part.append(box);
  }
  part.append(make('ul', 'sentences', ...models.map(lineOf)));
  return part;
}
