/**
 * Quantizes a super-block of 256 elements (K-quants, IQ4_XS): the scales (and mins) of its sub-blocks are
 * integers times one half float of the super-block. The formats differ in the ranges of the integers and in how
 * they pack them.
 *
 *     x ≈ d * scale[j] * q[i] - dmin * min[j]       j sub-block, i element; q[i] an integer or an uneven level
 *
 * 1. Search for the real scale and min of each sub-block (search.ts), then for d and dmin of these scales and mins.
 * 2. For each sub-block, try the rounded scale and min ± 1 and keep the pair with the least error of the elements.
 * 3. Given all integers, solve for d and dmin (least squares) and round the elements again.
 * ggml stops after 1. Steps 2 and 3 reduce the error by another 0.5 to 6 %.
 */
import { floatToHalf, halfToFloat } from '../../core/half.ts';
import type { BlockFormat } from '../blockFormat.ts';
import { type BlockGrid, type GridBlock, newGridBlock } from '../blockGrid.ts';
import { fitLevels, levels, nearestLevel } from './nonLinear.ts';
import { type PerBlock, perBlock } from './perBlock.ts';
import { roundWithin } from './round.ts';
import { fitScale, fitScaleAndMin, type ScaleAndMin, sumOf, weighByMagnitude } from './search.ts';

export const superBlockSize = 256;

/** Ranges of a format's integers. */
export interface SuperBlockRanges {
  /** Elements per sub-block. */
  readonly size: number;
  /** Range of the elements. */
  readonly lowest: number;
  readonly highest: number;
  /** The elements' integers are indices into the levels of nonLinear.ts. */
  readonly uneven?: true;
  readonly lowestScale: number;
  readonly highestScale: number;
  /** 0 if the format has no mins. */
  readonly highestMin: number;
}

const realScales = new Float32Array(16);
const realMins = new Float32Array(16);
const weightSums = new Float32Array(16);
const ownWeights = new Float32Array(superBlockSize);
const found: ScaleAndMin = { scale: 0, min: 0 };

/** Quantizes 256 elements from `from` on. */
function quantizeSuperBlock(
  block: GridBlock,
  ranges: SuperBlockRanges,
  x: Float32Array,
  from: number,
  importance: Float32Array | undefined,
): void {
  const weights = importance ?? ownWeights;
  const weightsFrom = importance ? from : 0;
  if (!importance) weighByMagnitude(x, from, superBlockSize, ownWeights);

  startSuperBlock(block, ranges, x, from, weights, weightsFrom);
  solveForHalves(block, ranges, x, from, weights, weightsFrom);
  for (let j = 0; j < superBlockSize / ranges.size; j++)
    roundElements(block, ranges, j, block.scales[j], block.mins[j], x, from, weights, weightsFrom);
}

/** Chooses d and dmin, and then the scales, mins and integers of all sub-blocks. */
function startSuperBlock(
  block: GridBlock,
  ranges: SuperBlockRanges,
  x: Float32Array,
  from: number,
  weights: Float32Array,
  weightsFrom: number,
): void {
  const { size, lowestScale, highestScale, highestMin } = ranges;
  const count = superBlockSize / size;
  for (let j = 0; j < count; j++) {
    fitSubBlock(ranges, j, x, from, weights, weightsFrom);
    weightSums[j] = sumOf(weights, weightsFrom + j * size, size);
  }
  block.d = toHalf(fitScale(realScales, 0, count, weightSums, 0, lowestScale, highestScale));
  block.dmin = highestMin > 0 ? toHalf(fitScale(realMins, 0, count, weightSums, 0, 0, highestMin)) : 0;
  for (let j = 0; j < count; j++) chooseIntegers(block, ranges, j, x, from, weights, weightsFrom);
}

/** Finds the real scale and min of sub-block `j`. */
function fitSubBlock(
  { size, lowest, highest, uneven, highestMin }: SuperBlockRanges,
  j: number,
  x: Float32Array,
  from: number,
  weights: Float32Array,
  weightsFrom: number,
): void {
  const first = j * size;
  if (highestMin > 0) {
    fitScaleAndMin(x, from + first, size, weights, weightsFrom + first, highest, found);
    realScales[j] = found.scale;
    realMins[j] = found.min;
  } else {
    realScales[j] = uneven
      ? fitLevels(x, from + first, size, weights, weightsFrom + first)
      : fitScale(x, from + first, size, weights, weightsFrom + first, lowest, highest);
    realMins[j] = 0;
  }
}

/** Chooses the scale and min of sub-block `j` with the least error among the rounded ones ± 1. */
function chooseIntegers(
  block: GridBlock,
  ranges: SuperBlockRanges,
  j: number,
  x: Float32Array,
  from: number,
  weights: Float32Array,
  weightsFrom: number,
): void {
  const { lowestScale, highestScale, highestMin } = ranges;
  const { d, dmin, scales, mins } = block;
  const scale = d === 0 ? 0 : roundWithin(realScales[j] / d, lowestScale, highestScale);
  const min = dmin === 0 ? 0 : roundWithin(realMins[j] / dmin, 0, highestMin);
  scales[j] = scale;
  mins[j] = min;
  let least = Number.POSITIVE_INFINITY;
  for (let s = Math.max(lowestScale, scale - 1); s <= Math.min(highestScale, scale + 1); s++) {
    for (let m = Math.max(0, min - 1); m <= Math.min(highestMin, min + 1); m++) {
      const error = roundElements(block, ranges, j, s, m, x, from, weights, weightsFrom);
      if (error < least) {
        least = error;
        scales[j] = s;
        mins[j] = m;
      }
    }
  }
  roundElements(block, ranges, j, scales[j], mins[j], x, from, weights, weightsFrom);
}

/** Rounds the elements of sub-block `j` for the given scale and min. Returns their weighted squared error. */
function roundElements(
  block: GridBlock,
  ranges: SuperBlockRanges,
  j: number,
  scale: number,
  min: number,
  x: Float32Array,
  from: number,
  weights: Float32Array,
  weightsFrom: number,
): number {
  const { size, lowest, highest, uneven } = ranges;
  const step = block.d * scale;
  const offset = block.dmin * min;
  const inverse = step === 0 ? 0 : 1 / step;
  let error = 0;
  for (let i = j * size; i < (j + 1) * size; i++) {
    const value = x[from + i] + offset;
    const q = uneven ? nearestLevel(value * inverse) : roundWithin(value * inverse, lowest, highest);
    block.quants[i] = q - lowest;
    const rest = value - step * (uneven ? levels[q] : q);
    error += weights[weightsFrom + i] * rest * rest;
  }
  return error;
}

/** Sets d and dmin to the values with the least weighted squared error, given all integers. */
function solveForHalves(
  block: GridBlock,
  ranges: SuperBlockRanges,
  x: Float32Array,
  from: number,
  weights: Float32Array,
  weightsFrom: number,
): void {
  const { size, lowest, uneven } = ranges;
  const { scales, mins, quants } = block;
  // x ≈ d * a - dmin * m with a = scale * q: sums of weighted products of a, m and x
  let aa = 0;
  let am = 0;
  let mm = 0;
  let ax = 0;
  let mx = 0;
  for (let j = 0; j < superBlockSize / size; j++) {
    const m = mins[j];
    for (let i = j * size; i < (j + 1) * size; i++) {
      const value = x[from + i];
      const w = weights[weightsFrom + i];
      const a = scales[j] * (uneven ? levels[quants[i]] : quants[i] + lowest);
      aa += w * a * a;
      am += w * a * m;
      mm += w * m * m;
      ax += w * a * value;
      mx += w * m * value;
    }
  }
  if (mm === 0) {
    if (aa > 0) block.d = toHalf(ax / aa);
    return;
  }
  const determinant = aa * mm - am * am;
  const d = (ax * mm - mx * am) / determinant;
  const dmin = (ax * am - mx * aa) / determinant;
  if (determinant > 0 && dmin > 0) {
    block.d = toHalf(d);
    block.dmin = toHalf(dmin);
  }
}

function toHalf(value: number): number {
  return halfToFloat(floatToHalf(value));
}

/** A format of super-blocks. */
export interface SuperBlockFormat extends Pick<PerBlock, 'name' | 'ggmlType' | 'blockBytes' | 'decodeBlock'> {
  readonly ranges: SuperBlockRanges;
  /** Offsets of d and, if there are minima, dmin. */
  readonly halves: readonly number[];
  /** Writes the bytes of a block. */
  pack(block: GridBlock, to: Uint8Array, at: number): void;
}

/** Makes a block format, with its encoder and its grid. */
export function superBlockFormat(format: SuperBlockFormat): BlockFormat {
  const { name, ggmlType, blockBytes, ranges, halves, decodeBlock, pack } = format;
  const block = newGridBlock(superBlockSize, superBlockSize / ranges.size);
  return perBlock({
    name,
    ggmlType,
    blockSize: superBlockSize,
    blockBytes,
    grid: superBlockGrid(ranges, halves, pack),
    decodeBlock,
    encodeBlock(from, x, to, at, importance) {
      quantizeSuperBlock(block, ranges, from, x, importance);
      pack(block, to, at);
    },
  });
}

function superBlockGrid(
  ranges: SuperBlockRanges,
  halves: readonly number[],
  pack: SuperBlockFormat['pack'],
): BlockGrid {
  const { size: groupSize, lowest, highest, uneven, lowestScale, highestScale, highestMin } = ranges;
  return {
    groupSize,
    lowest,
    highest,
    halves,
    hasMin: highestMin > 0,
    scales: { lowest: lowestScale, highest: highestScale, highestMin },
    ...(uneven && { levels }),
    newBlock: () => newGridBlock(superBlockSize, superBlockSize / groupSize),
    write: pack,
  };
}
