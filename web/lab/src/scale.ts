// Axes: how far they go and where their marks are. Own rules instead of uPlot's, because one point
// only, or one value only, must make a sensible axis as well.

export interface Extent {
  low: number;
  high: number;
  log: boolean;
}

const LOG_FROM = 25; // the ratio of greatest to smallest from which y is logarithmic

/** `log`: yes, no, or as the values ask for. A logarithmic axis has no place for 0. */
export function extentY(values: number[], log: boolean | 'auto'): Extent {
  const positive = values.filter((value) => value > 0);
  const [low, high] = [Math.min(...positive), Math.max(...positive)];
  const wanted = log === 'auto' ? high / low > LOG_FROM : log;
  if (!positive.length) return { low: 0, high: 1, log: false };
  if (!wanted || positive.length < values.length) return { low: 0, high: high * 1.08, log: false };
  const middle = Math.sqrt(low * high);
  const reach = Math.max(Math.sqrt(high / low) * 1.15, 2);
  return { low: middle / reach, high: middle * reach, log: true };
}

export function extentX(values: number[], log: boolean): Extent {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  if (log && low > 0) {
    const reach = low === high ? 3 : (high / low) ** 0.04;
    return { low: low / reach, high: high * reach, log: true };
  }
  const reach = low === high ? 1 : (high - low) * 0.04;
  return { low: low - reach, high: high + reach, log: false };
}

function linearMarks({ low, high }: Extent, most: number): number[] {
  const rough = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 2.5, 5, 10].find((part) => part * power >= rough)!;
  const marks = [];
  for (let i = Math.ceil(low / step); i * step <= high; i++)
    marks.push(Number((i * step).toPrecision(9)));
  return marks;
}

function logMarks({ low, high }: Extent, most: number): number[] {
  for (const parts of [[1, 2, 3, 5, 7], [1, 2, 5], [1, 3], [1]]) {
    const marks = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
      for (const part of parts) marks.push(Number((part * 10 ** power).toPrecision(6)));
    const inside = marks.filter((mark) => mark >= low && mark <= high);
    if (inside.length <= most) return inside;
  }
  const decades = Math.ceil(Math.log10(high / low) / most);
  const first = Math.ceil(Math.log10(low));
  return Array.from({ length: most }, (_, i) => 10 ** (first + i * decades)).filter(
    (mark) => mark <= high,
  );
}

function binaryMarks({ low, high, log }: Extent, most: number): number[] {
  if (!log) {
    const step = 2 ** Math.ceil(Math.log2((high - low) / most));
    return Array.from({ length: Math.floor(high / step) + 1 }, (_, i) => i * step);
  }
  const factor = 2 ** Math.max(1, Math.ceil(Math.log2(high / low) / most));
  const marks = [];
  for (let mark = 2 ** Math.ceil(Math.log2(low)); mark <= high; mark *= factor) marks.push(mark);
  return marks;
}

export function marksY(extent: Extent, most: number, binary = false): number[] {
  if (binary) return binaryMarks(extent, most);
  return extent.log ? logMarks(extent, most) : linearMarks(extent, most);
}

/** The measured places themselves, without those that would stand in each other's text. */
export function marksX(values: number[], extent: Extent, most: number): number[] {
  const at = (value: number) =>
    extent.log
      ? Math.log(value / extent.low) / Math.log(extent.high / extent.low)
      : (value - extent.low) / (extent.high - extent.low);
  const kept: number[] = [];
  for (const value of [...values].reverse())
    if (!kept.length || at(kept[0]!) - at(value) >= 1 / most) kept.unshift(value);
  return kept;
}
