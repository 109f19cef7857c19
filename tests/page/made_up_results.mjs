// Results as `polyio lab run` writes them, but MADE UP: the figures come from formulas, nothing
// here was ever measured. `node tests/page/made_up_results.mjs` prints them as results.json.

import { fileURLToPath } from 'node:url';

const CONNECTIONS = [1, 10, 100, 1000, 10000];

// µs per request at one connection, what many connections add, system calls by name.
const MODELS = {
  io_uring: [7.2, 0.1, { io_uring_enter: 1.02 }],
  epoll: [8.4, 0.25, { recvfrom: 1, sendto: 1, epoll_wait: 0.4 }],
  'epoll-et': [8.2, 0.24, { recvfrom: 1.4, sendto: 1, epoll_wait: 0.4 }],
  poll: [8.6, 40, { recvfrom: 1, sendto: 1, poll: 0.5 }],
  select: [9.1, 90, { recvfrom: 1, sendto: 1, select: 0.5 }],
  nonblocking: [21, 160, { recvfrom: 4.3, sendto: 1 }],
  blocking: [11, 0.9, { recvfrom: 1, sendto: 1 }],
  'posix-aio': [31, 2, { recvfrom: 1, sendto: 1, futex: 6.5, rt_sigtimedwait: 1, tgkill: 0.8 }],
};
const ARCHITECTURES = {
  loop: [1, 1500],
  loops: [1.12, 1700],
  prefork: [1.2, 2100],
  'thread-per-connection': [1.45, 14000],
};

// The same noise at every start.
function noise(seed) {
  let state = seed;
  return () => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return state / 2147483648 - 0.5;
  };
}

function why(model, architecture, connections) {
  const threads = architecture === 'thread-per-connection';
  if (model === 'blocking' && !threads)
    return 'one blocking call would hold up all connections of the loop';
  if (threads && !['blocking', 'epoll'].includes(model))
    return 'each of its threads or processes would burn a core';
  if (model === 'select' && connections > 1000) return 'select has room for 1,024 descriptors';
  return null;
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share) => {
    const place = (sorted.length - 1) * share;
    const low = sorted[Math.floor(place)];
    return low + (sorted[Math.ceil(place)] - low) * (place % 1);
  };
  return { median: at(0.5), low: at(0.25), high: at(0.75) };
}

function run(round, cpu, architecture, connections, memory, random) {
  const wobble = () => 1 + 0.12 * random();
  const accepts = architecture === 'loop' ? 52e3 : 31e3;
  const rate = (0.93e6 / cpu / (connections < 10 ? 3 : 1)) * wobble();
  const p50 = (connections / rate) * 1e6 * wobble();
  const p99 = p50 * (2.1 + random()) + 40;
  return {
    round,
    requests_per_second: rate,
    cpu_user_us: cpu * 0.24 * wobble(),
    cpu_system_us: cpu * 0.76 * wobble(),
    latency_us: { p50, p90: p50 * 1.6, p99, p999: p99 * 1.8, max: p99 * 4 },
    switches_voluntary: (connections < 10 ? 1 : 8 / connections) * wobble(),
    switches_involuntary: 0.004 * wobble(),
    memory_bytes_per_connection: connections < 100 ? null : memory * wobble(),
    accepts_per_second: connections < 100 ? null : accepts * wobble(),
    waited_for_core_share: 0.004 + 0.004 * random(),
  };
}

function medians(runs) {
  const of = (read) => {
    const values = runs.map(read).filter((value) => value !== null);
    return values.length ? median(values) : null;
  };
  return {
    requests_per_second: of((one) => one.requests_per_second),
    cpu_us: of((one) => one.cpu_user_us + one.cpu_system_us),
    cpu_user_us: of((one) => one.cpu_user_us),
    cpu_system_us: of((one) => one.cpu_system_us),
    p50_us: of((one) => one.latency_us.p50),
    p99_us: of((one) => one.latency_us.p99),
    p999_us: of((one) => one.latency_us.p999),
    switches_voluntary: of((one) => one.switches_voluntary),
    switches_involuntary: of((one) => one.switches_involuntary),
    memory_bytes_per_connection: of((one) => one.memory_bytes_per_connection),
    accepts_per_second: of((one) => one.accepts_per_second),
    waited_for_core_share: of((one) => one.waited_for_core_share),
  };
}

export function point(model, architecture, connections, more = {}) {
  const [base, many, calls] = MODELS[model] ?? [10, 1, { recvfrom: 1, sendto: 1 }];
  const [factor, memory] = ARCHITECTURES[architecture] ?? [1, 2000];
  const asked = { model, architecture, handler: 'echo', connections, active: connections, size: 64,
    depth: 1, rate: 0, ...more };
  const reason = why(model, architecture, connections);
  if (reason) return { ...asked, left_out: reason, runs: [] };
  const random = noise(connections * 31 + model.length * 7 + architecture.length + asked.size);
  const work = asked.handler.startsWith('cpu') ? 200 : 0;
  const batch = connections >= 10 ? 0.62 : 1;
  const cpu = base * factor * batch + (many * connections) / 1000 + work + asked.size / 900;
  const runs = [1, 2, 3].map((round) => run(round, cpu, architecture, connections, memory, random));
  return {
    ...asked,
    runs,
    system_calls_per_request: Object.values(calls).reduce((a, b) => a + b, 0),
    system_calls: calls,
    medians: medians(runs),
  };
}

const VERDICTS = [
  {
    question: 'Which model answers with the least CPU at 1 connection?',
    answer: 'io_uring',
    text:
      'io_uring needs 7.3 µs per request, epoll-et 8.3: 12 % less, ' +
      'where the rounds differ by 3 %.',
    within_noise: false,
  },
  {
    question: 'Which model answers with the least CPU at 10,000 connections?',
    answer: 'io_uring',
    text:
      'io_uring needs 5.5 µs per request, epoll 7.7: 29 % less, ' +
      'where the rounds differ by 4 %.',
    within_noise: false,
  },
  {
    question: 'Edge-triggered or level-triggered epoll at 1,000 connections?',
    answer: 'either',
    text: 'epoll-et 5.4 µs, epoll 5.5 µs: 2 % apart, and the rounds differ by 4 %.',
    within_noise: true,
  },
];

export const CLAIMS = [
  {
    name: 'poll-grows',
    claim: 'The cost of poll grows with the connections it watches, that of epoll does not.',
    source: 'Banga, Mogul, Druschel 1999 (made up for this test)',
    measured: 'poll 8.6 → 405 µs, epoll 8.4 → 7.7 µs',
    verdict: 'holds',
    text: '1 to 10,000 connections, one of a hundred active.',
    chart: {
      x_label: 'connections',
      y_label: 'µs per request',
      series: [
        { name: 'poll', x: CONNECTIONS, y: [8.6, 5.7, 9.3, 45, 405] },
        { name: 'epoll', x: CONNECTIONS, y: [8.4, 5.2, 5.2, 5.5, 7.7] },
      ],
    },
  },
  { name: 'threads-slow', claim: 'Threads cost more than a loop.', source: '', measured: '+1 %',
    verdict: 'within noise', text: '' },
  { name: 'fork-cheap', claim: 'fork costs nothing.', source: 'folklore', measured: '180 µs',
    verdict: 'does not hold here', text: '' },
  { name: 'gil', claim: 'Python threads share one core.', source: 'docs.python.org', measured: '',
    verdict: 'not measured', text: 'python3 is not installed.',
    chart: { x_label: 'workers', y_label: 's',
      series: [{ name: 'threads', x: ['one', 'two'], y: [2.1, null] }] } },
];

export function results(points, more = {}) {
  return {
    schema: 1,
    polyio: '0.1.0',
    command: 'polyio lab run --quick --out made-up',
    started: '2026-11-29T15:30:00Z',
    finished: '2026-11-29T15:41:00Z',
    complete: true,
    machine: {
      processor: 'Made-up Processor 3000 @ 2.9 GHz', cores: 2, memory_bytes: 4 * 2 ** 30,
      kernel: 'Linux 6.18.0', system: 'Debian GNU/Linux 12', virtual: 'kvm', descriptors: 20000,
    },
    settings: {
      quick: true, rounds: 3, seconds: 1, warmup: 0.3, server_cores: [0], load_cores: [1],
    },
    points,
    verdicts: VERDICTS,
    ...more,
  };
}

/** All models and architectures, two handlers, two sizes, one failed round, one failed point. */
export function full() {
  const points = [];
  for (const model of Object.keys(MODELS))
    for (const architecture of Object.keys(ARCHITECTURES))
      for (const connections of CONNECTIONS) points.push(point(model, architecture, connections));
  for (const model of ['epoll', 'io_uring', 'poll'])
    for (const connections of CONNECTIONS) {
      points.push(point(model, 'loop', connections, { handler: 'cpu:200us' }));
      points.push(point(model, 'loop', connections, { size: 16384 }));
    }
  const failed = points.find((one) => one.model === 'posix-aio' && one.connections === 10000);
  failed.runs = [1, 2, 3].map((round) => ({ round, error: 'the server ended with signal 11' }));
  Object.assign(failed, { medians: null, system_calls: null, system_calls_per_request: null });
  points[3].runs[2] = { round: 3, error: 'an answer was wrong: byte 12 of 64' };
  return results(points, { claims: CLAIMS });
}

/** A small one: two models and architectures, and the claims. */
export function brief() {
  const points = ['io_uring', 'epoll'].flatMap((model) =>
    ['loop', 'prefork'].flatMap((architecture) =>
      [1, 100, 10000].map((connections) => point(model, architecture, connections)),
    ),
  );
  points[1].runs[2] = { round: 3, error: 'an answer was wrong: byte 12 of 64' };
  return results([...points, point('blocking', 'loop', 1)], { claims: CLAIMS });
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  console.log(JSON.stringify(full(), null, 1));
