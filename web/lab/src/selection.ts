// What of the results is on show: the settings chosen on the dials, and the lines (one per model
// and architecture) with the looks that distinguish them without colour, too.

import { bytes, count, short } from './format';
import type { Point } from './results';

export interface Line {
  key: string;
  model: string;
  architecture: string;
  label: string;
  colour: number;
  dash: number;
  marker: number;
  shown: boolean;
}

export interface Dial {
  name: string;
  values: { value: string; label: string }[];
  chosen: string;
}

export const COLOURS = 8;
const SHOWN_AT_FIRST = 8;

const LONGEST_LABEL = 60;

function cut(text: string): string {
  return text.length > LONGEST_LABEL ? `${text.slice(0, LONGEST_LABEL)}…` : text;
}

export const keyOf = (point: Point) => JSON.stringify([point.model, point.architecture]);
export const hasRun = (point: Point) => point.figures.size > 0;
const all = (point: Point) => point.active === null || point.active === point.connections;

function distinct<T>(values: T[]): T[] {
  return [...new Set(values)];
}

// Where polyio is measured beside others, these are the others'.
const FOREIGN = ['peer', 'hand-written'];
const isForeign = (architecture: string) => FOREIGN.includes(architecture);

/**
 * What is shown at first: polyio's lines beside those of others, the line of each model with the
 * least CPU time, then the next best.
 */
function firstShown(points: Point[], keys: string[]): Set<string> {
  const cost = (key: string) => {
    const own = points.filter((point) => keyOf(point) === key);
    const costs = own.map((point) => point.figures.get('cpu_us')?.median ?? Infinity);
    return Math.min(Infinity, ...costs);
  };
  const costs = new Map(keys.map((key) => [key, cost(key)]));
  const order = [...keys].sort((a, b) => costs.get(a)! - costs.get(b)! || 0);
  const models = new Map<string, string>();
  for (const key of order) {
    const [model] = JSON.parse(key) as [string];
    if (!models.has(model)) models.set(model, key);
  }
  const best = new Set(models.values());
  const rest = order.filter((key) => !best.has(key));
  const own = order.filter((key) => !isForeign((JSON.parse(key) as [string, string])[1]));
  const first = own.length < order.length ? own : [];
  return new Set(distinct([...first, ...best, ...rest]).slice(0, SHOWN_AT_FIRST));
}

export function linesOf(points: Point[]): Line[] {
  const ran = points.filter(hasRun);
  const models = distinct(ran.map((point) => point.model));
  const architectures = distinct(ran.map((point) => point.architecture));
  const keys = distinct(ran.map(keyOf));
  const atFirst = firstShown(ran, keys);
  const beside = architectures.some(isForeign);
  return keys.map((key) => {
    const [model, architecture] = JSON.parse(key) as [string, string];
    const [m, a] = [models.indexOf(model), architectures.indexOf(architecture)];
    const main = models.length > 1 ? m : a;
    const named = beside && !isForeign(architecture) ? `polyio ${model}` : model;
    const parts = [
      ...(models.length > 1 || architectures.length === 1 ? [named] : []),
      ...(architectures.length > 1 || models.length === 1 ? [architecture] : []),
    ];
    return {
      key,
      model,
      architecture,
      label: cut(parts.join(' · ')),
      colour: main % COLOURS,
      dash: models.length > 1 && architectures.length > 1 ? a : main,
      marker: main,
      shown: atFirst.has(key),
    };
  });
}

type Setting = { name: string; of: (point: Point) => string; label: (value: string) => string };

const SETTINGS: Setting[] = [
  { name: 'Handler', of: (point) => point.handler, label: (value) => value },
  {
    name: 'Message size',
    of: (point) => String(point.size ?? ''),
    label: (value) => (value ? bytes(Number(value)) : 'not stated'),
  },
  {
    name: 'Requests under way',
    of: (point) => String(point.depth ?? ''),
    label: (value) => (value ? `${count(Number(value))} per connection` : 'not stated'),
  },
  {
    name: 'Active connections',
    of: (point) => (all(point) ? 'all' : String(point.active)),
    label: (value) => (value === 'all' ? 'all' : `${count(Number(value))} at most`),
  },
  {
    name: 'Load',
    of: (point) => String(point.rate ?? 0),
    label: (value) => (value === '0' ? 'as fast as answers come' : `${short(Number(value))}/s`),
  },
];

/** "all" is a choice of its own only where it means more than the largest other one. */
function meansMore(value: string, points: Point[], found: string[]): boolean {
  const others = found.filter((one) => one !== 'all');
  if (value !== 'all' || others.length === 0) return true;
  const largest = Math.max(...others.map(Number));
  return points.some((point) => all(point) && (point.connections ?? 0) > largest);
}

export function dialsOf(points: Point[]): Dial[] {
  const ran = points.filter(hasRun);
  return SETTINGS.map(({ name, of, label }) => {
    const found = ran.map(of);
    const values = distinct(found).filter(
      (value) => name !== 'Active connections' || meansMore(value, ran, found),
    );
    const often = (value: string) => found.filter((one) => one === value).length;
    const chosen = values.reduce((a, b) => (often(b) > often(a) ? b : a), values[0] ?? '');
    return { name, values: values.map((value) => ({ value, label: label(value) })), chosen };
  });
}

/** With few connections, `active: 10` of 10 belongs to both "all" and "10". */
function matches(point: Point, dial: Dial, setting: Setting): boolean {
  if (setting.of(point) === dial.chosen) return true;
  if (setting.name !== 'Active connections' || dial.chosen === 'all' || !all(point)) return false;
  return point.connections !== null && point.connections <= Number(dial.chosen);
}

export function chosenPoints(points: Point[], dials: Dial[]): Point[] {
  return points.filter(
    (point) =>
      hasRun(point) && SETTINGS.every((setting, i) => matches(point, dials[i]!, setting)),
  );
}

/** The settings that have one value only, in words. */
export function sameForAll(points: Point[]): string[] {
  return dialsOf(points)
    .filter(({ values }) => values.length === 1)
    .map(({ name, values }) => `${name.toLowerCase()}: ${values[0]!.label}`);
}
