// The lab's live page: what the server says is shown, and a dial that is turned is sent to it. The
// server has the truth: nothing is shown as turned before it says so.

import 'uplot/dist/uPlot.min.css';
import { Connection, webSocketUrl, type State as Link } from '../../src/connection';
import { byId, make, setText } from '../../src/dom';
import { Chart } from './chart';
import { Dials } from './dials';
import { callsPart, CHARTS, coresWords, machineWords, showTiles } from './figures';
import {
  parse,
  type Figures,
  type FromServer,
  type Hello,
  type Mark,
  type State,
  type ToServer,
  type Trace,
} from './protocol';
import { tracePart } from './trace';

let seconds = 120;
let figures: Figures[] = [];
let marks: Mark[] = [];
let trace: Trace | null = null;
let state: State | null = null;
let charts: Chart[] = [];
let paused = false;

const root = document.documentElement;
const dials = new Dials((dial, value) => turn({ [dial]: value }));
const connection = new Connection<FromServer, ToServer>(webSocketUrl(), {
  state: showLink,
  message: received,
  parse,
  answered: () => true,
});

function turn(dials: ToServer['dials']): void {
  showError('');
  connection.send({ type: 'turn', dials });
}

function received(message: FromServer): void {
  switch (message.type) {
    case 'hello':
      return begin(message);
    case 'state':
      state = message;
      showError('');
      return showState(message);
    case 'figures':
      figures.push(message.figures);
      while (figures[0]!.at < message.figures.at - seconds) figures.shift();
      return showFigures();
    case 'mark':
      marks.push(message.mark);
      while (marks[0]!.at < message.mark.at - seconds) marks.shift();
      return;
    case 'trace':
      trace = message.trace;
      return showTrace();
    case 'error':
      return showError(message.text);
  }
}

function begin(hello: Hello): void {
  ({ figures, marks, seconds } = hello);
  setText(byId('version'), `polyio lab live ${hello.polyio}`);
  const cores = coresWords(hello.server_cores, hello.load_cores);
  setText(byId('machine'), `${machineWords(hello.machine)} · ${cores}`);
  for (const chart of charts) chart.element.remove();
  charts = CHARTS.map((spec) => new Chart(spec, seconds));
  byId('charts').replaceChildren(...charts.map(({ element }) => element));
  for (const chart of charts) chart.show(figures, marks);
  draw();
}

const PHASES = {
  starting: 'The server starts',
  connecting: 'The load connects',
  running: 'Running',
  failed: 'It failed',
};

function showState(now: State): void {
  if (connection.connected) showPhase(now.phase, PHASES[now.phase]);
  setText(byId('says-text'), now.says);
  byId('says').classList.toggle('bad', now.phase === 'failed');
  byId('again').hidden = now.phase !== 'failed';
  dials.show(now.dials, now.position);
  byId('calls').replaceChildren(callsPart(now.calls, now.doing));
  showTiles(sinceTurn(), now);
  if (!trace) showTrace();
}

/** The figures since the dials were turned the last time. */
function sinceTurn(): Figures[] {
  const turned = marks.at(-1)?.at ?? 0;
  return figures.filter(({ at }) => at > turned);
}

function showFigures(): void {
  if (state) showTiles(sinceTurn(), state);
  if (paused || document.hidden) return;
  for (const chart of charts) chart.show(figures, marks);
}

function showTrace(): void {
  const place = byId('trace');
  place.replaceChildren(tracePart(trace, state?.doing ?? '', place.clientWidth - 36));
}

function showPhase(phase: string, words: string): void {
  byId('phase').dataset['phase'] = phase;
  setText(byId('phase'), words);
}

function showError(text: string): void {
  byId('alert').hidden = text === '';
  setText(byId('alert'), text);
}

function showLink(link: Link): void {
  const waiting = link.name === 'waiting';
  byId('banner').hidden = !waiting;
  root.classList.toggle('lost', link.name !== 'connected');
  if (link.name === 'connecting') showPhase('connecting', 'Connecting…');
  if (!waiting) return;
  showPhase('lost', 'Connection lost');
  setText(byId('banner-text'), 'The connection to polyio lab live is lost: has it ended?');
  setText(byId('countdown'), `Trying again in ${link.seconds} s.`);
}

function draw(): void {
  for (const chart of charts) chart.draw();
  showTrace();
}

byId('again').addEventListener('click', () => turn({}));
byId('retry').addEventListener('click', () => connection.connectNow());
byId('pause').addEventListener('click', () => {
  paused = !paused;
  byId('pause').ariaPressed = String(paused);
  setText(byId('pause'), paused ? 'Go on with the charts' : 'Pause the charts');
  showFigures();
});
document.addEventListener('visibilitychange', showFigures);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
let width = root.clientWidth;
new ResizeObserver(() => {
  if (root.clientWidth === width) return;
  width = root.clientWidth;
  draw();
}).observe(document.body);
byId('charts').append(make('p', 'note', 'They come with the first figures.'));
connection.connectNow();
