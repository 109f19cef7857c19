// Numbers and times as people read them.

const plain = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 });
const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

/** Three digits are more than the noise leaves: "1.23", "45.6", "12,345". */
export function number(value: number): string {
  return Math.abs(value) >= 100 ? whole.format(value) : plain.format(value);
}

export function count(value: number): string {
  return whole.format(value);
}

function scaled(value: number, base: number, units: string[]): string {
  let [rest, unit] = [value, 0];
  while (rest >= base * 0.9995 && unit < units.length - 1) {
    rest /= base;
    unit++;
  }
  return `${number(rest)}${units[unit]}`;
}

// With spaces that no line is broken at.
const BYTES = ['B', 'KiB', 'MiB', 'GiB', 'TiB'].map((unit) => `\u00a0${unit}`);
const TIMES = ['µs', 'ms', 's'].map((unit) => `\u00a0${unit}`);

export const short = (value: number) => scaled(value, 1000, ['', 'k', 'M', 'G', 'T']);
export const bytes = (value: number) => scaled(value, 1024, BYTES);
export const micros = (value: number) => scaled(value, 1000, TIMES);
export const percent = (value: number) => `${plain.format(value * 100)}\u00a0%`;

export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** "1.2 – 1.5 ms": a unit that both have is named once. */
export function between(low: number, high: number, show: (value: number) => string): string {
  const [from, to] = [show(low), show(high)];
  const unit = (text: string) => text.replace(/^[\d.,]+/, '');
  const start = unit(from) === unit(to) ? from.slice(0, from.length - unit(from).length) : from;
  return `${start}\u00a0–\u00a0${to}`;
}

const DAY = { day: 'numeric', month: 'long', year: 'numeric', timeZone: 'UTC' } as const;

/** "29 November 2026, 15:30 to 15:41 UTC"; what is no time is shown as it is. */
export function times(from: string, to: string): string {
  const [start, end] = [from, to].map((text) => {
    const at = new Date(text);
    if (Number.isNaN(at.getTime())) return { day: '', clock: text, all: text };
    const [day, clock] = [at.toLocaleDateString('en-GB', DAY), at.toISOString().slice(11, 16)];
    return { day, clock, all: `${day}, ${clock}` };
  });
  const until = end!.day === start!.day ? end!.clock : end!.all;
  return `${start!.all}${to ? ` to ${until}` : ''}${start!.day ? ' UTC' : ''}`;
}

/** "a, b and c" */
export function listed(parts: string[]): string {
  if (parts.length < 2) return parts.join('');
  return `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`;
}
