// results.json as the report uses it. It may come from anywhere: what has another type than it
// should is taken as not measured, texts and lists are cut at a length, and nothing here throws.

export interface Range {
  median: number;
  low: number;
  high: number;
}

/** A figure of a point: the name it has in `medians`, or a sum the page makes itself. */
export type Metric =
  | 'requests_per_second'
  | 'cpu_us'
  | 'cpu_user_us'
  | 'cpu_system_us'
  | 'p50_us'
  | 'p99_us'
  | 'p999_us'
  | 'switches'
  | 'switches_voluntary'
  | 'switches_involuntary'
  | 'memory_bytes_per_connection'
  | 'accepts_per_second'
  | 'waited_for_core_share'
  | 'system_calls_per_request';

export interface Point {
  model: string;
  architecture: string;
  handler: string;
  connections: number | null;
  active: number | null;
  size: number | null;
  depth: number | null;
  rate: number | null;
  leftOut: string | null;
  rounds: number; // that gave figures
  errors: { round: number | null; text: string }[];
  calls: [string, number][]; // system calls per request by name; empty: not counted
  figures: Map<Metric, Range>;
}

export interface Verdict {
  question: string;
  answer: string;
  text: string;
  withinNoise: boolean;
}

export interface ClaimChart {
  xLabel: string;
  yLabel: string;
  series: { name: string; x: (number | string)[]; y: (number | null)[] }[];
}

export interface Claim {
  name: string;
  claim: string;
  source: string;
  measured: string;
  verdict: string;
  text: string;
  chart: ClaimChart | null;
}

export interface Trace {
  models: { call: string; model: string; sentence: string }[];
  svg: string; // empty: there is none
}

export interface Results {
  schema: number | null;
  polyio: string;
  command: string;
  started: string;
  finished: string;
  complete: boolean;
  machine: Fields;
  settings: Fields;
  points: Point[];
  verdicts: Verdict[];
  claims: Claim[];
  trace: Trace | null;
  waited: number; // the share of the time in which the claims' servers waited for a core
}

const LONGEST = 2000; // characters of a text
const LARGEST = 8_000_000; // of a figure
const MOST = 20_000; // members of a list
const GREATEST = 1e15;
const LEAST = 1e-9; // less is 0

/** An object of unknown content. */
export class Fields {
  private readonly content: Record<string, unknown>;

  constructor(value: unknown) {
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    this.content = isObject ? (value as Record<string, unknown>) : {};
  }

  private get(name: string): unknown {
    return Object.hasOwn(this.content, name) ? this.content[name] : undefined;
  }

  number(name: string): number | null {
    return asNumber(this.get(name));
  }

  text(name: string): string {
    return asText(this.get(name));
  }

  /** A figure as SVG; empty: none, or too large. */
  svg(name: string): string {
    const text = this.get(name);
    const is = typeof text === 'string' && text.startsWith('<svg ') && text.length <= LARGEST;
    return is ? text : '';
  }

  is(name: string): boolean {
    return this.get(name) === true;
  }

  list(name: string): unknown[] {
    const value = this.get(name);
    return Array.isArray(value) ? value.slice(0, MOST) : [];
  }

  fields(name: string): Fields {
    return new Fields(this.get(name));
  }

  has(name: string): boolean {
    return this.get(name) !== undefined && this.get(name) !== null;
  }

  numbers(): [string, number][] {
    return Object.entries(this.content).flatMap(([name, value]) => {
      const number = asNumber(value);
      return number === null ? [] : [[asText(name), number] as [string, number]];
    });
  }
}

function asNumber(value: unknown): number | null {
  if (typeof value !== 'number' || !(Math.abs(value) <= GREATEST)) return null;
  return Math.abs(value) < LEAST ? 0 : value;
}

function asText(value: unknown): string {
  const text = typeof value === 'number' ? String(value) : value;
  if (typeof text !== 'string') return '';
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}

function quantile(sorted: number[], share: number): number {
  const place = (sorted.length - 1) * share;
  const [below, above] = [sorted[Math.floor(place)] ?? 0, sorted[Math.ceil(place)] ?? 0];
  return below + (above - below) * (place - Math.floor(place));
}

function rangeOf(values: (number | null)[]): Range | null {
  const sorted = values.filter((value) => value !== null).sort((a, b) => a - b);
  if (!sorted.length) return null;
  const [low, median, high] = [0.25, 0.5, 0.75].map((share) => quantile(sorted, share));
  return { low: low!, median: median!, high: high! };
}

const sum = (a: number | null, b: number | null) => (a === null || b === null ? null : a + b);

// How a metric is read from one run.
const FROM_RUN: Partial<Record<Metric, (run: Fields) => number | null>> = {
  cpu_us: (run) => sum(run.number('cpu_user_us'), run.number('cpu_system_us')),
  p50_us: (run) => run.fields('latency_us').number('p50'),
  p99_us: (run) => run.fields('latency_us').number('p99'),
  p999_us: (run) => run.fields('latency_us').number('p999'),
  switches: (run) => sum(run.number('switches_voluntary'), run.number('switches_involuntary')),
};

const OF_RUNS: Metric[] = [
  'requests_per_second',
  'cpu_us',
  'cpu_user_us',
  'cpu_system_us',
  'p50_us',
  'p99_us',
  'p999_us',
  'switches',
  'switches_voluntary',
  'switches_involuntary',
  'memory_bytes_per_connection',
  'accepts_per_second',
  'waited_for_core_share',
];

/** The figure as the lab worked it out, or else from the runs. Negative is no figure. */
function figure(metric: Metric, medians: Fields, runs: Fields[]): Range | null {
  const given = medians.fields(metric);
  const median = given.number('median') ?? medians.number(metric);
  const low = given.number('low') ?? median;
  const high = given.number('high') ?? median;
  const read = FROM_RUN[metric] ?? ((run: Fields) => run.number(metric));
  const range =
    median !== null && low !== null && high !== null
      ? { median, low: Math.min(low, median), high: Math.max(high, median) }
      : rangeOf(runs.map(read));
  return range && range.low >= 0 ? range : null;
}

function readPoint(value: unknown): Point {
  const point = new Fields(value);
  const runs = point.list('runs').map((run) => new Fields(run));
  const good = runs.filter((run) => !run.has('error'));
  const figures = new Map<Metric, Range>();
  const leftOut = point.has('left_out') ? point.text('left_out') || 'no reason given' : null;
  for (const metric of leftOut === null ? OF_RUNS : []) {
    const range = figure(metric, point.fields('medians'), good);
    if (range) figures.set(metric, range);
  }
  const calls = point.number('system_calls_per_request');
  if (calls !== null && calls >= 0 && leftOut === null)
    figures.set('system_calls_per_request', { median: calls, low: calls, high: calls });
  return {
    model: point.text('model') || '?',
    architecture: point.text('architecture') || '?',
    handler: point.text('handler') || '?',
    connections: point.number('connections'),
    active: point.number('active'),
    size: point.number('size'),
    depth: point.number('depth'),
    rate: point.number('rate'),
    leftOut,
    rounds: good.length,
    errors: runs
      .filter((run) => run.has('error'))
      .map((run) => ({ round: run.number('round'), text: run.text('error') || 'no reason given' })),
    calls: point
      .fields('system_calls')
      .numbers()
      .filter(([, count]) => count > 0),
    figures,
  };
}

function readChart(chart: Fields): ClaimChart | null {
  const series = chart.list('series').map((value) => {
    const one = new Fields(value);
    const y = one.list('y').map(asNumber);
    const x = one.list('x').map((place) => asNumber(place) ?? asText(place));
    return { name: one.text('name'), x: x.slice(0, y.length), y: y.slice(0, x.length) };
  });
  const some = series.filter(({ y }) => y.some((value) => value !== null));
  if (!some.length) return null;
  return { xLabel: chart.text('x_label'), yLabel: chart.text('y_label'), series: some };
}

function readClaim(value: unknown): Claim {
  const claim = new Fields(value);
  return {
    name: claim.text('name'),
    claim: claim.text('claim'),
    source: claim.text('source'),
    measured: claim.text('measured'),
    verdict: claim.text('verdict') || 'not measured',
    text: claim.text('text'),
    chart: readChart(claim.fields('chart')),
  };
}

function readTrace(all: Fields): Trace | null {
  const models = all
    .fields('trace')
    .list('models')
    .map((value) => {
      const one = new Fields(value);
      const sentence = one.has('left_out')
        ? `not traced: ${one.text('left_out')}`
        : one.text('sentence');
      return { call: one.text('call') || '?', model: one.text('model') || '?', sentence };
    });
  return models.length ? { models, svg: all.svg('svg') } : null;
}

export function readResults(value: unknown): Results {
  const all = new Fields(value);
  return {
    schema: all.number('schema'),
    polyio: all.text('polyio'),
    command: all.text('command'),
    started: all.text('started'),
    finished: all.text('finished'),
    complete: all.is('complete'),
    machine: all.fields('machine'),
    settings: all.fields('settings'),
    points: all.list('points').map(readPoint),
    verdicts: all.list('verdicts').map((value) => {
      const verdict = new Fields(value);
      return {
        question: verdict.text('question'),
        answer: verdict.text('answer'),
        text: verdict.text('text'),
        withinNoise: verdict.is('within_noise'),
      };
    }),
    claims: all.list('claims').map(readClaim),
    trace: readTrace(all),
    waited: all.number('waited_for_core_share') ?? 0,
  };
}
