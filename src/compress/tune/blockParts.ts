/**
 * Scales and integers of a quantized tensor's blocks, found by decoding: with one half float set to 1 and the others to 0, elements are
 * products of integers, so a group's scale is their greatest common divisor.
 */
import type { BlockGrid } from '../../tensor/blockGrid.ts';
import type { GridFormat } from '../matrix/gridBlocks.ts';
import { BlockScales } from './blockScales.ts';

/** x = d · scale · level(quant) − dmin · min, with one d and dmin a block, and one scale and min a group. */
export interface BlockParts {
  readonly d: Float32Array;
  readonly dmin: Float32Array;
  /** In formats without integer scales: 1. */
  readonly scales: Int8Array;
  readonly mins: Int8Array;
  /** Integers minus the lowest one. */
  readonly quants: Uint8Array;
}

export function blockParts(format: GridFormat, bytes: Uint8Array): BlockParts {
  const { blockSize, grid } = format;
  const { values, basis } = new BlockScales(format, bytes);
  const [products, offsets] = basis as [Float32Array, Float32Array | undefined];
  const groups = products.length / grid.groupSize;
  const scales = new Int8Array(groups).fill(1);
  const mins = new Int8Array(groups).fill(1);
  const quants = new Uint8Array(products.length);
  const codes = codesOf(grid);
  for (let group = 0, from = 0; group < groups; group++, from += grid.groupSize) {
    const own = products.subarray(from, from + grid.groupSize);
    if (grid.scales) {
      scales[group] = scaleOf(own, codes);
      mins[group] = offsets ? -offsets[from] : 0;
    }
    const scale = scales[group];
    for (const [i, product] of own.entries()) quants[from + i] = codes.get(scale === 0 ? 0 : product / scale) ?? 0;
  }
  const d = values[0].slice();
  // plain blocks store the least element, which is minus the minimum
  const sign = grid.scales ? 1 : -1;
  const dmin = values[1]?.map((value) => sign * value) ?? new Float32Array(products.length / blockSize);
  return { d, dmin, scales, mins, quants };
}

/** Codes by level. */
function codesOf({ lowest, highest, levels }: BlockGrid): ReadonlyMap<number, number> {
  return new Map(
    Array.from({ length: highest - lowest + 1 }, (_, code) => [levels ? levels[code] : code + lowest, code]),
  );
}

/** The scale with which all products are levels. */
function scaleOf(products: Float32Array, codes: ReadonlyMap<number, number>): number {
  const divisor = products.reduce((found, product) => greatestCommonDivisor(found, Math.abs(product)), 0);
  if (divisor === 0) return 0;
  // a divisor of it, if the levels of a group have a common one, too
  for (let part = 1; part <= divisor; part++) {
    if (divisor % part !== 0) continue;
    for (const scale of [divisor / part, -divisor / part])
      if (scale >= -128 && scale <= 127 && products.every((product) => codes.has(product / scale))) return scale;
  }
  throw new Error('the products of a group are no levels of its format');
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
