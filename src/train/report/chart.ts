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
/**
 * Colours that colour-blind people can distinguish (after Okabe and Ito 2008), each with a contrast of at least 4.5 to its
 * background.
 */
const LIGHT_COLOURS = ['#0068a8', '#b84500', '#00795a', '#a3427b', '#8a6100', '#5b5bd6'];
const DARK_COLOURS = ['#5ab4f0', '#ff8c4a', '#2fc79b', '#e39ac5', '#f0b23c', '#b3b3ff'];

/** Style sheet of all charts. On narrow screens the drawing shrinks, so its text is larger. */
export const CHART_STYLE = `svg{width:100%;height:auto;margin:.5rem 0;overflow:visible}svg text{font:11px system-ui,sans-serif;fill:currentColor}
svg .title{font-size:14px;font-weight:600}.grid{stroke:currentColor;stroke-opacity:.15}
polyline{fill:none;stroke:var(--curve);stroke-width:1.5}circle,.cut,tspan.mark{fill:var(--curve)}
${curveColours(LIGHT_COLOURS)}
@media (prefers-color-scheme:dark){${curveColours(DARK_COLOURS)}}
@media (max-width:40rem){svg text,svg .title{font-size:22px}polyline{stroke-width:3}svg .unit{display:none}}`;

function curveColours(colours: readonly string[]): string {
  return colours.map((colour, i) => `.curve${i}{--curve:${colour}}`).join('');
}

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
    const heightOf = (point: Point) => Math.max(TOP, y.at(point.y));
    const place = (point: Point) => `${fixed(x.at(point.x))},${fixed(heightOf(point))}`;
    const line = `<polyline points="${points.map(place).join(' ')}"/>`;
    const dots = points.length > 60 ? [] : points.map((point) => dot(place(point), name, point, unit));
    // a value above the axis is drawn at its end, with an arrow
    const cut = points
      .filter((point) => y.at(point.y) < TOP - 4)
      .map((point) => arrow(x.at(point.x), name, point, unit));
    return `<g class="${classOf(i)}">${line}${dots.join('')}${cut.join('')}</g>`;
  });
  const names = plotted.map(
    ({ name }, i) => `<tspan class="mark ${classOf(i)}">●</tspan><tspan> ${escaped(name)}   </tspan>`,
  );
  const legend = `<text x="${LEFT}" y="${HEIGHT - 5}" xml:space="preserve">${names.join('')}</text>`;
  const units = `<text x="${WIDTH - RIGHT}" y="18" text-anchor="end" class="unit">${escaped(unit)} by step</text>`;
  const box = `x="0" y="${TOP - 3}" width="${WIDTH}" height="${HEIGHT - BOTTOM - TOP + 6}"`;
  // an inner <svg> clips to its box
  const inner = `<svg ${box} viewBox="0 ${TOP - 3} ${WIDTH} ${HEIGHT - BOTTOM - TOP + 6}">${lines.join('')}</svg>`;
  return `${head}${units}${grid.join('')}${inner}${legend}</svg>`;
}

function dot(place: string, name: string, point: Point, unit: string): string {
  const [cx, cy] = place.split(',');
  return `<circle cx="${cx}" cy="${cy}" r="2.5">${tip(name, point, unit)}</circle>`;
}

/** Marks a value beyond the end of the axis. */
function arrow(at: number, name: string, point: Point, unit: string): string {
  return `<path class="cut" d="M${fixed(at - 4)} ${TOP + 5}h8l-4 -7z">${tip(name, point, unit)}</path>`;
}

function tip(name: string, { x, y }: Point, unit: string): string {
  return `<title>${escaped(`${name}, step ${label(Math.round(x))}: ${label(y)} ${unit}`)}</title>`;
}

function classOf(curve: number): string {
  return `curve${curve % LIGHT_COLOURS.length}`;
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
