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
import { fitLevels, levels, nearestLevel } from './nonLinear.ts';
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

/** A quantized super-block. One shared buffer: encoders are not re-entrant. */
export const superBlock = {
  /** Half floats, as numbers. */
  d: 0,
  dmin: 0,
  scales: new Int8Array(16),
  mins: new Int8Array(16),
  /** The elements' integers minus the lowest one, so they start at 0. */
  quants: new Uint8Array(superBlockSize),
};

const realScales = new Float32Array(16);
const realMins = new Float32Array(16);
const weightSums = new Float32Array(16);
const ownWeights = new Float32Array(superBlockSize);
const found: ScaleAndMin = { scale: 0, min: 0 };

/** Quantizes 256 elements from `from` on into `superBlock`. */
export function quantizeSuperBlock(
  ranges: SuperBlockRanges,
  x: Float32Array,
  from: number,
  importance: Float32Array | undefined,
): void {
  const weights = importance ?? ownWeights;
  const weightsFrom = importance ? from : 0;
  if (!importance) weighByMagnitude(x, from, superBlockSize, ownWeights);

  const { size, lowest, highest, uneven, lowestScale, highestScale, highestMin } = ranges;
  const count = superBlockSize / size;
  for (let j = 0; j < count; j++) {
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
    weightSums[j] = sumOf(weights, weightsFrom + first, size);
  }
  superBlock.d = toHalf(fitScale(realScales, 0, count, weightSums, 0, lowestScale, highestScale));
  superBlock.dmin = highestMin > 0 ? toHalf(fitScale(realMins, 0, count, weightSums, 0, 0, highestMin)) : 0;
  for (let j = 0; j < count; j++) chooseIntegers(ranges, j, x, from, weights, weightsFrom);
  solveForHalves(ranges, x, from, weights, weightsFrom);
  for (let j = 0; j < count; j++) {
    roundElements(ranges, j, superBlock.scales[j], superBlock.mins[j], x, from, weights, weightsFrom);
  }
}

/** Chooses the scale and min of sub-block `j` with the least error among the rounded ones ± 1. */
function chooseIntegers(
  ranges: SuperBlockRanges,
  j: number,
  x: Float32Array,
  from: number,
  weights: Float32Array,
  weightsFrom: number,
): void {
  const { lowestScale, highestScale, highestMin } = ranges;
  const { d, dmin, scales, mins } = superBlock;
  const scale = d === 0 ? 0 : roundWithin(realScales[j] / d, lowestScale, highestScale);
  const min = dmin === 0 ? 0 : roundWithin(realMins[j] / dmin, 0, highestMin);
  scales[j] = scale;
  mins[j] = min;
  let least = Number.POSITIVE_INFINITY;
  for (let s = Math.max(lowestScale, scale - 1); s <= Math.min(highestScale, scale + 1); s++) {
    for (let m = Math.max(0, min - 1); m <= Math.min(highestMin, min + 1); m++) {
      const error = roundElements(ranges, j, s, m, x, from, weights, weightsFrom);
      if (error < least) {
        least = error;
        scales[j] = s;
        mins[j] = m;
      }
    }
  }
  roundElements(ranges, j, scales[j], mins[j], x, from, weights, weightsFrom);
}

/** Rounds the elements of sub-block `j` for the given scale and min. Returns their weighted squared error. */
function roundElements(
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
  const step = superBlock.d * scale;
  const offset = superBlock.dmin * min;
  const inverse = step === 0 ? 0 : 1 / step;
  let error = 0;
  for (let i = j * size; i < (j + 1) * size; i++) {
    const value = x[from + i] + offset;
    const q = uneven ? nearestLevel(value * inverse) : roundWithin(value * inverse, lowest, highest);
    superBlock.quants[i] = q - lowest;
    const rest = value - step * (uneven ? levels[q] : q);
    error += weights[weightsFrom + i] * rest * rest;
  }
  return error;
}

/** Sets d and dmin to the values with the least weighted squared error, given all integers. */
function solveForHalves(
  ranges: SuperBlockRanges,
  x: Float32Array,
  from: number,
  weights: Float32Array,
  weightsFrom: number,
): void {
  const { size, lowest, uneven } = ranges;
  const { scales, mins, quants } = superBlock;
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
    if (aa > 0) superBlock.d = toHalf(ax / aa);
    return;
  }
  const determinant = aa * mm - am * am;
  const d = (ax * mm - mx * am) / determinant;
  const dmin = (ax * am - mx * aa) / determinant;
  if (determinant > 0 && dmin > 0) {
    superBlock.d = toHalf(d);
    superBlock.dmin = toHalf(dmin);
  }
}

function toHalf(value: number): number {
  return halfToFloat(floatToHalf(value));
}
