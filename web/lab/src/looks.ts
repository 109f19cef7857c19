// The looks of a line, the same in the legend and in every chart: colour, dashes and a marker, so
// that each of them alone will do.

import { COLOURS } from './selection';

export const DASHES: number[][] = [
  [],
  [8, 4],
  [2, 3],
  [10, 3, 2, 3],
  [16, 4],
  [5, 2, 1, 2, 1, 2],
  [4, 4],
];

export interface Looks {
  colour: number;
  dash: number;
  marker: number;
}

export function dashOf({ dash }: Looks, scale = 1): number[] {
  return DASHES[dash % DASHES.length]!.map((length) => length * scale);
}

const regular = (corners: number, turn: number, size: number): [number, number][] =>
  Array.from({ length: corners }, (_, i) => {
    const angle = turn + (i * 2 * Math.PI) / corners;
    return [Math.sin(angle) * size, -Math.cos(angle) * size];
  });

// Corners around 0, 0 for a radius of 1; none: a circle.
const SHAPES: [number, number][][] = [
  [],
  regular(4, Math.PI / 4, 1.25),
  regular(3, 0, 1.45),
  regular(4, 0, 1.4),
  regular(3, Math.PI, 1.45),
  regular(5, 0, 1.3),
  regular(6, Math.PI / 2, 1.2),
];

const shapeOf = ({ marker }: Looks) => SHAPES[marker % SHAPES.length]!;

// Further models have the shapes of the first, hollow.
export const isHollow = ({ marker }: Looks) => Math.floor(marker / SHAPES.length) % 2 === 1;

export function markerPath(looks: Looks, x: number, y: number, radius: number): Path2D {
  const path = new Path2D();
  const corners = shapeOf(looks);
  if (!corners.length) path.arc(x, y, radius, 0, 2 * Math.PI);
  for (const [dx, dy] of corners) path.lineTo(x + dx * radius, y + dy * radius);
  path.closePath();
  return path;
}

function svg(tag: string, attributes: Record<string, string | number>): SVGElement {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}

/** A piece of the line, for legends. */
export function swatch(looks: Looks): SVGElement {
  const size = { viewBox: '0 0 34 14', width: 34, height: 14 };
  const element = svg('svg', { ...size, 'aria-hidden': 'true' });
  element.classList.add('swatch', `c${looks.colour % COLOURS}`);
  const corners = shapeOf(looks);
  const marker = corners.length
    ? svg('polygon', { points: corners.map(([x, y]) => `${17 + x * 4},${7 + y * 4}`).join(' ') })
    : svg('circle', { cx: 17, cy: 7, r: 4 });
  if (isHollow(looks)) marker.classList.add('hollow');
  const dashes = dashOf(looks).join(' ') || 'none';
  element.append(svg('path', { d: 'M0 7h34', 'stroke-dasharray': dashes }), marker);
  return element;
}
