// One chart of what came in the last minutes, by uPlot: lines, and a mark where a dial was turned.

import uPlot from 'uplot';
import { make } from '../../src/dom';
import { swatch, dashOf, type Looks } from '../../lab/src/looks';
import { extentY, marksY, type Extent } from '../../lab/src/scale';
import { COLOURS } from '../../lab/src/selection';
import type { Figures, Mark } from './protocol';

export interface Line {
  label: string;
  value: (figures: Figures) => number | null | undefined;
}

export interface ChartSpec {
  title: string;
  note: string;
  axis: (value: number) => string;
  value: (value: number) => string;
  lines: Line[];
  log?: boolean;
  binary?: boolean; // y in bytes: marks at powers of two
}

const HEIGHT = 190;
const SPANS = [30, 60]; // seconds across, at first
const MARK_LETTERS = 24;
const MARKS_WITH_WORDS = 3;
const style = () => getComputedStyle(document.documentElement);
const looks = (index: number): Looks => ({ colour: index, dash: index, marker: index });

// Minutes and seconds before now.
function ago(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole === 0) return 'now';
  return whole % 60 === 0 ? `−${whole / 60} min` : `−${Math.round(seconds * 10) / 10} s`;
}

export class Chart {
  readonly element: HTMLElement;
  private readonly plot = make('div', 'plot');
  private readonly tip = make('div', 'tip');
  private drawn: uPlot | null = null;
  private figures: Figures[] = [];
  private marks: Mark[] = [];
  private end = 0;
  private span = SPANS[0]!;
  private y: Extent = { low: 0, high: 1, log: false };

  constructor(
    private readonly spec: ChartSpec,
    private readonly seconds: number,
  ) {
    const words = spec.log ? `${spec.note} Logarithmic.` : spec.note;
    const caption = make('figcaption', '', make('h3', '', spec.title), make('p', 'note', words));
    this.element = make('figure', 'chart', caption);
    if (spec.lines.length > 1) {
      const keys = spec.lines.map(({ label }, i) => make('li', '', swatch(looks(i)), label));
      this.element.append(make('ul', 'key', ...keys));
    }
    this.element.append(this.plot);
    this.plot.role = 'img';
    this.tip.hidden = true;
    this.tip.ariaHidden = 'true';
  }

  show(figures: Figures[], marks: Mark[]): void {
    this.figures = figures;
    this.marks = marks;
    this.end = figures.at(-1)?.at ?? 0;
    const there = this.end - (figures[0]?.at ?? 0);
    this.span = SPANS.find((span) => span >= there) ?? this.seconds;
    this.y = this.extent();
    this.plot.ariaLabel = `${this.spec.title}, the last two minutes: ${this.summary()}`;
    this.drawn?.setData(this.data());
  }

  /** Draws at the width and in the colours there are now; the element must be in the page. */
  draw(): void {
    this.drawn?.destroy();
    this.drawn = new uPlot(this.options(), this.data(), this.plot);
    this.drawn.over.append(this.tip);
  }

  private data(): uPlot.AlignedData {
    const columns = this.spec.lines.map(({ value }) => this.column(value));
    return [this.figures.map(({ at }) => at), ...columns];
  }

  // What is not read every time is of all the time since the last reading, or since the dials were
  // turned.
  private column(value: Line['value']): (number | null)[] {
    let next: number | null = null;
    let turn = this.marks.length - 1;
    return [...this.figures]
      .reverse()
      .map((one) => {
        for (; turn >= 0 && this.marks[turn]!.at > one.at; turn--) next = null;
        return (next = value(one) ?? next);
      })
      .reverse();
  }

  private summary(): string {
    const parts = this.spec.lines.map(({ label, value }) => {
      const all = this.figures.flatMap((one) => value(one) ?? []);
      const last = all.at(-1);
      if (last === undefined) return `${label} not known yet`;
      const show = this.spec.value;
      const [low, high] = [Math.min(...all), Math.max(...all)];
      return `${label} now ${show(last)}, from ${show(low)} to ${show(high)}`;
    });
    return `${parts.join('; ')}.`;
  }

  private extent(): Extent {
    const log = this.spec.log === true;
    const all = this.spec.lines.flatMap(({ value }) =>
      this.figures.flatMap((one) => value(one) ?? []),
    );
    const fit = extentY(all, log);
    if (log && !fit.log) return { low: 1, high: 10, log };
    const { low, high } = fit; // room for the words of marks above the lines
    return { ...fit, high: log ? high * (high / low) ** 0.35 : high * 1.3 };
  }

  private options(): uPlot.Options {
    const css = style();
    const font = `11px ${css.getPropertyValue('--font')}`;
    const colours = Array.from({ length: COLOURS }, (_, i) => css.getPropertyValue(`--c${i}`));
    const width = Math.max(200, this.plot.clientWidth);
    const grid = { stroke: css.getPropertyValue('--line'), width: 1 };
    const axis = { stroke: css.getPropertyValue('--muted'), font, grid, ticks: { show: false } };
    const parts = width > 420 ? 6 : 4;
    return {
      width,
      height: HEIGHT,
      pxAlign: false,
      legend: { show: false },
      padding: [8, 14, 0, 0],
      cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
      scales: {
        x: { time: false, range: () => [this.end - this.span, this.end] },
        y: { distr: this.spec.log ? 3 : 1, range: () => [this.y.low, this.y.high] },
      },
      axes: [
        {
          ...axis,
          size: 26,
          gap: 5,
          splits: () => {
            const marks = [];
            for (let i = 0; i <= parts; i++) marks.push(this.end - (this.span * i) / parts);
            return marks;
          },
          values: (_, places) => places.map((place) => ago(this.end - place)),
        },
        {
          ...axis,
          size: 58,
          gap: 5,
          splits: () => marksY(this.y, 5, this.spec.binary),
          filter: (_, places) => places,
          values: (_, places) => places.map(this.spec.axis),
        },
      ],
      series: [
        {},
        ...this.spec.lines.map(({ label }, i) => ({
          label,
          stroke: colours[i]!,
          width: 2,
          dash: dashOf(looks(i)),
          points: { show: false },
        })),
      ],
      hooks: {
        draw: [(u) => this.drawMarks(u, css.getPropertyValue('--edge'), font)],
        setCursor: [(u) => this.showTip(u)],
      },
    };
  }

  // A line for each mark; the latest have their words, below each other.
  private drawMarks(u: uPlot, edge: string, font: string): void {
    const scale = uPlot.pxRatio;
    const { ctx, bbox } = u;
    const css = style();
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.font = font.replace('11px', `${10.5 * scale}px`);
    ctx.textBaseline = 'top';
    ctx.textAlign = 'left';
    ctx.strokeStyle = edge;
    ctx.lineWidth = scale;
    ctx.setLineDash([4 * scale, 3 * scale]);
    const places = this.marks.map(({ at }) => u.valToPos(at, 'x', true));
    for (const x of places) ctx.stroke(new Path2D(`M${x} ${bbox.top}v${bbox.height}`));
    const first = Math.max(0, this.marks.length - MARKS_WITH_WORDS);
    this.marks.slice(first).forEach(({ text }, i) => {
      const x = places[first + i]!;
      if (x < bbox.left) return;
      const short = text.replace(/^(architecture|handler|policy) /, '');
      const words = short.length > MARK_LETTERS ? `${short.slice(0, MARK_LETTERS)}…` : short;
      const wide = ctx.measureText(words).width + 8 * scale;
      const left = x + wide > bbox.left + bbox.width ? x - wide : x;
      const top = bbox.top + (2 + 15 * i) * scale;
      ctx.fillStyle = css.getPropertyValue('--surface');
      ctx.fillRect(left + scale, top, wide - 2 * scale, 14 * scale);
      ctx.fillStyle = css.getPropertyValue('--muted');
      ctx.fillText(words, left + 4 * scale, top + 2 * scale);
    });
    ctx.restore();
  }

  private showTip(u: uPlot): void {
    const figures = this.figures[u.cursor.idx ?? -1];
    this.tip.hidden = figures === undefined || (u.cursor.left ?? -1) < 0;
    if (this.tip.hidden || !figures) return;
    const rows = this.spec.lines.map(({ label, value }, i) => {
      const known = value(figures) ?? null;
      const name = make('th', '', swatch(looks(i)), label);
      return make('tr', '', name, make('td', '', known === null ? '–' : this.spec.value(known)));
    });
    this.tip.replaceChildren(
      make('p', '', ago(this.end - figures.at)),
      make('table', '', make('tbody', '', ...rows)),
    );
    const at = u.valToPos(figures.at, 'x');
    const room = u.over.clientWidth;
    const left = at > room / 2 ? at - this.tip.offsetWidth - 14 : at + 14;
    this.tip.style.left = `${Math.max(-50, left)}px`;
  }
}
