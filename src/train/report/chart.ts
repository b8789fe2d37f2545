/** Line charts as self-contained SVG: axes with round numbers, a legend, curves downsampled to screen resolution. */
import { downsample, type Point } from '../downsample.ts';
import { escaped } from './html.ts';

export interface Curve {
  readonly name: string;
  readonly points: readonly Point[];
}

export interface ChartOptions {
  readonly title: string;
  /** Unit of the vertical axis. */
  readonly unit: string;
  /** Upper end of the vertical axis as a quantile of the values, so that a high loss at the start does not flatten the rest. Default: 1. */
  readonly upperQuantile?: number;
}

const WIDTH = 720;
const HEIGHT = 266;
const LEFT = 64;
const RIGHT = 24;
const TOP = 34;
const BOTTOM = 40;
const MAX_POINTS = 600;
/** Colours that colour-blind people can distinguish (Okabe and Ito 2008). */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'];

/** @returns an <svg>; without values it says so */
export function chart(curves: readonly Curve[], { title, unit, upperQuantile = 1 }: ChartOptions): string {
  const plotted = curves.map(({ name, points }) => ({
    name,
    points: downsample(points, MAX_POINTS).filter(({ y }) => Number.isFinite(y)),
  }));
  const all = plotted.flatMap(({ points }) => points);
  const head = `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escaped(title)}"><text x="${LEFT}" y="18" class="title">${escaped(title)}</text>`;
  if (all.length === 0) return `${head}<text x="${LEFT}" y="60">no values yet</text></svg>`;

  const x = axis(
    all.map((point) => point.x),
    [LEFT, WIDTH - RIGHT],
  );
  const y = axis(
    plotted.flatMap(({ points }) => lowest(points, upperQuantile)),
    [HEIGHT - BOTTOM, TOP],
  );
  const grid = [
    ...y.ticks.map((tick) => {
      const at = fixed(y.at(tick));
      return `<path class="grid" d="M${LEFT} ${at}H${WIDTH - RIGHT}"/><text x="${LEFT - 6}" y="${at}" dy="4" text-anchor="end">${label(tick)}</text>`;
    }),
    ...x.ticks.map(
      (tick) => `<text x="${fixed(x.at(tick))}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${label(tick)}</text>`,
    ),
  ];
  const lines = plotted.map(({ name, points }, i) => {
    const colour = COLOURS[i % COLOURS.length];
    const place = (point: Point) => `${fixed(x.at(point.x))},${fixed(y.at(point.y))}`;
    const line = `<polyline fill="none" stroke="${colour}" stroke-width="1.5" points="${points.map(place).join(' ')}"/>`;
    const dots = points.length > 60 ? [] : points.map((point) => dot(place(point), colour, name, point, unit));
    return line + dots.join('');
  });
  let legendAt = LEFT;
  const legend = plotted.map(({ name }, i) => {
    const at = legendAt;
    legendAt += 26 + 7 * name.length;
    return `<circle cx="${at + 4}" cy="${HEIGHT - 9}" r="4" fill="${COLOURS[i % COLOURS.length]}"/><text x="${at + 12}" y="${HEIGHT - 5}">${escaped(name)}</text>`;
  });
  const units = `<text x="${WIDTH - RIGHT}" y="18" text-anchor="end">${escaped(unit)} by step</text>`;
  const box = `x="0" y="${TOP - 3}" width="${WIDTH}" height="${HEIGHT - BOTTOM - TOP + 6}"`;
  // an inner <svg> clips to its box
  const inner = `<svg ${box} viewBox="0 ${TOP - 3} ${WIDTH} ${HEIGHT - BOTTOM - TOP + 6}">${lines.join('')}</svg>`;
  return `${head}${units}${grid.join('')}${inner}${legend.join('')}</svg>`;
}

function dot(place: string, colour: string, name: string, { x, y }: Point, unit: string): string {
  const [cx, cy] = place.split(',');
  const tip = `${name}, step ${label(Math.round(x))}: ${label(y)} ${unit}`;
  return `<circle cx="${cx}" cy="${cy}" r="2.5" fill="${colour}"><title>${escaped(tip)}</title></circle>`;
}

/** Returns the lowest values, a `fraction` of all. */
function lowest(points: readonly Point[], fraction: number): number[] {
  const values = points.map(({ y }) => y).sort((a, b) => a - b);
  return values.slice(0, Math.ceil(values.length * fraction));
}

/** Maps values to pixels between `start` and `end`, and chooses round values as ticks. */
function axis(values: readonly number[], [start, end]: readonly [number, number]) {
  const minimum = values.reduce((a, b) => Math.min(a, b));
  const maximum = values.reduce((a, b) => Math.max(a, b));
  const range = maximum - minimum || Math.abs(maximum) || 1;
  const from = maximum > minimum ? minimum : minimum - range / 2;
  const rough = range / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
  const ticks: number[] = [];
  for (let i = Math.ceil(from / step); i * step <= from + range * (1 + 1e-9); i++) ticks.push(i * step);
  return { ticks, at: (value: number) => start + ((value - from) / range) * (end - start) };
}

const fixed = (value: number) => value.toFixed(1);

/** Formats a number with four significant digits, large integers in full. */
function label(value: number): string {
  if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e7)) return value.toExponential(1);
  return value.toLocaleString('en-US', { maximumSignificantDigits: Math.abs(value) >= 1000 ? 7 : 4 });
}
