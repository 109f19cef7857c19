// One chart of lines, by uPlot: markers, whiskers from quartile to quartile, the values under the
// pointer (or the arrow keys) in a small table.

import uPlot from 'uplot';
import { byId, make, setText } from '../../src/dom';
import { between } from './format';
import { dashOf, isHollow, markerPath, swatch, type Looks } from './looks';
import type { Range } from './results';
import { extentX, extentY, marksX, marksY, type Extent } from './scale';
import { COLOURS } from './selection';

export interface Series extends Looks {
  key: string;
  label: string;
  values: Map<number, Range>; // by x
}

export interface ChartSpec {
  title: string;
  note: string;
  xLabel: string;
  x: (value: number) => string;
  y: (value: number) => string; // for the axis
  value: (value: number) => string; // for the values, with the unit
  binary?: boolean; // y in bytes: marks at powers of two
  logX: boolean;
  logY: boolean | 'auto';
  series: Series[];
  like?: Series[]; // others that are to have the same y axis
}

const MOST_IN_TIP = 14;
export const PRINT_SCALE = 2; // drawn larger and shown smaller: sharp on paper

const printing = () => document.documentElement.classList.contains('printing');
const style = () => getComputedStyle(document.documentElement);

const spread = (series: Series[]) =>
  series.flatMap(({ values }) => [...values.values()].flatMap(({ low, high }) => [low, high]));

export class Chart {
  readonly element: HTMLElement;
  private readonly plot = make('div', 'plot');
  private readonly tip = make('div', 'tip');
  private readonly places: number[];
  private readonly x: Extent;
  private readonly y: Extent;
  private drawn: uPlot | null = null;
  private highlighted: string | null = null;

  get series(): Series[] {
    return this.spec.series;
  }

  constructor(private readonly spec: ChartSpec) {
    const { series } = spec;
    this.places = [...new Set(series.flatMap(({ values }) => [...values.keys()]))].sort(
      (a, b) => a - b,
    );
    this.x = extentX(this.places, spec.logX);
    this.y = extentY(spread(spec.like ?? series), spec.logY);
    const scale = this.y.log ? `${spec.note} Logarithmic.` : spec.note;
    const caption = make('figcaption', '', make('h3', '', spec.title), make('p', 'note', scale));
    this.element = make('figure', 'chart', caption, this.plot);
    this.plot.tabIndex = 0;
    this.plot.role = 'img';
    this.plot.ariaLabel = `${spec.title}: ${this.summary()} Arrow keys read the values.`;
    this.plot.addEventListener('keydown', (event) => this.key(event));
    this.plot.addEventListener('blur', () => this.hideTip());
    this.tip.hidden = true;
    this.tip.ariaHidden = 'true';
  }

  private summary(): string {
    const lines = this.spec.series.map(({ label, values }) => {
      const [first, last] = [Math.min(...values.keys()), Math.max(...values.keys())];
      const at = (x: number) => `${this.spec.value(values.get(x)!.median)} at ${this.spec.x(x)}`;
      return `${label} ${first === last ? at(first) : `from ${at(first)} to ${at(last)}`}`;
    });
    return `${lines.join('; ')}. Across: ${this.spec.xLabel}.`;
  }

  /** Draws at the width there is now; the element must be in the page. */
  draw(): void {
    this.drawn?.destroy();
    const scale = printing() ? PRINT_SCALE : 1;
    const width = printing() ? 330 * scale : Math.max(200, this.plot.clientWidth);
    const height = printing() ? 190 * scale : Math.round(Math.min(300, Math.max(210, width * 0.6)));
    const medians = this.spec.series.map(({ values }) =>
      this.places.map((x) => values.get(x)?.median ?? null),
    );
    const data = [this.places, ...medians] as uPlot.AlignedData;
    this.drawn = new uPlot(this.options(width, height, scale), data, this.plot);
    this.drawn.over.append(this.tip);
    this.hideTip();
  }

  destroy(): void {
    this.drawn?.destroy();
    this.drawn = null;
  }

  /** Lets all lines but one step back; null: none. */
  highlight(key: string | null): void {
    if (key === this.highlighted || !this.drawn) return;
    this.highlighted = key;
    this.spec.series.forEach((series, i) => {
      this.drawn!.series[i + 1]!.alpha = key === null || series.key === key ? 1 : 0.15;
    });
    this.drawn.redraw(false, false);
  }

  private options(width: number, height: number, scale: number): uPlot.Options {
    const css = style();
    const font = `${11 * scale}px ${css.getPropertyValue('--font')}`;
    const colours = Array.from({ length: COLOURS }, (_, i) => css.getPropertyValue(`--c${i}`));
    const grid = { stroke: css.getPropertyValue('--line'), width: scale };
    const axis = { stroke: css.getPropertyValue('--muted'), font, gap: 5 * scale };
    const mostX = Math.max(2, Math.floor(width / scale / 62));
    const mostY = Math.max(3, Math.floor(height / scale / 32));
    return {
      width,
      height,
      pxAlign: false,
      legend: { show: false },
      padding: [8 * scale, 14 * scale, 0, 0],
      cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
      scales: {
        x: { time: false, distr: this.x.log ? 3 : 1, range: () => [this.x.low, this.x.high] },
        y: { distr: this.y.log ? 3 : 1, range: () => [this.y.low, this.y.high] },
      },
      axes: [
        {
          ...axis,
          splits: () => marksX(this.places, this.x, mostX),
          filter: (_, marks) => marks,
          values: (_, marks) => marks.map(this.spec.x),
          label: this.spec.xLabel,
          labelFont: font,
          labelSize: 18 * scale,
          labelGap: 0,
          size: 24 * scale,
          grid,
          ticks: { show: false },
        },
        {
          ...axis,
          splits: () => marksY(this.y, mostY, this.spec.binary),
          filter: (_, marks) => marks,
          values: (_, marks) => marks.map(this.spec.y),
          size: 56 * scale,
          grid,
          ticks: { show: false },
        },
      ],
      series: [
        {},
        ...this.spec.series.map((series) => ({
          stroke: colours[series.colour]!,
          width: 2 * scale,
          dash: dashOf(series, scale),
          points: { show: false },
        })),
      ],
      hooks: {
        drawSeries: [(u, i) => this.drawMarks(u, i, colours, scale)],
        setCursor: [(u) => this.showTip(u)],
      },
    };
  }

  private drawMarks(u: uPlot, i: number, colours: string[], scale: number): void {
    const series = this.spec.series[i - 1]!;
    const size = scale * uPlot.pxRatio;
    const { ctx } = u;
    ctx.save();
    ctx.globalAlpha = u.series[i]!.alpha ?? 1;
    ctx.strokeStyle = colours[series.colour]!;
    ctx.setLineDash([]);
    for (const [at, { median, low, high }] of series.values) {
      const x = u.valToPos(at, 'x', true);
      const [top, middle, bottom] = [high, median, low].map((y) => u.valToPos(y, 'y', true));
      ctx.lineWidth = 1.25 * size;
      ctx.beginPath();
      for (const y of [top!, bottom!]) {
        ctx.moveTo(x - 3.5 * size, y);
        ctx.lineTo(x + 3.5 * size, y);
      }
      ctx.moveTo(x, top!);
      ctx.lineTo(x, bottom!);
      if (high > low) ctx.stroke();
      const path = markerPath(series, x, middle!, 3.4 * size);
      ctx.fillStyle = isHollow(series) ? style().getPropertyValue('--surface') : ctx.strokeStyle;
      ctx.fill(path);
      ctx.lineWidth = 1.5 * size;
      if (isHollow(series)) ctx.stroke(path);
    }
    ctx.restore();
  }

  private valuesAt(place: number): [Series, Range][] {
    return this.spec.series
      .flatMap((series): [Series, Range][] => {
        const range = series.values.get(place);
        return range ? [[series, range]] : [];
      })
      .sort(([, a], [, b]) => b.median - a.median);
  }

  private showTip(u: uPlot): void {
    const place = this.places[u.cursor.idx ?? -1];
    if (place === undefined || (u.cursor.left ?? -1) < 0) return this.hideTip();
    const all = this.valuesAt(place);
    const { value } = this.spec;
    const rows = all.slice(0, MOST_IN_TIP).map(([series, { median, low, high }]) => {
      const quartiles = high > low ? between(low, high, value) : '';
      const name = make('th', '', swatch(series), series.label);
      return make('tr', '', name, make('td', '', value(median)), make('td', 'note', quartiles));
    });
    const rest = all.length - rows.length;
    this.tip.replaceChildren(
      make('p', '', `${this.spec.xLabel}: ${this.spec.x(place)}`),
      make('table', '', make('tbody', '', ...rows)),
      ...(rest > 0 ? [make('p', 'note', `and ${rest} more`)] : []),
    );
    this.tip.hidden = false;
    const at = u.valToPos(place, 'x');
    const room = u.over.clientWidth;
    const left = at > room / 2 ? at - this.tip.offsetWidth - 14 : at + 14;
    const least = 8 - u.over.offsetLeft;
    this.tip.style.left = `${Math.max(least, Math.min(left, room + 8 - this.tip.offsetWidth))}px`;
  }

  private hideTip(): void {
    this.tip.hidden = true;
  }

  private key(event: KeyboardEvent): void {
    const u = this.drawn;
    if (!u) return;
    const now = this.tip.hidden ? null : (u.cursor.idx ?? null);
    const last = this.places.length - 1;
    const next: Record<string, number> = {
      ArrowRight: now === null ? 0 : Math.min(now + 1, last),
      ArrowLeft: now === null ? last : Math.max(now - 1, 0),
      Home: 0,
      End: last,
    };
    if (event.key === 'Escape') this.hideTip();
    const index = next[event.key];
    if (index === undefined) return;
    event.preventDefault();
    u.setCursor({ left: u.valToPos(this.places[index]!, 'x'), top: 10 });
    const place = this.places[index]!;
    const words = this.valuesAt(place).map(
      ([{ label }, { median }]) => `${label} ${this.spec.value(median)}`,
    );
    setText(byId('spoken'), `${this.spec.xLabel} ${this.spec.x(place)}: ${words.join(', ')}`);
  }
}
