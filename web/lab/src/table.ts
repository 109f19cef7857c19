// All points with medians and quartiles; a click on a column's head sorts by it.

import { make } from '../../src/dom';
import { between, bytes, count, short } from './format';
import { METRICS } from './metrics';
import { hasRun, sameForAll } from './selection';
import type { Point } from './results';

interface Column {
  head: string;
  numeric: boolean;
  key: (point: Point) => number | string | null; // to sort by; null comes last
  cell: (point: Point) => (Node | string)[];
}

function textColumn(head: string, of: (point: Point) => string): Column {
  return { head, numeric: false, key: of, cell: (point) => [of(point)] };
}

function numberColumn(
  head: string,
  of: (point: Point) => number | null,
  show: (value: number) => string,
): Column {
  const cell = (value: number | null) => (value === null ? '–' : show(value));
  return { head, numeric: true, key: of, cell: (point) => [cell(of(point))] };
}

function settings(points: Point[]): Column[] {
  const columns = [
    textColumn('Handler', (point) => point.handler),
    numberColumn('Connections', (point) => point.connections, count),
    numberColumn('Active', (point) => point.active ?? point.connections, count),
    numberColumn('Size', (point) => point.size, bytes),
    numberColumn('Under way', (point) => point.depth, count),
    numberColumn('Load', (point) => point.rate, (rate) => (rate ? `${short(rate)}/s` : 'closed')),
  ];
  return columns.filter(({ head, key }) => {
    if (head === 'Connections') return true;
    if (head === 'Active')
      return points.some(({ active, connections }) => active !== null && active !== connections);
    return new Set(points.map(key)).size > 1;
  });
}

function figures(points: Point[]): Column[] {
  return METRICS.filter(({ metric }) => points.some(({ figures }) => figures.has(metric))).map(
    ({ metric, column, value }) => ({
      head: column,
      numeric: true,
      key: (point) => point.figures.get(metric)?.median ?? null,
      cell: (point) => {
        const range = point.figures.get(metric);
        if (!range) return ['–'];
        const { median, low, high } = range;
        if (low === high) return [value(median)];
        return [value(median), make('small', '', between(low, high, value))];
      },
    }),
  );
}

function rounds(point: Point): string {
  const failed = point.errors.length;
  return failed ? `${point.rounds} (${failed} failed)` : String(point.rounds);
}

function compare(a: number | string | null, b: number | string | null): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return String(a).localeCompare(String(b), 'en', { numeric: true });
}

/** The order of `column`, turned round if asked, but what was not measured always at the end. */
function sorted(points: Point[], { key }: Column, down: boolean): Point[] {
  return [...points].sort((a, b) => {
    const order = compare(key(a), key(b));
    return down && key(a) !== null && key(b) !== null ? -order : order;
  });
}

export function pointsTable(all: Point[]): HTMLElement {
  const points = all.filter((point) => hasRun(point) || point.errors.length);
  const columns = [
    textColumn('Model', (point) => point.model),
    textColumn('Architecture', (point) => point.architecture),
    ...settings(points),
    ...figures(points),
    { ...textColumn('Rounds', rounds), numeric: true },
  ];
  const body = make('tbody', '');
  const heads = columns.map(({ head, numeric }) => {
    const button = make('button', '', head);
    button.type = 'button';
    const cell = make('th', numeric ? 'numeric' : '', button);
    cell.scope = 'col';
    return cell;
  });
  const fill = (rows: Point[]) =>
    body.replaceChildren(
      ...rows.map((point) => {
        const cells = columns.map(({ numeric, cell }) =>
          make('td', numeric ? 'numeric' : '', ...cell(point)),
        );
        return make('tr', '', ...cells);
      }),
    );
  heads.forEach((head, i) => {
    head.firstElementChild!.addEventListener('click', () => {
      const down = head.ariaSort === 'ascending';
      for (const other of heads) other.ariaSort = null;
      head.ariaSort = down ? 'descending' : 'ascending';
      fill(sorted(points, columns[i]!, down));
    });
  });
  fill(points);
  const table = make('table', 'points', make('thead', '', make('tr', '', ...heads)), body);
  const box = make('div', 'scroll', table);
  box.tabIndex = 0;
  box.role = 'region';
  box.ariaLabel = 'All figures';
  const same = sameForAll(points);
  const words = 'Medians of the rounds, below them the quartiles.';
  const sorts = make('span', 'on-screen', ' A click on a head sorts.');
  const alike = same.length ? ` The same for all: ${same.join('; ')}.` : '';
  return make('div', '', make('p', 'note', words, sorts, alike), box);
}
