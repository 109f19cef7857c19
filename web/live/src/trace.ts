// The two-phase picture of one request, drawn of what was recorded: what each thread did while it
// waited for the data, which is pressed into the left part, and from then on, on one scale.

import { make } from '../../src/dom';
import { micros } from '../../lab/src/format';
import { marksY } from '../../lab/src/scale';
import type { Trace } from './protocol';

type Recorded = Extract<Trace, { threads: unknown }>;

// As lab/trace.hpp has them.
const KINDS: Record<string, [name: string, meaning: string]> = {
  '.': ['runs', 'runs its own code'],
  '-': ['sleeps', 'sleeps in a call'],
  o: ['call', 'another call'],
  '?': ['vain', 'asks in vain'],
  '>': ['sends', 'sends the answer'],
  '#': ['copies', 'brings the bytes'],
};
const LEFT = 72;
const RIGHT = 12;
const TOP = 34;
const ROW = 30;

function svg(
  tag: string,
  attributes: Record<string, string | number>,
  ...content: (Node | string)[]
): SVGElement {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...content);
  return element;
}

const text = (x: number, y: number, words: string, more: Record<string, string> = {}) =>
  svg('text', { x, y, ...more }, words);

class Picture {
  private readonly parts: SVGElement[] = [];
  private readonly knee: number;
  private y = TOP;

  constructor(
    private readonly trace: Recorded,
    private readonly width: number,
  ) {
    this.knee = LEFT + (width - LEFT - RIGHT) * 0.3;
    this.axis();
    this.phases();
    for (const { thread, pieces } of trace.threads) this.thread(thread, pieces);
  }

  element(): SVGElement {
    const { width, y } = this;
    const size = { width, height: y, viewBox: `0 0 ${width} ${y}` };
    return svg('svg', { class: 'picture', 'aria-hidden': 'true', ...size }, ...this.parts);
  }

  private x(time: number): number {
    const { begin, sending, answered } = this.trace.times_us;
    const part = (low: number, high: number) =>
      (Math.min(Math.max(time, low), high) - low) / (high - low || 1);
    const end = this.width - RIGHT;
    if (time < sending) return LEFT + (this.knee - LEFT) * part(begin, sending);
    return this.knee + (end - this.knee) * part(sending, answered);
  }

  private axis(): void {
    const { begin, answered } = this.trace.times_us;
    const bottom = TOP + ROW * (1 + this.trace.threads.length);
    for (const at of marksY({ low: 0, high: answered, log: false }, this.width < 560 ? 3 : 6)) {
      const x = this.x(at);
      const kind = at === 0 ? 'zero' : 'grid';
      this.parts.push(svg('line', { x1: x, x2: x, y1: TOP - 6, y2: bottom, class: kind }));
      const words = at === 0 ? '0' : micros(at);
      const middle = { 'text-anchor': 'middle' };
      if (x < this.width - 20) this.parts.push(text(x, TOP - 11, words, middle));
    }
    const room = this.knee - LEFT > 130;
    this.parts.push(text(LEFT, TOP - 11, `${micros(-begin)}${room ? ', pressed' : ''}`));
  }

  private bar(from: number, to: number, y: number, height: number, kind: string): void {
    const [x, end] = [this.x(from), this.x(to)];
    this.parts.push(
      svg('rect', { x, y, width: Math.max(end - x, 0.7), height, class: `piece ${kind}` }),
    );
  }

  private phases(): void {
    const { times_us: times, wait, copy } = this.trace;
    this.parts.push(text(4, this.y + 15, 'phases'));
    this.bar(times.begin, 0, this.y, ROW - 8, 'wait');
    const room = this.knee - LEFT;
    const words = [wait.is === 'asking' ? 'wait: it asks' : `wait: ${wait.call}`, 'wait'];
    const fits = words.find((one) => one.length * 6.4 < room) ?? '';
    const middle = { 'text-anchor': 'middle', class: 'on-bar' };
    this.parts.push(text((LEFT + this.knee) / 2, this.y + 15, fits, middle));
    this.bar(times.copy_begin, times.copied, this.y, ROW - 8, 'copy');
    const copied = this.x(times.copied);
    const by = copy.by === 'kernel' ? 'copy: the kernel' : `copy: ${copy.call}`;
    const left = copied + by.length * 6.4 < this.width;
    if (left) this.parts.push(text(copied + 5, this.y + 15, by));
    else this.parts.push(text(copied - 5, this.y + 15, 'copy', { 'text-anchor': 'end' }));
    this.y += ROW;
  }

  private thread(thread: number, pieces: [number, number, string][]): void {
    this.parts.push(text(4, this.y + 15, `thread ${thread}`));
    for (const [begin, end, sign] of pieces) {
      const [kind] = KINDS[sign] ?? ['call'];
      if (sign === '.') this.bar(begin, end, this.y + 9, 4, kind);
      else this.bar(begin, end, this.y, ROW - 8, kind);
    }
    if (thread === this.trace.handlers_thread) {
      const x = this.x(this.trace.times_us.handler);
      this.parts.push(
        svg('line', { x1: x, x2: x, y1: this.y - 4, y2: this.y + ROW - 4, class: 'handler' }),
      );
    }
    this.y += ROW;
  }
}

const sampleOf = (drawn: SVGElement) =>
  svg('svg', { width: 22, height: 14, 'aria-hidden': 'true' }, drawn);

function legend(trace: Recorded): HTMLElement {
  const there = new Set(trace.threads.flatMap(({ pieces }) => pieces.map(([, , sign]) => sign)));
  const items = Object.entries(KINDS)
    .filter(([sign]) => there.has(sign))
    .map(([, [kind, meaning]]) => {
      const place = { y: kind === 'runs' ? 5 : 1, height: kind === 'runs' ? 4 : 12 };
      const sample = svg('rect', { x: 0, width: 22, ...place, class: `piece ${kind}` });
      return make('li', '', sampleOf(sample), meaning);
    });
  const line = svg('line', { x1: 11, x2: 11, y1: 0, y2: 14, class: 'handler' });
  const handler = make('li', '', sampleOf(line), 'the handler has the bytes');
  return make('ul', 'key', ...items, handler);
}

/** What is shown for this trace at this width. */
export function tracePart(trace: Trace | null, doing: string, width: number): HTMLElement {
  if (!trace) {
    const later = 'One is traced when the load has run for a while.';
    const waits = doing ? 'One is being traced…' : later;
    return make('p', 'note', waits);
  }
  if ('error' in trace) return make('p', 'box warn', `Nothing was traced: ${trace.error}`);
  if (!('threads' in trace)) return make('p', 'box warn', `Not traced: ${trace.left_out}`);
  const { model, architecture, posix, sentence, untraced_us } = trace;
  const free = untraced_us
    ? `Not traced, the handler had the bytes ${micros(untraced_us.handler)} after the send, the ` +
      `client its answer after ${micros(untraced_us.answer)}.`
    : '';
  const note =
    `${model}, ${architecture}, one message to a server of its own, recorded by ptrace(2), which ` +
    `slows each call down: this shows the order. At 0 the kernel has the data. ${free}`;
  const picture = make('div', 'drawn', new Picture(trace, Math.max(300, width)).element());
  picture.role = 'img';
  picture.ariaLabel = `Timeline of a request through ${model}. ${sentence}`;
  return make(
    'figure',
    'chart trace',
    make('figcaption', '', make('h3', '', `${model}: ${posix}`), make('p', '', sentence)),
    legend(trace),
    picture,
    make('p', 'note', note),
  );
}
