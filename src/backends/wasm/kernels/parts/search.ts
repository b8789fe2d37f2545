/**
 * Searches for the scales of a group of elements, as tensor/quant/search.ts and superBlock.ts do, four elements at a time
 * in f32. Groups have a multiple of 4 elements.
 */
import { half, max4, sum4, toHalf } from "./simd";

/** Fields of a grid's description, i32: what a block format's integers mean (BlockGrid in tensor/blockGrid.ts). */
@inline export function blockSize(grid: usize): i32 { return load<i32>(grid); }
@inline export function groupSize(grid: usize): i32 { return load<i32>(grid, 4); }
@inline export function lowest(grid: usize): i32 { return load<i32>(grid, 8); }
@inline export function highest(grid: usize): i32 { return load<i32>(grid, 12); }
/** Address of 16 levels, i8; 0: integers are their own levels. */
@inline export function levels(grid: usize): usize { return load<u32>(grid, 16); }
/** Address of the index of the level nearest to each half integer from -128 on, u8 [512]. */
@inline export function nearest(grid: usize): usize { return load<u32>(grid, 20); }
@inline export function hasOffset(grid: usize): bool { return load<i32>(grid, 24) != 0; }
/** True if groups have integer scales, times one half float of the block. */
@inline export function isSuper(grid: usize): bool { return load<i32>(grid, 28) != 0; }
@inline export function lowestScale(grid: usize): i32 { return load<i32>(grid, 32); }
@inline export function highestScale(grid: usize): i32 { return load<i32>(grid, 36); }
@inline export function highestOffset(grid: usize): i32 { return load<i32>(grid, 40); }

/** A block's record: d and dmin (f32), 16 scales and 16 minima of groups (i8), integers minus the lowest (u8). */
export const RECORD_HEAD: usize = 40;
@inline export function recordBytes(grid: usize): usize { return RECORD_HEAD + blockSize(grid); }
@inline export function scaleOf(record: usize, group: i32): i32 { return load<i8>(record + group, 8); }
@inline export function offsetOf(record: usize, group: i32): i32 { return load<i8>(record + group, 24); }

/** The distance between levels of a group, and what is subtracted from them. */
@inline export function stepOf(grid: usize, record: usize, group: i32): f32 {
  return isSuper(grid) ? load<f32>(record) * <f32>scaleOf(record, group) : load<f32>(record);
}
@inline export function minimumOf(grid: usize, record: usize, group: i32): f32 {
  return isSuper(grid) ? load<f32>(record, 4) * <f32>offsetOf(record, group) : load<f32>(record, 4);
}

/** Rounds to integers: adding 1.5 * 2^23 removes the fraction bits. */
@inline export function round4(x: v128): v128 {
  const magic = f32x4.splat(12582912);
  return f32x4.sub(f32x4.add(x, magic), magic);
}
@inline export function clamp4(x: v128, least: v128, most: v128): v128 { return f32x4.pmin(most, f32x4.pmax(least, x)); }
@inline export function roundWithin(x: f32, least: i32, most: i32): i32 {
  return <i32>max<f32>(<f32>least, min<f32>(<f32>most, (x + 12582912) - 12582912));
}
/**
 * `q`, or the integer next to it that is at most `reach` away from x. With a reach of 0.5 and more there is one, unless all are outside
 * least … most.
 */
@inline export function roundNear(x: f32, q: i32, reach: f32, least: i32, most: i32): i32 {
  const near = max<f32>(ceil<f32>(x - reach), min<f32>(floor<f32>(x + reach), <f32>q));
  return <i32>max<f32>(<f32>least, min<f32>(<f32>most, near));
}
@inline export function nearestLevel(grid: usize, value: f32): i32 {
  return load<u8>(nearest(grid) + <usize><i32>max<f32>(0, min<f32>(511, floor<f32>(value * 2) + 256)));
}

const NOTHING: f32 = 1e-15;
const REFINEMENTS: i32 = 3;

@inline export function rounded(value: f32): f32 {
  const bits = toHalf(value);
  return reinterpret<f32>((<i32><i16>bits << 13) & 0x8fffffff) * reinterpret<f32>(0x77800000);
}

@inline function extremeOf(x: usize, count: i32): f32 {
  let most = v128.load(x), least = most;
  for (let i = 4; i < count; i += 4) {
    const v = v128.load(x + (<usize>i << 2));
    most = f32x4.pmax(most, v); least = f32x4.pmin(least, v);
  }
  const high = max4(most), low = -max4(f32x4.neg(least));
  return high >= -low ? high : low;
}

/** The scale with the least weighted error of x ≈ scale * q, q in lowest … highest. */
export function fitScale(x: usize, w: usize, count: i32, lowest: i32, highest: i32): f32 {
  const extreme = extremeOf(x, count);
  if (abs<f32>(extreme) < NOTHING) return 0;
  const low = f32x4.splat(<f32>lowest), high = f32x4.splat(<f32>highest);
  let scale = extreme / <f32>highest;
  let best: f32 = 0;
  for (let attempt = 0; attempt < 10 + REFINEMENTS; attempt++) {
    const end = attempt < 5 ? lowest : highest;
    const inverse = attempt < 10 ? (<f32>end + <f32>(attempt % 5) * 0.5 - 1) / extreme : 1 / scale;
    const factor = f32x4.splat(inverse);
    let xq4 = f32x4.splat(0), qq4 = f32x4.splat(0);
    for (let at: usize = 0, bytes = <usize>count << 2; at < bytes; at += 16) {
      const value = v128.load(x + at);
      const q = clamp4(round4(f32x4.mul(value, factor)), low, high);
      const wq = f32x4.mul(v128.load(w + at), q);
      xq4 = f32x4.add(xq4, f32x4.mul(wq, value));
      qq4 = f32x4.add(qq4, f32x4.mul(wq, q));
    }
    const xq = sum4(xq4), qq = sum4(qq4);
    if (xq * xq > best * qq) {
      scale = xq / qq;
      best = scale * xq;
    } else if (attempt >= 10) break;
  }
  return scale;
}

/** The same for uneven levels. */
function fitLevels(grid: usize, x: usize, w: usize, count: i32): f32 {
  const extreme = extremeOf(x, count);
  if (abs<f32>(extreme) < NOTHING) return 0;
  const table = levels(grid);
  let scale = extreme / <f32>load<i8>(table);
  let best: f32 = 0;
  for (let attempt = 0; attempt < 12 + REFINEMENTS; attempt++) {
    const end = <f32>load<i8>(table, 0) * (attempt < 6 ? 1 : 0) + <f32>load<i8>(table, 15) * (attempt < 6 ? 0 : 1);
    const inverse = attempt < 12 ? end * (0.85 + <f32>(attempt % 6) * 0.07) / extreme : 1 / scale;
    let xl: f32 = 0, ll: f32 = 0;
    for (let at: usize = 0, bytes = <usize>count << 2; at < bytes; at += 4) {
      const value = load<f32>(x + at);
      const level = <f32>load<i8>(table + nearestLevel(grid, value * inverse));
      const wl = load<f32>(w + at) * level;
      xl += wl * value;
      ll += wl * level;
    }
    if (xl * xl > best * ll) {
      scale = xl / ll;
      best = scale * xl;
    } else if (attempt >= 12) break;
  }
  return scale;
}

/** x ≈ scale * q - min, q in 0 … highest, min not negative. @param to receives scale and min, f32 */
function fitScaleAndMin(x: usize, w: usize, count: i32, highest: i32, to: usize): void {
  const bytes = <usize>count << 2;
  let least4 = f32x4.splat(0), most4 = v128.load(x);
  let sumW4 = f32x4.splat(0), sumX4 = sumW4;
  for (let at: usize = 0; at < bytes; at += 16) {
    const value = v128.load(x + at), weight = v128.load(w + at);
    least4 = f32x4.pmin(least4, value);
    most4 = f32x4.pmax(most4, value);
    sumW4 = f32x4.add(sumW4, weight);
    sumX4 = f32x4.add(sumX4, f32x4.mul(weight, value));
  }
  const least = -max4(f32x4.neg(least4)), range = max4(most4) - least;
  const sumW = sum4(sumW4), sumX = sum4(sumX4);
  store<f32>(to, range / <f32>highest);
  store<f32>(to, -least, 4);
  if (range < NOTHING) return;
  const low = f32x4.splat(0), high = f32x4.splat(<f32>highest);
  let best = -f32.MAX_VALUE;
  for (let attempt = 0; attempt < 9 + REFINEMENTS; attempt++) {
    const isRefining = attempt >= 9;
    const factor = f32x4.splat(isRefining ? 1 / load<f32>(to) : (<f32>highest + <f32>attempt * 0.25 - 1) / range);
    const start = f32x4.splat(isRefining ? -load<f32>(to, 4) : least);
    let q14 = f32x4.splat(0), qq4 = q14, xq4 = q14;
    for (let at: usize = 0; at < bytes; at += 16) {
      const value = v128.load(x + at);
      const q = clamp4(round4(f32x4.mul(f32x4.sub(value, start), factor)), low, high);
      const wq = f32x4.mul(v128.load(w + at), q);
      q14 = f32x4.add(q14, wq);
      qq4 = f32x4.add(qq4, f32x4.mul(wq, q));
      xq4 = f32x4.add(xq4, f32x4.mul(wq, value));
    }
    const q1 = sum4(q14), qq = sum4(qq4), xq = sum4(xq4);
    const determinant = sumW * qq - q1 * q1;
    if (!(determinant > 0)) continue;
    let scale = (sumW * xq - sumX * q1) / determinant;
    let offset = (qq * sumX - q1 * xq) / determinant;
    if (offset > 0) {
      offset = 0;
      scale = xq / qq;
    }
    const explained = scale * xq + offset * sumX;
    if (scale > 0 && explained > best) {
      best = explained;
      store<f32>(to, scale);
      store<f32>(to, -offset, 4);
    } else if (isRefining) break;
  }
}

/** The best real scale and minimum of a group. @param to receives them, f32 */
export function fitGroup(grid: usize, x: usize, w: usize, to: usize): void {
  const count = groupSize(grid);
  if (hasOffset(grid)) return fitScaleAndMin(x, w, count, highest(grid), to);
  store<f32>(to, levels(grid) ? fitLevels(grid, x, w, count) : fitScale(x, w, count, lowest(grid), highest(grid)));
  store<f32>(to, 0, 4);
}

/** Rounds the elements of a group. @param to receives the integers minus the lowest; 0: nowhere @returns the weighted squared error */
export function roundGroup(grid: usize, x: usize, w: usize, step: f32, minimum: f32, to: usize): f32 {
  const inverse: f32 = step == 0 ? 0 : 1 / step;
  const count = groupSize(grid), base = lowest(grid);
  if (levels(grid)) {
    let error: f32 = 0;
    for (let i = 0; i < count; i++) {
      const value = load<f32>(x + (<usize>i << 2)) + minimum;
      const q = nearestLevel(grid, value * inverse);
      if (to) store<u8>(to + i, <u8>q);
      const rest = value - step * <f32>load<i8>(levels(grid) + q);
      error += load<f32>(w + (<usize>i << 2)) * rest * rest;
    }
    return error;
  }
  const low = f32x4.splat(<f32>base), high = f32x4.splat(<f32>highest(grid));
  const factor = f32x4.splat(inverse), step4 = f32x4.splat(step), shift = f32x4.splat(minimum);
  let sum = f32x4.splat(0);
  for (let i = 0; i < count; i += 4) {
    const at = <usize>i << 2;
    const value = f32x4.add(v128.load(x + at), shift);
    const q = clamp4(round4(f32x4.mul(value, factor)), low, high);
    const rest = f32x4.sub(value, f32x4.mul(step4, q));
    sum = f32x4.add(sum, f32x4.mul(f32x4.mul(v128.load(w + at), rest), rest));
    if (to) {
      const codes = i32x4.trunc_sat_f32x4_s(f32x4.sub(q, low));
      const words = i16x8.narrow_i32x4_s(codes, codes);
      store<u32>(to + i, <u32>i32x4.extract_lane(i8x16.narrow_i16x8_u(words, words), 0));
    }
  }
  return sum4(sum);
}

/** Real scales and minima of 16 groups, then sums of their weights: f32. Bytes of scratch that a block's search needs. */
export const SEARCH_BYTES: usize = 320;

/** Chooses d and dmin of a block. @param x, w [block size] @param scratch SEARCH_BYTES */
export function startBlock(grid: usize, record: usize, x: usize, w: usize, scratch: usize): void {
  if (!isSuper(grid)) return;
  const size = groupSize(grid), count = blockSize(grid) / size;
  const scales = scratch, minima = scratch + 64, sums = scratch + 128, found = scratch + 192;
  for (let group = 0; group < count; group++) {
    const at = <usize>(group * size) << 2;
    fitGroup(grid, x + at, w + at, found);
    store<f32>(scales + (<usize>group << 2), load<f32>(found));
    store<f32>(minima + (<usize>group << 2), load<f32>(found, 4));
    let sum = f32x4.splat(0);
    for (let i: usize = 0; i < <usize>size << 2; i += 16) sum = f32x4.add(sum, v128.load(w + at + i));
    store<f32>(sums + (<usize>group << 2), sum4(sum));
  }
  store<f32>(record, rounded(fitScale(scales, sums, count, lowestScale(grid), highestScale(grid))));
  const most = highestOffset(grid);
  store<f32>(record, most > 0 ? rounded(fitScale(minima, sums, count, 0, most)) : 0, 4);
}

/** Chooses the step and minimum of a group of a started block, whose elements may have changed since. @param x, w [group size] */
export function chooseGroup(grid: usize, record: usize, group: i32, x: usize, w: usize, found: usize): void {
  fitGroup(grid, x, w, found);
  if (isSuper(grid)) return chooseIntegers(grid, record, group, x, w, load<f32>(found), load<f32>(found, 4));
  store<f32>(record, rounded(load<f32>(found)));
  store<f32>(record, rounded(load<f32>(found, 4)), 4);
}

/** The same for a super-block whose elements are those that it was started with. @param scratch of startBlock */
export function chooseStartedGroup(grid: usize, record: usize, group: i32, x: usize, w: usize, scratch: usize): void {
  const at = scratch + (<usize>group << 2);
  chooseIntegers(grid, record, group, x, w, load<f32>(at), load<f32>(at, 64));
}

/** Chooses the integers near a group's real scale and minimum with the least error. */
function chooseIntegers(grid: usize, record: usize, group: i32, x: usize, w: usize, realScale: f32, realMin: f32): void {
  const d = load<f32>(record), dmin = load<f32>(record, 4);
  const leastScale = lowestScale(grid), mostScale = highestScale(grid), mostMin = highestOffset(grid);
  const scale = d == 0 ? 0 : roundWithin(realScale / d, leastScale, mostScale);
  const minimum = dmin == 0 ? 0 : roundWithin(realMin / dmin, 0, mostMin);
  let bestScale = scale, bestMin = minimum;
  let least = f32.MAX_VALUE;
  for (let s = max(leastScale, scale - 1); s <= min(mostScale, scale + 1); s++)
    for (let m = max(0, minimum - 1); m <= min(mostMin, minimum + 1); m++) {
      const error = roundGroup(grid, x, w, d * <f32>s, dmin * <f32>m, 0);
      if (error < least) {
        least = error;
        bestScale = s;
        bestMin = m;
      }
    }
  store<i8>(record + group, <i8>bestScale, 8);
  store<i8>(record + group, <i8>bestMin, 24);
}
