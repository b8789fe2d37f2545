/**
 * Quantizes the plain 4- and 5-bit blocks of 32 elements. Without importance the result equals ggml's reference encoder
 * byte for byte, so the roundings to f32 must be the same. With importance the scale is searched for.
 */
import type { BlockFormat } from '../blockFormat.ts';
import { type BlockGrid, type GridBlock, newGridBlock } from '../blockGrid.ts';
import { levels } from './nonLinear.ts';
import { type PerBlock, perBlock } from './perBlock.ts';
import { roundWithin } from './round.ts';
import { extremeOf, fitScale, fitScaleAndMin, type ScaleAndMin } from './search.ts';

const BLOCK_SIZE = 32;

/**
 * x ≈ d * (q - half), q in 0..2*half-1. The element of greatest magnitude becomes q = 0, whatever its sign.
 * @param quants receives q
 * @returns d
 */
export function quantizeAgainstExtreme(
  x: Float32Array,
  from: number,
  importance: Float32Array | undefined,
  half: number,
  quants: Uint8Array,
): number {
  if (importance) {
    const d = fitScale(x, from, BLOCK_SIZE, importance, from, -half, half - 1);
    for (let i = 0; i < BLOCK_SIZE; i++)
      quants[i] = d === 0 ? half : roundWithin(x[from + i] / d, -half, half - 1) + half;
    return d;
  }
  const d = Math.fround(extremeOf(x, from, BLOCK_SIZE) / -half);
  const inverse = d === 0 ? 0 : Math.fround(1 / d);
  for (let i = 0; i < BLOCK_SIZE; i++) {
    quants[i] = Math.min(2 * half - 1, Math.fround(Math.fround(x[from + i] * inverse) + half + 0.5));
  }
  return d;
}

/** Result of quantizeRange. */
export const range: ScaleAndMin = { scale: 0, min: 0 };

/**
 * x ≈ range.scale * q - range.min, q in 0..highest. Without importance the range is the elements' minimum to maximum.
 * @param quants receives q
 */
export function quantizeRange(
  x: Float32Array,
  from: number,
  importance: Float32Array | undefined,
  highest: number,
  quants: Uint8Array,
): void {
  if (importance) {
    fitScaleAndMin(x, from, BLOCK_SIZE, importance, from, highest, range);
    const { scale, min } = range;
    for (let i = 0; i < BLOCK_SIZE; i++)
      quants[i] = scale === 0 ? 0 : roundWithin((x[from + i] + min) / scale, 0, highest);
    return;
  }
  let least = Number.POSITIVE_INFINITY;
  let greatest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < BLOCK_SIZE; i++) {
    least = Math.min(least, x[from + i]);
    greatest = Math.max(greatest, x[from + i]);
  }
  range.min = -least;
  range.scale = Math.fround(Math.fround(greatest - least) / highest);
  const inverse = range.scale === 0 ? 0 : Math.fround(1 / range.scale);
  for (let i = 0; i < BLOCK_SIZE; i++) {
    const steps = Math.fround(Math.fround(x[from + i] - least) * inverse);
    quants[i] = Math.min(highest, Math.fround(steps + 0.5));
  }
}

/** Meaning of a plain block's integers: x ≈ d * q - dmin, q in lowest..highest. */
export interface PlainRanges {
  /** Elements per block. Default: 32. */
  readonly size?: number;
  readonly lowest: number;
  readonly highest: number;
  readonly hasMin?: true;
  /** The integers are indices into the levels of nonLinear.ts. */
  readonly uneven?: true;
}

export interface PlainFormat extends Omit<PerBlock, 'grid' | 'encodeBlock' | 'blockSize'> {
  readonly ranges: PlainRanges;
  /** Offsets of the scale and, if there is one, the minimum. */
  readonly halves: readonly number[];
  /** Quantizes a block. */
  quantize(block: GridBlock, x: Float32Array, from: number, importance?: Float32Array): void;
  /** Writes the bytes of a block. */
  pack(block: GridBlock, to: Uint8Array, at: number): void;
}

/** Makes a block format, with its encoder and its grid. */
export function plainFormat(format: PlainFormat): BlockFormat {
  const { name, ggmlType, blockBytes, ranges, halves, decodeBlock, quantize, pack } = format;
  const size = ranges.size ?? BLOCK_SIZE;
  const block = newGridBlock(size, 1);
  return perBlock({
    name,
    ggmlType,
    blockSize: size,
    blockBytes,
    grid: plainGrid(size, ranges, halves, pack),
    decodeBlock,
    encodeBlock(from, x, to, at, importance) {
      quantize(block, from, x, importance);
      pack(block, to, at);
    },
  });
}

function plainGrid(size: number, ranges: PlainRanges, halves: readonly number[], pack: PlainFormat['pack']): BlockGrid {
  const { lowest, highest, hasMin, uneven } = ranges;
  return {
    groupSize: size,
    lowest,
    highest,
    halves,
    ...(uneven && { levels }),
    hasMin: hasMin ?? false,
    newBlock: () => newGridBlock(size, 1),
    write: pack,
  };
}
