/**
 * Searches for the scales of a block: those of least weighted squared error among a few tries. Every try rounds the
 * elements with a scale near the obvious one and then solves for the best scale of the integers so found
 * (least squares), as ggml's encoders of the K-quants do (make_qx_quants, make_qkx3_quants).
 */
import { roundWithin } from './round.ts';

/** Elements smaller than this are as good as zero. */
const nothing = 1e-15;

/** The element of greatest magnitude, with its sign; the first of equals. */
export function extremeOf(x: Float32Array, from: number, count: number): number {
  let extreme = 0;
  for (let i = from; i < from + count; i++) {
    if (Math.abs(x[i]) > Math.abs(extreme)) extreme = x[i];
  }
  return extreme;
}

/**
 * The scale for x ≈ scale * q, q an integer in `lowest`..`highest`; 0 when all elements are nothing.
 * The extreme element comes to lie near `lowest` if that is negative (there is one more step on that side), else near `highest`.
 * @param weights of the squared errors, from `weightsFrom`
 */
export function fitScale(
  x: Float32Array,
  from: number,
  count: number,
  weights: Float32Array,
  weightsFrom: number,
  lowest: number,
  highest: number,
): number {
  const extreme = extremeOf(x, from, count);
  if (Math.abs(extreme) < nothing) return 0;
  const end = lowest < 0 ? lowest : highest;
  let scale = extreme / end;
  let best = 0;
  for (let step = -9; step <= 9; step++) {
    const inverse = (end + step * 0.1) / extreme;
    let xq = 0;
    let qq = 0;
    for (let i = 0; i < count; i++) {
      const value = x[from + i];
      const q = roundWithin(value * inverse, lowest, highest);
      const wq = weights[weightsFrom + i] * q;
      xq += wq * value;
      qq += wq * q;
    }
    // the squared error left is Σwx² - xq²/qq
    if (xq * xq > best * qq) {
      scale = xq / qq;
      best = scale * xq;
    }
  }
  return scale;
}

/** What fitScaleAndMin found: x ≈ scale * q - min. */
export interface ScaleAndMin {
  scale: number;
  min: number;
}

/**
 * The scale and min for x ≈ scale * q - min, q an integer in 0..`highest`, min not negative.
 * @param weights of the squared errors, from `weightsFrom`
 * @param found receives the two
 */
export function fitScaleAndMin(
  x: Float32Array,
  from: number,
  count: number,
  weights: Float32Array,
  weightsFrom: number,
  highest: number,
  found: ScaleAndMin,
): void {
  let least = 0;
  let greatest = Number.NEGATIVE_INFINITY;
  let sumW = 0;
  let sumX = 0;
  for (let i = 0; i < count; i++) {
    const value = x[from + i];
    const w = weights[weightsFrom + i];
    least = Math.min(least, value);
    greatest = Math.max(greatest, value);
    sumW += w;
    sumX += w * value;
  }
  const range = greatest - least;
  found.scale = range / highest;
  found.min = -least;
  if (range < nothing) return;
  let best = Number.NEGATIVE_INFINITY;
  for (let step = -10; step <= 10; step++) {
    const inverse = (highest + step * 0.1) / range;
    let q1 = 0;
    let qq = 0;
    let xq = 0;
    for (let i = 0; i < count; i++) {
      const value = x[from + i];
      const q = roundWithin((value - least) * inverse, 0, highest);
      const wq = weights[weightsFrom + i] * q;
      q1 += wq;
      qq += wq * q;
      xq += wq * value;
    }
    const determinant = sumW * qq - q1 * q1;
    if (!(determinant > 0)) continue;
    let scale = (sumW * xq - sumX * q1) / determinant;
    let offset = (qq * sumX - q1 * xq) / determinant;
    if (offset > 0) {
      offset = 0;
      scale = xq / qq;
    }
    // the squared error left is Σwx² - explained
    const explained = scale * xq + offset * sumX;
    if (scale > 0 && explained > best) {
      best = explained;
      found.scale = scale;
      found.min = -offset;
    }
  }
}

export function sumOf(values: Float32Array, from: number, count: number): number {
  let sum = 0;
  for (let i = from; i < from + count; i++) sum += values[i];
  return sum;
}
