/**
 * Encoding of a K-quant's super-block of 256 elements: sub-blocks whose scales (and mins) are themselves integers
 * times one half float of the super-block. The formats differ in sizes and in how they pack the integers.
 */
import { floatToHalf, halfToFloat } from '../../core/half.ts';
import { roundWithin } from './round.ts';
import { fitScale, fitScaleAndMin, type ScaleAndMin, sumOf } from './search.ts';

export const superBlockSize = 256;

/** A super-block in integers. One for all: encoders are not re-entrant. */
export const superBlock = {
  /** The scale of the scales, rounded to a half float. */
  d: 0,
  /** The scale of the mins, rounded to a half float. */
  dmin: 0,
  /** Each sub-block's scale. */
  scales: new Int8Array(16),
  /** Each sub-block's min. */
  mins: new Int8Array(16),
  /** Each element; counted from the lowest value the format has. */
  quants: new Uint8Array(superBlockSize),
};

const scales = new Float32Array(16);
const mins = new Float32Array(16);
const weightSums = new Float32Array(16);
const ownWeights = new Float32Array(superBlockSize);
const found: ScaleAndMin = { scale: 0, min: 0 };

/**
 * Fills `superBlock` with x ≈ d * scale * (quant + lowest).
 * Without importance, squared errors weigh as x²: what counts most in a row are its large elements.
 * @param size elements of a sub-block
 * @param lowest, highest of the elements' integers
 * @param lowestScale, highestScale of the scales' integers
 */
export function quantizeScales(
  x: Float32Array,
  from: number,
  importance: Float32Array | undefined,
  size: number,
  lowest: number,
  highest: number,
  lowestScale: number,
  highestScale: number,
): void {
  const weights = importance ?? ownWeights;
  const weightsFrom = importance ? from : 0;
  if (!importance) for (let i = 0; i < superBlockSize; i++) ownWeights[i] = x[from + i] ** 2;
  const count = superBlockSize / size;
  for (let j = 0; j < count; j++) {
    scales[j] = fitScale(x, from + j * size, size, weights, weightsFrom + j * size, lowest, highest);
    weightSums[j] = sumOf(weights, weightsFrom + j * size, size);
  }
  const d = toHalf(fitScale(scales, 0, count, weightSums, 0, lowestScale, highestScale));
  superBlock.d = d;
  for (let j = 0; j < count; j++) {
    const scale = d === 0 ? 0 : roundWithin(scales[j] / d, lowestScale, highestScale);
    superBlock.scales[j] = scale;
    const step = d * scale;
    for (let i = j * size; i < (j + 1) * size; i++) {
      superBlock.quants[i] = step === 0 ? -lowest : roundWithin(x[from + i] / step, lowest, highest) - lowest;
    }
  }
}

/**
 * Fills `superBlock` with x ≈ d * scale * quant - dmin * min.
 * Without importance, squared errors weigh as the sub-block's root mean square + |x|.
 * @param size elements of a sub-block
 * @param highest of the elements' integers, which start at 0
 * @param highestScale of the scales' and mins' integers, which start at 0
 */
export function quantizeScalesAndMins(
  x: Float32Array,
  from: number,
  importance: Float32Array | undefined,
  size: number,
  highest: number,
  highestScale: number,
): void {
  const weights = importance ?? ownWeights;
  const weightsFrom = importance ? from : 0;
  const count = superBlockSize / size;
  for (let j = 0; j < count; j++) {
    const first = j * size;
    if (!importance) weighByMagnitude(x, from, first, size);
    fitScaleAndMin(x, from + first, size, weights, weightsFrom + first, highest, found);
    scales[j] = found.scale;
    mins[j] = found.min;
    weightSums[j] = sumOf(weights, weightsFrom + first, size);
  }
  const d = toHalf(fitScale(scales, 0, count, weightSums, 0, 0, highestScale));
  const dmin = toHalf(fitScale(mins, 0, count, weightSums, 0, 0, highestScale));
  superBlock.d = d;
  superBlock.dmin = dmin;
  for (let j = 0; j < count; j++) {
    const scale = d === 0 ? 0 : roundWithin(scales[j] / d, 0, highestScale);
    const min = dmin === 0 ? 0 : roundWithin(mins[j] / dmin, 0, highestScale);
    superBlock.scales[j] = scale;
    superBlock.mins[j] = min;
    const step = d * scale;
    for (let i = j * size; i < (j + 1) * size; i++) {
      superBlock.quants[i] = step === 0 ? 0 : roundWithin((x[from + i] + dmin * min) / step, 0, highest);
    }
  }
}

function weighByMagnitude(x: Float32Array, from: number, first: number, size: number): void {
  let squares = 0;
  for (let i = first; i < first + size; i++) squares += x[from + i] ** 2;
  const rms = Math.sqrt(squares / size);
  for (let i = first; i < first + size; i++) ownWeights[i] = rms + Math.abs(x[from + i]);
}

function toHalf(value: number): number {
  return halfToFloat(floatToHalf(value));
}
