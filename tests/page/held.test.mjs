// web/src/held.ts against a plain log: however its entries come, what is here is right.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';

const require = createRequire(new URL('../../web/package.json', import.meta.url));
const vite = pathToFileURL(require.resolve('vite').replace('index.cjs', 'dist/node/index.js'));
const { transformWithEsbuild } = await import(vite);
const source = readFileSync(new URL('../../web/src/held.ts', import.meta.url), 'utf8');
const { code } = await transformWithEsbuild(source, 'held.ts', { sourcemap: false });
const { Held } = await import(`data:text/javascript,${encodeURIComponent(code)}`);

/** The same numbers for the same seed (mulberry32). */
function random(seed) {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) % below;
  };
}

/** A log as the server has it: raw entries as they were said, and messages as they are now. */
class Log {
  raw = [];
  now = [];

  say(next) {
    const seq = this.raw.length + 1;
    const target = seq > 1 && next(3) === 0 ? 1 + next(seq - 1) : 0;
    const message = this.now[target - 1];
    const entry = { seq, id: 1, name: 'a', time: seq };
    if (target && message.text !== undefined && message.target === undefined) {
      const removes = next(4) === 0;
      Object.assign(entry, { target }, removes ? { removed: true } : { text: `text ${seq}` });
      if (removes) {
        delete message.text;
        message.removed = true;
      } else {
        Object.assign(message, { text: entry.text, edited: true });
      }
    } else {
      entry.text = `text ${seq}`;
    }
    this.raw.push(entry);
    this.now.push({ ...entry });
    return { ...entry };
  }

  read(from, to) {
    return this.now.slice(from - 1, to).map((entry) => ({ ...entry }));
  }
}

const plain = ({ seq, text, edited, removed }) =>
  JSON.stringify([seq, text ?? null, edited === true && !removed, removed === true]);

function run(seed) {
  const next = random(seed);
  const log = new Log();
  const held = new Held();
  let heard = 0; // the newest number that the page knows of
  const pending = []; // answers on their way
  for (let step = 0; step < 60; step++) {
    const what = next(6);
    if (what < 3) {
      const entry = log.say(next);
      const lost = next(4) === 0;
      heard = entry.seq;
      if (!lost) held.take([entry], entry.seq, entry.seq);
    } else if (what < 5 && log.raw.length) {
      const from = 1 + next(log.raw.length);
      const to = Math.min(log.raw.length, from + next(8));
      pending.push([log.read(from, to), from, to, heard]);
    } else if (pending.length) {
      held.take(...pending.shift());
    }
  }
  for (const answer of pending) held.take(...answer);
  const before = { from: 1, to: held.oldest - 1 };
  const after = { from: held.newest + 1, to: log.raw.length };
  for (let { from, to } of [before, ...held.gaps(), after]) {
    for (; from <= to; from += 5) {
      const last = Math.min(to, from + 4);
      held.take(log.read(from, last), from, last, heard);
    }
  }
  assert.equal(held.stretches.length, 1, `seed ${seed}: one stretch`);
  const messages = log.now.filter(({ target }) => target === undefined);
  assert.deepEqual(held.stretches[0].list.map(plain), messages.map(plain), `seed ${seed}`);
}

test('2,000 random logs, taken in pieces, twice, late', () => {
  for (let seed = 1; seed <= 2000; seed++) run(seed);
});

test('trimming keeps the newest', () => {
  const held = new Held();
  const say = (seq) => ({ seq, id: 1, name: 'a', time: seq, text: `${seq}` });
  held.take([say(1)], 1, 1);
  held.take([10, 11, 12, 13].map(say), 10, 13);
  assert.deepEqual(held.gaps(), [{ from: 2, to: 9 }]);
  held.trim(2);
  assert.deepEqual(held.stretches.map(({ from, to }) => [from, to]), [[12, 13]]);
});
