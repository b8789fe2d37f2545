/**
 * Products of 8 unpacked rows with a tile of tokens, for weights of unsigned.ts' family. Unpacked (see `unpack` there), a
 * part of a tile is 8 or 4 quads, 32 bytes each, then scales and minima of the 8 rows, SCALES bytes.
 */
import { dot, product } from "./dot";
import { spread0, spread1, spread2, spread3 } from "./simd";
import { addSum, negated, shifted, started, starts, withStart } from "./unsignedSums";

/** Bytes of unpacked scales and minima: 16 for 4 rows each. */
export const SCALES: usize = 64;

/**
 * Adds 8 unpacked rows × 4 tokens of `parts` parts of tiles: a … d by token, of rows 0–3 and 4–7. Only the integer sums
 * fit into registers beside their operands; the f32 ones stay in scratch.
 */
export function tile<F>(sums: usize, w: usize, px: usize, pr: usize, parts: i32): void {
  const f = changetype<F>(0);
  const bias = negated<F>(f);
  do {
    const end = w + 256 / f.parts();
    let v0 = v128.load(w), v1 = v128.load(w, 16), x = v128.load(px);
    let y = spread0(x);
    let a0 = product(y, v0), a1 = product(y, v1);
    y = spread1(x);
    let b0 = product(y, v0), b1 = product(y, v1);
    y = spread2(x);
    let c0 = product(y, v0), c1 = product(y, v1);
    y = spread3(x);
    let d0 = product(y, v0), d1 = product(y, v1);
    w += 32;
    px += 16;
    do {
      v0 = v128.load(w); v1 = v128.load(w, 16); x = v128.load(px);
      y = spread0(x);
      a0 = dot(y, v0, a0); a1 = dot(y, v1, a1);
      y = spread1(x);
      b0 = dot(y, v0, b0); b1 = dot(y, v1, b1);
      y = spread2(x);
      c0 = dot(y, v0, c0); c1 = dot(y, v1, c1);
      y = spread3(x);
      d0 = dot(y, v0, d0); d1 = dot(y, v1, d1);
      w += 32;
      px += 16;
    } while (w < end);
    // parts of a tile take turns, the first one when an even number of parts is left
    if (f.parts() == 1 || (parts & 1) == 0) addFour<F>(sums, 0, a0, a1, b0, b1, c0, c1, d0, d1, pr, w, bias);
    else addFour<F>(sums, 1, a0, a1, b0, b1, c0, c1, d0, d1, pr, w, bias);
    w += SCALES;
    pr += 48;
  } while (--parts);
}

/**
 * The same for 8 tokens, for machines with registers for twice as many sums; choose.ts measures which is faster.
 * @param far bytes from a token tile's codes to the next one's @param farRecords the same of records
 */
export function wideTile<F>(sums: usize, w: usize, px: usize, far: usize, pr: usize, farRecords: usize, parts: i32): void {
  const f = changetype<F>(0);
  const bias = negated<F>(f);
  do {
    const end = w + 256 / f.parts();
    let v0 = v128.load(w), v1 = v128.load(w, 16), x = v128.load(px);
    let y = spread0(x);
    let a0 = product(y, v0), a1 = product(y, v1);
    y = spread1(x);
    let b0 = product(y, v0), b1 = product(y, v1);
    y = spread2(x);
    let c0 = product(y, v0), c1 = product(y, v1);
    y = spread3(x);
    let d0 = product(y, v0), d1 = product(y, v1);
    x = v128.load(px + far);
    y = spread0(x);
    let e0 = product(y, v0), e1 = product(y, v1);
    y = spread1(x);
    let f0 = product(y, v0), f1 = product(y, v1);
    y = spread2(x);
    let g0 = product(y, v0), g1 = product(y, v1);
    y = spread3(x);
    let h0 = product(y, v0), h1 = product(y, v1);
    w += 32;
    px += 16;
    do {
      v0 = v128.load(w); v1 = v128.load(w, 16); x = v128.load(px);
      y = spread0(x);
      a0 = dot(y, v0, a0); a1 = dot(y, v1, a1);
      y = spread1(x);
      b0 = dot(y, v0, b0); b1 = dot(y, v1, b1);
      y = spread2(x);
      c0 = dot(y, v0, c0); c1 = dot(y, v1, c1);
      y = spread3(x);
      d0 = dot(y, v0, d0); d1 = dot(y, v1, d1);
      x = v128.load(px + far);
      y = spread0(x);
      e0 = dot(y, v0, e0); e1 = dot(y, v1, e1);
      y = spread1(x);
      f0 = dot(y, v0, f0); f1 = dot(y, v1, f1);
      y = spread2(x);
      g0 = dot(y, v0, g0); g1 = dot(y, v1, g1);
      y = spread3(x);
      h0 = dot(y, v0, h0); h1 = dot(y, v1, h1);
      w += 32;
      px += 16;
    } while (w < end);
    if (f.parts() == 1 || (parts & 1) == 0) {
      addFour<F>(sums, 0, a0, a1, b0, b1, c0, c1, d0, d1, pr, w, bias);
      addFour<F>(sums + 128, 0, e0, e1, f0, f1, g0, g1, h0, h1, pr + farRecords, w, bias);
    } else {
      addFour<F>(sums, 1, a0, a1, b0, b1, c0, c1, d0, d1, pr, w, bias);
      addFour<F>(sums + 128, 1, e0, e1, f0, f1, g0, g1, h0, h1, pr + farRecords, w, bias);
    }
    w += SCALES;
    pr += 48;
  } while (--parts);
}

/** The same for 2 tokens, the first two of a tile. */
export function pairTile<F>(sums: usize, w: usize, px: usize, pr: usize, parts: i32): void {
  const f = changetype<F>(0);
  const bias = negated<F>(f);
  do {
    const end = w + 256 / f.parts();
    let v0 = v128.load(w), v1 = v128.load(w, 16), x = v128.load(px);
    let y = spread0(x);
    let a0 = product(y, v0), a1 = product(y, v1);
    y = spread1(x);
    let b0 = product(y, v0), b1 = product(y, v1);
    w += 32;
    px += 16;
    do {
      v0 = v128.load(w); v1 = v128.load(w, 16); x = v128.load(px);
      y = spread0(x);
      a0 = dot(y, v0, a0); a1 = dot(y, v1, a1);
      y = spread1(x);
      b0 = dot(y, v0, b0); b1 = dot(y, v1, b1);
      w += 32;
      px += 16;
    } while (w < end);
    if (f.parts() == 1 || (parts & 1) == 0) addTwo<F>(sums, 0, a0, a1, b0, b1, pr, w, bias);
    else addTwo<F>(sums, 1, a0, a1, b0, b1, pr, w, bias);
    w += SCALES;
    pr += 48;
  } while (--parts);
}

/** Adds the sums of 4 tokens. @param pr their records @param w scales and minima, unpacked */
@inline function addFour<F>(
  sums: usize, part: i32, a0: v128, a1: v128, b0: v128, b1: v128, c0: v128, c1: v128, d0: v128, d1: v128,
  pr: usize, w: usize, bias: v128,
): void {
  const f = changetype<F>(0);
  const d = v128.load(pr), total = v128.load(pr, 16);
  const shift = shifted<F>(f, total, bias);
  const start = starts<F>() ? started(v128.load(pr, 32), bias) : d;
  addToken<F>(sums, part, a0, a1, spread0(d), spread0(shift), spread0(total), spread0(start), w);
  addToken<F>(sums + 32, part, b0, b1, spread1(d), spread1(shift), spread1(total), spread1(start), w);
  addToken<F>(sums + 64, part, c0, c1, spread2(d), spread2(shift), spread2(total), spread2(start), w);
  addToken<F>(sums + 96, part, d0, d1, spread3(d), spread3(shift), spread3(total), spread3(start), w);
}

/** Adds the sums of the first 2 tokens. */
@inline function addTwo<F>(
  sums: usize, part: i32, a0: v128, a1: v128, b0: v128, b1: v128, pr: usize, w: usize, bias: v128,
): void {
  const f = changetype<F>(0);
  const d = v128.load(pr), total = v128.load(pr, 16);
  const shift = shifted<F>(f, total, bias);
  const start = starts<F>() ? started(v128.load(pr, 32), bias) : d;
  addToken<F>(sums, part, a0, a1, spread0(d), spread0(shift), spread0(total), spread0(start), w);
  addToken<F>(sums + 32, part, b0, b1, spread1(d), spread1(shift), spread1(total), spread1(start), w);
}

@inline function addToken<F>(
  sums: usize, part: i32, low: v128, high: v128, d: v128, shift: v128, total: v128, start: v128, w: usize,
): void {
  addSum<F>(part, withStart<F>(low, start), v128.load(w), v128.load(w, 32), d, shift, total, start, sums);
  addSum<F>(part, withStart<F>(high, start), v128.load(w, 16), v128.load(w, 48), d, shift, total, start, sums + 16);
}
