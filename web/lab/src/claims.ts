// Claims and what became of them here: a table, with a small chart where there is one.

import { make } from '../../src/dom';
import { Chart, type Series } from './chart';
import { count, listed, number, plural, short } from './format';
import type { Claim, ClaimChart } from './results';
import { COLOURS } from './selection';
import { swatch } from './looks';

const SIGNS: Record<string, string> = {
  holds: '✓',
  'does not hold here': '✗',
  'within noise': '≈',
  'not measured': '–',
};

/** "12 hold, 1 does not hold here and 2 are within the noise." */
function summary(claims: Claim[]): string {
  const parts = [
    ['holds', 'holds', 'hold'],
    ['does not hold here', 'does not hold here', 'do not hold here'],
    ['within noise', 'is within the noise', 'are within the noise'],
    ['not measured', 'was not measured', 'were not measured'],
  ].flatMap(([verdict, one, many]) => {
    const found = claims.filter((claim) => claim.verdict === verdict).length;
    return found ? [plural(found, one!, many)] : [];
  });
  const rule =
    'A claim compares figures within each round; a difference not larger than the distance ' +
    'between the quartiles of its rounds is within the noise.';
  return `${listed(parts)}. ${rule}`;
}

function chartOf(title: string, { xLabel, yLabel, series }: ClaimChart): Chart {
  const named = series.some(({ x }) => x.some((place) => typeof place === 'string'));
  const names = [...new Set(series.flatMap(({ x }) => x.map(String)))];
  const lines: Series[] = series.map(({ name, x, y }, i) => ({
    key: name,
    label: name || `line ${i + 1}`,
    colour: i % COLOURS,
    dash: i,
    marker: i,
    values: new Map(
      x.flatMap((place, at) => {
        const value = y[at];
        if (value === null || value === undefined) return [];
        const where = named ? names.indexOf(String(place)) : Number(place);
        return [[where, { median: value, low: value, high: value }]];
      }),
    ),
  }));
  const places = lines.flatMap(({ values }) => [...values.keys()]);
  const [low, high] = [Math.min(...places), Math.max(...places)];
  return new Chart({
    title,
    note: yLabel ? `Upwards: ${yLabel}.` : '',
    xLabel: xLabel || 'x',
    x: named ? (place) => names[place] ?? '' : (x) => (Number.isInteger(x) ? count(x) : short(x)),
    y: short,
    value: number,
    logX: !named && low > 0 && high / low >= 50,
    logY: 'auto',
    series: lines,
  });
}

function row(claim: Claim): HTMLElement {
  const sign = SIGNS[claim.verdict];
  const kind = sign === undefined ? 'other' : claim.verdict.replace(/ /g, '-');
  const verdict = make('span', `pill ${kind}`, `${sign ?? '?'} ${claim.verdict}`);
  const name = make('th', '', claim.name || '?');
  name.scope = 'row';
  const source = claim.source ? [make('small', '', `Source: ${claim.source}`)] : [];
  const text = claim.text ? [make('small', '', claim.text)] : [];
  return make(
    'tr',
    '',
    name,
    make('td', '', verdict),
    make('td', '', claim.claim, ...source),
    make('td', '', claim.measured || '–', ...text),
  );
}

/** The element, and the charts in it, which are drawn once it is in the page. */
export function claimsPart(claims: Claim[]): { element: HTMLElement; charts: Chart[] } {
  const heads = ['Name', 'Verdict', 'Claim', 'Measured here'].map((head) => {
    const cell = make('th', '', head);
    cell.scope = 'col';
    return cell;
  });
  const body = make('tbody', '', ...claims.map(row));
  const table = make('table', 'claims', make('thead', '', make('tr', '', ...heads)), body);
  const box = make('div', 'scroll', table);
  box.tabIndex = 0;
  box.role = 'region';
  box.ariaLabel = 'Claims';
  const charts: Chart[] = [];
  const grid = make('div', 'charts');
  for (const { name, chart } of claims) {
    if (!chart) continue;
    const one = chartOf(name || '?', chart);
    const key = one.series.map((series) => make('li', '', swatch(series), series.label));
    one.element.insertBefore(make('ul', 'key', ...key), one.element.lastChild);
    charts.push(one);
    grid.append(one.element);
  }
  const note = make('p', 'note', summary(claims));
  return { element: make('div', '', note, box, ...(charts.length ? [grid] : [])), charts };
}
