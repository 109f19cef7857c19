// The figures the report shows, in words: as charts against connections and as columns.

import { bytes, micros, number, percent, short } from './format';
import type { Metric } from './results';

export interface Shown {
  metric: Metric;
  column: string;
  value: (value: number) => string; // with its unit
  title?: string; // of its chart; none: no chart
  note?: string;
  axis?: (value: number) => string;
  logY?: boolean | 'auto';
  like?: Metric; // whose axis it shares
}

const times = (value: number) => number(value);

export const METRICS: Shown[] = [
  {
    metric: 'cpu_us',
    column: 'CPU per request',
    title: 'Server CPU time per request',
    note: 'What a request costs the server: user and system time together. Lower is better.',
    value: micros,
    axis: micros,
    logY: 'auto',
  },
  {
    metric: 'requests_per_second',
    column: 'Requests/s',
    title: 'Requests per second',
    note: 'All connections together. Higher is better.',
    value: (value) => `${short(value)}/s`,
    axis: short,
    logY: 'auto',
  },
  {
    metric: 'p50_us',
    column: 'p50',
    title: 'Latency, the middle (p50)',
    note: 'Half of the answers came within this time. Lower is better.',
    value: micros,
    axis: micros,
    logY: true,
    like: 'p99_us',
  },
  {
    metric: 'p99_us',
    column: 'p99',
    title: 'Latency, the slow ones (p99)',
    note: 'One answer in a hundred took longer. The axis is that of p50.',
    value: micros,
    axis: micros,
    logY: true,
    like: 'p50_us',
  },
  { metric: 'p999_us', column: 'p99.9', value: micros },
  {
    metric: 'system_calls_per_request',
    column: 'System calls per request',
    title: 'System calls per request',
    note: 'Counted in a run of its own, because counting slows the server.',
    value: times,
    axis: short,
    logY: 'auto',
  },
  {
    metric: 'switches',
    column: 'Context switches per request',
    title: 'Context switches per request',
    note: 'How often the kernel took the core from the server or the server gave it up.',
    value: times,
    axis: short,
    logY: 'auto',
  },
  {
    metric: 'memory_bytes_per_connection',
    column: 'Memory per connection',
    title: 'Memory per connection',
    note: 'What one more connection costs the server. Lower is better.',
    value: bytes,
    axis: bytes,
    logY: 'auto',
  },
  {
    metric: 'accepts_per_second',
    column: 'Accepts/s',
    title: 'New connections per second',
    note: 'How fast connections are accepted. Higher is better.',
    value: (value) => `${short(value)}/s`,
    axis: short,
    logY: 'auto',
  },
  { metric: 'waited_for_core_share', column: 'Waited for a core', value: percent },
];
