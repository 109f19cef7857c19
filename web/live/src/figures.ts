// What is shown of the figures: the row of the present ones, and the charts.

import { byId, make, setText } from '../../src/dom';
import { bytes, count, micros, number, percent, plural, short } from '../../lab/src/format';
import type { ChartSpec } from './chart';
import type { Calls, Figures, State } from './protocol';

const perSecond = (value: number) => `${short(value)}/s`;

export const CHARTS: ChartSpec[] = [
  {
    title: 'Requests per second',
    note: 'All connections together.',
    axis: short,
    value: perSecond,
    lines: [{ label: 'requests', value: ({ requests }) => requests }],
  },
  {
    title: 'Latency',
    note: 'Half of the answers came within p50; one in a hundred took longer than p99.',
    axis: micros,
    value: micros,
    log: true,
    lines: [
      { label: 'p50', value: ({ p50 }) => p50 },
      { label: 'p99', value: ({ p99 }) => p99 },
    ],
  },
  {
    title: 'Server CPU time per request',
    note: 'User and system time of all its threads and processes.',
    axis: micros,
    value: micros,
    lines: [{ label: 'CPU', value: ({ cpu_us }) => cpu_us }],
  },
  {
    title: 'Share of a core',
    note: 'Where the load needs a whole one, it can ask for no more.',
    axis: percent,
    value: percent,
    lines: [
      { label: 'server', value: ({ server_share }) => server_share },
      { label: 'load', value: ({ load_share }) => load_share },
    ],
  },
  {
    title: 'Context switches per request',
    note: 'The server gave up its core, or lost it.',
    axis: short,
    value: number,
    lines: [{ label: 'switches', value: ({ switches }) => switches }],
  },
  {
    title: 'Memory of the server',
    note: 'What its processes have written to and share with none.',
    axis: bytes,
    value: bytes,
    binary: true,
    lines: [{ label: 'memory', value: ({ memory }) => memory }],
  },
];

type Tile = [label: string, value: string, note: string];
type Known = number | null | undefined;

const shown = (value: Known, show: (value: number) => string) =>
  value === null || value === undefined ? '–' : show(value);

/** The latest figure of a kind that is not read every time. */
function latest(figures: Figures[], value: (one: Figures) => Known): Known {
  for (const one of [...figures].reverse().slice(0, 40)) {
    const known = value(one);
    if (known !== null && known !== undefined) return known;
  }
  return null;
}

function callsTile(state: State): Tile {
  const { calls, doing } = state;
  const name = 'System calls per request';
  if (!calls) return [name, '–', doing ? `${doing}…` : 'counted after a turn'];
  if ('error' in calls) return [name, '–', 'not counted: see below'];
  return [name, number(calls.system_calls_per_request), `counted at ${calls.counted_at}`];
}

/** `figures`: those since the dials were turned. */
export function showTiles(figures: Figures[], state: State): void {
  const now = figures.at(-1);
  const tiles: Tile[] = [
    ['Requests per second', shown(now?.requests, short), ''],
    ['Latency, p50', shown(now?.p50, micros), ''],
    ['Latency, p99', shown(now?.p99, micros), `longest ${shown(now?.max, micros)}`],
    ['CPU per request', shown(latest(figures, (one) => one.cpu_us), micros), 'of the server'],
    [
      'Share of a core',
      shown(latest(figures, (one) => one.server_share), percent),
      `the load ${shown(now?.load_share, percent)}`,
    ],
    callsTile(state),
    ['Context switches', shown(latest(figures, (one) => one.switches), number), 'per request'],
    ['Memory', shown(latest(figures, (one) => one.memory), bytes), 'of the server'],
  ];
  const list = byId('tiles');
  if (list.childElementCount !== tiles.length) {
    list.replaceChildren(
      ...tiles.map(([label]) =>
        make('div', 'tile', make('dt', '', label), make('dd', ''), make('dd', 'note')),
      ),
    );
  }
  tiles.forEach(([, value, note], i) => {
    const [, big, small] = list.children[i]!.children as unknown as HTMLElement[];
    setText(big!, value);
    setText(small!, note);
  });
}

export function callsPart(calls: Calls | null, doing: string): HTMLElement {
  if (!calls) {
    const later = 'They are counted when the load has run for a while.';
    const waits = doing ? 'They are being counted…' : later;
    return make('p', 'note', waits);
  }
  if ('error' in calls) return make('p', 'box warn', `They were not counted: ${calls.error}`);
  const all = Object.entries(calls.system_calls).sort(([, a], [, b]) => b - a);
  const most = Math.max(...all.map(([, times]) => times));
  const rows = all.map(([name, times]) => {
    const bar = make('span', 'bar');
    bar.style.width = `${(times / most) * 100}%`;
    const head = make('th', '', name);
    head.scope = 'row';
    return make('tr', '', head, make('td', 'strip', bar), make('td', 'figure', number(times)));
  });
  const words =
    `Counted at ${calls.counted_at}, by ptrace(2), in a run of its own, because counting slows ` +
    `the server down: ${number(calls.system_calls_per_request)} per request.`;
  const table = make('table', 'calls', make('tbody', '', ...rows));
  return make('div', 'chart', make('p', 'note', words), table);
}

export function machineWords(machine: Record<string, unknown>): string {
  const memory = Number(machine['memory_bytes']);
  const parts = [
    String(machine['processor'] ?? ''),
    plural(Number(machine['cores'] ?? 0), 'core'),
    memory > 0 ? `${bytes(memory)} of memory` : '',
    String(machine['kernel'] ?? ''),
  ];
  return parts.filter(Boolean).join(' · ');
}

export const coresWords = (server: number[], load: number[]) =>
  `server on core ${server.join(', ')}, load on core ${load.map(count).join(', ')}`;
