// The part with the charts: dials and legend, one chart per figure against the number of
// connections, and bars for one number of connections.

import { make } from '../../src/dom';
import { bars } from './bars';
import { Chart, type Series } from './chart';
import { dialsPart, Legend, select } from './controls';
import { bytes, count, listed, micros, number } from './format';
import { METRICS, type Shown } from './metrics';
import type { Metric, Point } from './results';
import { chosenPoints, dialsOf, hasRun, keyOf, linesOf, type Dial, type Line } from './selection';

const MOST_CALLS = 5; // names of system calls with a part of their own

export class ChartsPart {
  readonly element = make('div', '');
  private readonly dials: Dial[];
  private readonly lines: Line[];
  private readonly charts = make('div', 'charts');
  private readonly barCharts = make('div', 'charts');
  private readonly barDial = make('div', 'dials');
  private readonly absent = make('p', 'note');
  private drawn: Chart[] = [];
  private at: number | null = null; // connections the bars are for

  constructor(points: Point[]) {
    const placed = points.filter(({ connections }) => connections !== null && connections >= 1);
    this.points = placed.filter(hasRun);
    this.lines = linesOf(this.points);
    this.dials = dialsOf(this.points);
    if (!this.lines.length) {
      this.element.append(make('p', 'box', 'No combination gave figures, so there is no chart.'));
      return;
    }
    const draw = () => this.draw();
    const legend = new Legend(this.lines, draw, (key) =>
      this.drawn.forEach((chart) => chart.highlight(key)),
    );
    const dials = dialsPart(this.dials, draw);
    this.element.append(
      make('div', 'controls', ...(dials ? [dials] : []), legend.element),
      this.charts,
      this.barDial,
      this.barCharts,
      this.absent,
    );
  }

  private readonly points: Point[];

  draw(): void {
    for (const chart of this.drawn) chart.destroy();
    this.drawn = [];
    if (!this.lines.length) return;
    const lines = this.lines.filter(({ shown }) => shown);
    const points = chosenPoints(this.points, this.dials).filter((point) =>
      lines.some(({ key }) => key === keyOf(point)),
    );
    this.drawCharts(points, lines);
    this.drawBars(points, lines);
  }

  private series(points: Point[], lines: Line[], metric: Metric): Series[] {
    return lines
      .map((line) => {
        const own = points.filter((point) => keyOf(point) === line.key);
        const values = own.flatMap(({ connections, figures }) => {
          const range = figures.get(metric);
          return range ? [[connections!, range] as const] : [];
        });
        return { ...line, values: new Map(values.sort(([a], [b]) => a - b)) };
      })
      .filter(({ values }) => values.size);
  }

  private chart(shown: Shown, points: Point[], lines: Line[]): Chart | null {
    const series = this.series(points, lines, shown.metric);
    if (!series.length) return null;
    const other = shown.like ? this.series(points, lines, shown.like) : [];
    return new Chart({
      title: shown.title!,
      note: shown.note!,
      xLabel: 'connections',
      x: count,
      y: shown.axis!,
      value: shown.value,
      binary: shown.axis === bytes,
      logX: true,
      logY: shown.logY!,
      series,
      like: [...series, ...other],
    });
  }

  private drawCharts(points: Point[], lines: Line[]): void {
    const absent: string[] = [];
    this.charts.replaceChildren();
    for (const shown of METRICS.filter(({ title }) => title)) {
      const chart = this.chart(shown, points, lines);
      if (!chart) {
        absent.push(shown.title!.toLowerCase());
        continue;
      }
      this.charts.append(chart.element);
      this.drawn.push(chart);
    }
    for (const chart of this.drawn) chart.draw();
    if (!this.drawn.length) {
      const why = lines.length
        ? 'Nothing was measured with these settings together: turn a dial.'
        : 'No line is shown: choose some above.';
      this.charts.append(make('p', 'box', why));
    }
    const some = this.drawn.length > 0 && absent.length > 0;
    this.absent.textContent = some ? `Not measured here: ${listed(absent)}.` : '';
  }

  /** The number of connections that has most lines, of several the highest. */
  private startAt(points: Point[], places: number[]): number {
    const have = (place: number) => points.filter((p) => p.connections === place).length;
    return places.reduce((a, b) => (have(b) >= have(a) ? b : a));
  }

  private drawBars(points: Point[], lines: Line[]): void {
    const places = [...new Set(points.map(({ connections }) => connections!))];
    places.sort((a, b) => a - b);
    this.barCharts.replaceChildren();
    this.barDial.replaceChildren();
    if (!places.length) return;
    if (this.at === null || !places.includes(this.at)) this.at = this.startAt(points, places);
    const here = points.filter(({ connections }) => connections === this.at);
    const named = here.flatMap((point) => {
      const line = lines.find(({ key }) => key === keyOf(point));
      return line ? [{ point, label: line.label }] : [];
    });
    const all = [cpuBars(named), callBars(named), switchBars(named)];
    const parts = all.filter((part) => part !== null);
    if (!parts.length) return;
    const values = places.map((place) => ({ value: String(place), label: count(place) }));
    const changed = (value: string) => {
      this.at = Number(value);
      const focused = this.barDial.contains(document.activeElement);
      this.drawBars(points, lines);
      if (focused) this.barDial.querySelector('select')?.focus();
    };
    const words = `At ${count(this.at)} ${this.at === 1 ? 'connection' : 'connections'}`;
    this.barDial.append(make('h3', 'bars-title', words));
    if (places.length > 1)
      this.barDial.append(select('Connections', values, String(this.at), changed));
    this.barCharts.append(...parts);
  }
}

interface Named {
  point: Point;
  label: string;
}

/** One bar per line, of two figures, the smallest first; null where no line has both. */
function pairBars(
  named: Named[],
  [one, two]: [Metric, Metric],
  show: (value: number) => string,
  title: string,
  note: string,
  names: string[],
): HTMLElement | null {
  const rows = named.flatMap(({ point, label }) => {
    const [a, b] = [point.figures.get(one)?.median, point.figures.get(two)?.median];
    if (a === undefined || b === undefined) return [];
    return [{ label, parts: [a, b], text: `${show(a)} + ${show(b)}` }];
  });
  if (!rows.some(({ parts }) => parts.some((part) => part > 0))) return null;
  rows.sort((a, b) => a.parts[0]! + a.parts[1]! - b.parts[0]! - b.parts[1]!);
  return bars(title, note, names, rows);
}

function cpuBars(named: Named[]): HTMLElement | null {
  return pairBars(
    named,
    ['cpu_user_us', 'cpu_system_us'],
    micros,
    'CPU time per request: user and system',
    'User time is the server’s own, system time the kernel’s.',
    ['user', 'system'],
  );
}

function switchBars(named: Named[]): HTMLElement | null {
  return pairBars(
    named,
    ['switches_voluntary', 'switches_involuntary'],
    number,
    'Context switches per request',
    'Voluntary: the server had nothing to do and slept. Involuntary: the kernel took its core.',
    ['voluntary', 'involuntary'],
  );
}

function callBars(named: Named[]): HTMLElement | null {
  const counted = named.filter(({ point }) => point.calls.length);
  if (!counted.length) return null;
  const totals = new Map<string, number>();
  for (const { point } of counted)
    for (const [name, calls] of point.calls) totals.set(name, (totals.get(name) ?? 0) + calls);
  const order = [...totals].sort(([, a], [, b]) => b - a).map(([name]) => name);
  const names = order.length > MOST_CALLS + 1 ? order.slice(0, MOST_CALLS) : order;
  const rest = order.length > names.length;
  const rows = counted.map(({ point, label }) => {
    const own = new Map(point.calls);
    const sum = point.calls.reduce((total, [, calls]) => total + calls, 0);
    const parts = names.map((name) => own.get(name) ?? 0);
    const others = sum - parts.reduce((a, b) => a + b, 0);
    return { label, parts: rest ? [...parts, others] : parts, text: number(sum), sum };
  });
  rows.sort((a, b) => a.sum - b.sum);
  return bars(
    'System calls per request, by name',
    'Fewer is better: each is a way into the kernel and back.',
    rest ? [...names, 'others'] : names,
    rows,
  );
}
