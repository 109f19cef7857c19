// What the report says in words: the machine, the verdicts, what failed or was left out, and how it
// was measured.

import { make } from '../../src/dom';
import { bytes, count, listed, number, percent, plural, times } from './format';
import type { Point, Results } from './results';
import { hasRun } from './selection';

const BUSY = 0.02; // from here on, waiting for a core makes figures doubtful

export function machineLine({ machine }: Results): string {
  const cores = machine.number('cores');
  const memory = machine.number('memory_bytes');
  const virtual = machine.text('virtual');
  const parts = [
    machine.text('processor'),
    cores === null ? '' : plural(cores, 'core'),
    memory === null ? '' : `${bytes(memory)} of memory`,
    machine.text('system'),
    machine.text('kernel'),
    virtual && `a virtual machine (${virtual})`,
  ];
  return parts.filter(Boolean).join(' · ') || 'The machine is not described.';
}

export function whenLine({ started, finished, polyio }: Results): string {
  const parts = [started && `Measured ${times(started, finished)}`, polyio && `polyio ${polyio}`];
  return parts.filter(Boolean).join(' · ');
}

export function incomplete({ points }: Results): HTMLElement {
  const asked = points.filter((point) => point.leftOut === null);
  const done = asked.filter(hasRun).length;
  return make(
    'p',
    'box warn',
    make('strong', '', 'Not finished: '),
    `the measurement was stopped. ${count(done)} of ${plural(asked.length, 'combination')} have ` +
      'figures, some of them perhaps from fewer rounds. The same command with --resume goes on.',
  );
}

export function verdicts(results: Results): HTMLElement {
  const cards = results.verdicts.map(({ question, answer, text, withinNoise }) => {
    const card = make('article', 'verdict', make('h3', '', question || 'Which is best?'));
    card.append(make('p', 'answer', answer || 'no answer'));
    if (withinNoise) card.append(make('p', 'pill', '≈ within the noise: no real difference'));
    if (text) card.append(make('p', '', text));
    return card;
  });
  if (cards.length) return make('div', 'verdicts', ...cards);
  return make('p', 'note', 'There is no verdict: too little was measured to compare.');
}

function combination({ model, architecture, handler, connections }: Point): string {
  const at = connections === null ? '' : `, ${plural(connections, 'connection')}`;
  return `${model} · ${architecture}${at}${handler === 'echo' ? '' : `, ${handler}`}`;
}

interface Trouble {
  reason: string;
  points: Point[];
}

/** Combinations with the same reason together, the most frequent reason first. */
function byReason(found: { reason: string; point: Point }[]): Trouble[] {
  const groups = new Map<string, Set<Point>>();
  for (const { reason, point } of found)
    groups.set(reason, (groups.get(reason) ?? new Set()).add(point));
  return [...groups]
    .map(([reason, points]) => ({ reason, points: [...points] }))
    .sort((a, b) => b.points.length - a.points.length);
}

/**
 * "select · loop: 1,000 and 10,000 connections" where only the connections differ, and no number
 * where it is all that were asked for.
 */
function combinations(points: Point[], all: Point[]): string[] {
  const keyOf = ({ model, architecture, handler }: Point) =>
    JSON.stringify([model, architecture, handler]);
  const places = (some: Point[]) => new Set(some.map(({ connections }) => connections ?? 0));
  const groups = new Map<string, Point[]>();
  for (const point of points) {
    const key = keyOf(point);
    groups.set(key, [...(groups.get(key) ?? []), point]);
  }
  return [...groups].map(([key, group]) => {
    const at = [...places(group)].sort((a, b) => a - b);
    if (at.length === 1) return combination(group[0]!);
    const name = combination({ ...group[0]!, connections: null });
    if (at.length === places(all.filter((point) => keyOf(point) === key)).size) return name;
    return `${name}: ${listed(at.map(count))} connections`;
  });
}

function reasons(troubles: Trouble[], all: Point[]): HTMLElement {
  const items = troubles.map(({ reason, points }) => {
    const names = combinations(points, all).map((name) => make('li', '', name));
    return make('li', '', make('strong', '', reason), make('ul', 'names', ...names));
  });
  return make('ul', 'reasons', ...items);
}

/** Null if all that was asked for went well. */
export function troubles({ points }: Results): HTMLElement | null {
  const left = points.flatMap((point) =>
    point.leftOut === null ? [] : [{ reason: point.leftOut, point }],
  );
  const failed = points.flatMap((point) =>
    point.errors.map(({ text }) => ({ reason: text, point })),
  );
  const missing = points
    .filter((point) => point.leftOut === null && !hasRun(point) && !point.errors.length)
    .map((point) => ({ reason: 'not run yet', point }));
  if (!left.length && !failed.length && !missing.length) return null;
  const part = (title: string, found: { reason: string; point: Point }[]) =>
    found.length ? [make('h3', '', title), reasons(byReason(found), points)] : [];
  return make(
    'div',
    '',
    ...part('Rounds that failed', failed),
    ...part('Left out', left),
    ...part('Not measured', missing),
  );
}

function waited({ points }: Results): string {
  const shares = points
    .flatMap((point) => {
      const share = point.figures.get('waited_for_core_share')?.median;
      return share === undefined ? [] : [{ share, point }];
    })
    .sort((a, b) => b.share - a.share);
  if (!shares.length) return 'Whether something else wanted the cores was not measured.';
  const [worst] = shares;
  const busy = shares.filter(({ share }) => share > BUSY).length;
  const most = `at most ${percent(worst!.share)} of the time (${combination(worst!.point)})`;
  const head = `Server or load were ready to run but had to wait for a core ${most}.`;
  if (!busy) return `${head} That is little: nothing else was in the way.`;
  return (
    `${head} In ${plural(busy, 'combination')} it was more than ${percent(BUSY)}: there the ` +
    'machine was busy with something else, or the server had more threads than cores. Take those ' +
    'figures with care.'
  );
}

function coresOf(list: unknown[]): string {
  const cores = list.filter((core) => typeof core === 'number').map(String);
  if (!cores.length) return 'on cores of the kernel’s choice';
  return `on core${cores.length > 1 ? 's' : ''} ${listed(cores)}`;
}

function rounds({ settings, points }: Results): string {
  const given = settings.number('rounds') ?? Math.max(0, ...points.map((point) => point.rounds));
  const seconds = settings.number('seconds');
  const warmup = settings.number('warmup');
  const long = seconds === null ? '' : ` of ${number(seconds)} s`;
  const warm = warmup ? `, each after ${number(warmup)} s of warming up` : '';
  return (
    `${plural(given, 'round')}${long} per combination${warm}; within a round all combinations ` +
    `take turns, in random order.${settings.is('quick') ? ' This was a quick run.' : ''}`
  );
}

export function howMeasured(results: Results): HTMLElement {
  const { settings, points, command } = results;
  const server = coresOf(settings.list('server_cores'));
  const load = coresOf(settings.list('load_cores'));
  const open = points.some(({ rate }) => rate);
  const items = [
    `Each server was a process of its own ${server}; the load came from another process ${load}.`,
    rounds(results),
    'A point is the median of its rounds. The whiskers at it and the small figures in the table ' +
      'are the quartiles: half of the rounds lie between them. Where the whiskers of two lines ' +
      'overlap, the difference may be chance.',
    'CPU time is what the kernel counted for the server’s processes and threads, divided by the ' +
      'requests that were answered. It depends less on the load and on the network than requests ' +
      'per second do.',
    open
      ? 'Load with a fixed rate: an answer’s time counts from when its request was due, so a ' +
        'stall is seen in full. Load without one: a connection asks again once its answer is there.'
      : 'A connection asks again once its answer is there: a server that stalls is also asked ' +
        'less, so the slowest answers look rarer than under a fixed rate (--rate).',
    waited(results),
  ];
  const list = make('ul', '', ...items.map((item) => make('li', '', item)));
  const box = make('div', '', list);
  if (command) box.append(make('p', '', 'The command: ', make('code', '', command)));
  return box;
}
