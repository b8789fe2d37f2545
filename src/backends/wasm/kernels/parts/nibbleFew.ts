/**
 * Products of 2 … 8 tokens with weights that are nibbles, of unsigned.ts' family. Weights are read as they are packed, 8 rows
 * at a time, and each code is multiplied with up to 4 tokens while it is in a register. More than 4 tokens take a second
 * turn, in which the 8 rows come from the first-level cache: splitting nibbles twice costs less than storing codes would.
 *
 * The inner loop is a quad of either half of the columns. Unrolled, it is a third slower: V8 loads all of a tile first, and
 * spills it.
 */
import { address, argument, rowsOf } from "./control";
import { dot, product } from "./dot";
import { balance, halfMask, held, spread0, spread1, spread2, spread3 } from "./simd";
import { storeRows } from "./store";
import { addSum, clearSums, gather, isSuper, minimumOf, negated, resultOf, scaleOf, shifted } from "./unsignedSums";

/** Bytes of a quad of 8 rows. */
const QUAD: usize = 32;

/** Groups from … to−1. Arguments of the command: as of matmulUnsigned. @param sums SUMS bytes of scratch */
export function few<F>(command: usize, from: i32, to: i32, sums: usize): void {
  const f = changetype<F>(0);
  const columns = argument(command, 6);
  const rows = rowsOf(argument(command, 0));
  const bytes = <usize>(columns / (32 * f.tiles())) * f.bytes();
  const far: usize = columns << 2, farRecords: usize = (columns >> 5) * 48;
  const factor = balance();
  for (let group = from; group < to; group++) {
    const w = address(command, 1) + <usize>group * bytes;
    let px = address(command, 2);
    let pr = address(command, 3);
    for (let row = 0; row < rows; row += 4) {
      const count = min(4, rows - row);
      if (count > 2) fourTokens<F>(w, bytes, px, pr, sums);
      else twoTokens<F>(w, bytes, px, pr, sums);
      for (let t = 0; t < count; t++)
        storeRows(command, row + t, group << 3, resultOf<F>(sums + 32 * t, factor), resultOf<F>(sums + 32 * t + 16, factor));
      px += far;
      pr += farRecords;
    }
  }
}

/** 8 rows × 4 tokens: sums a … d by token, of rows 0–3 and 4–7. @param px, pr codes and records of the tile of tokens */
function fourTokens<F>(w: usize, bytes: usize, px: usize, pr: usize, sums: usize): void {
  const f = changetype<F>(0);
  const nibble = held(f.first()), zero = held(f.second());
  const bias = negated<F>(f), mask = halfMask(), factor = balance();
  clearSums<F>(sums, 4);
  const last = w + bytes;
  do {
    let tile = w + f.head();
    const end = w + f.bytes();
    do {
      let q = tile;
      const stop = q + 3 * QUAD;
      let n0 = changetype<F>(q).raw(0, 0), n1 = changetype<F>(q).raw(0, 1), x = v128.load(px);
      let v0 = f.low(n0, 0, 0, nibble, zero), v1 = f.low(n1, 0, 1, nibble, zero);
      let y = spread0(x);
      let a0 = product(y, v0), a1 = product(y, v1);
      y = spread1(x);
      let b0 = product(y, v0), b1 = product(y, v1);
      y = spread2(x);
      let c0 = product(y, v0), c1 = product(y, v1);
      y = spread3(x);
      let d0 = product(y, v0), d1 = product(y, v1);
      while (true) {
        x = v128.load(px, 64);
        v0 = f.high(n0, 0, 0, nibble, zero); v1 = f.high(n1, 0, 1, nibble, zero);
        y = spread0(x);
        a0 = dot(y, v0, a0); a1 = dot(y, v1, a1);
        y = spread1(x);
        b0 = dot(y, v0, b0); b1 = dot(y, v1, b1);
        y = spread2(x);
        c0 = dot(y, v0, c0); c1 = dot(y, v1, c1);
        y = spread3(x);
        d0 = dot(y, v0, d0); d1 = dot(y, v1, d1);
        if (q == stop) break;
        q += QUAD;
        px += 16;
        n0 = changetype<F>(q).raw(0, 0); n1 = changetype<F>(q).raw(0, 1); x = v128.load(px);
        v0 = f.low(n0, 0, 0, nibble, zero); v1 = f.low(n1, 0, 1, nibble, zero);
        y = spread0(x);
        a0 = dot(y, v0, a0); a1 = dot(y, v1, a1);
        y = spread1(x);
        b0 = dot(y, v0, b0); b1 = dot(y, v1, b1);
        y = spread2(x);
        c0 = dot(y, v0, c0); c1 = dot(y, v1, c1);
        y = spread3(x);
        d0 = dot(y, v0, d0); d1 = dot(y, v1, d1);
      }
      px += 80;
      addFour<F>(tile, a0, a1, b0, b1, c0, c1, d0, d1, pr, bias, mask, factor, sums);
      tile += f.tile();
      pr += 48;
    } while (isSuper<F>() && tile < end);
    if (isSuper<F>()) gatherTokens<F>(w, sums, 4);
    w += f.bytes();
  } while (w < last);
}

/** 8 rows × 2 tokens, the first two of their tile. */
function twoTokens<F>(w: usize, bytes: usize, px: usize, pr: usize, sums: usize): void {
  const f = changetype<F>(0);
  const nibble = held(f.first()), zero = held(f.second());
  const bias = negated<F>(f), mask = halfMask(), factor = balance();
  clearSums<F>(sums, 2);
  const last = w + bytes;
  do {
    let tile = w + f.head();
    const end = w + f.bytes();
    do {
      let q = tile;
      const stop = q + 3 * QUAD;
      let n0 = changetype<F>(q).raw(0, 0), n1 = changetype<F>(q).raw(0, 1), x = v128.load(px);
      let v0 = f.low(n0, 0, 0, nibble, zero), v1 = f.low(n1, 0, 1, nibble, zero);
      let y = spread0(x);
      let a0 = product(y, v0), a1 = product(y, v1);
      y = spread1(x);
      let b0 = product(y, v0), b1 = product(y, v1);
      while (true) {
        x = v128.load(px, 64);
        v0 = f.high(n0, 0, 0, nibble, zero); v1 = f.high(n1, 0, 1, nibble, zero);
        y = spread0(x);
        a0 = dot(y, v0, a0); a1 = dot(y, v1, a1);
        y = spread1(x);
        b0 = dot(y, v0, b0); b1 = dot(y, v1, b1);
        if (q == stop) break;
        q += QUAD;
        px += 16;
        n0 = changetype<F>(q).raw(0, 0); n1 = changetype<F>(q).raw(0, 1); x = v128.load(px);
        v0 = f.low(n0, 0, 0, nibble, zero); v1 = f.low(n1, 0, 1, nibble, zero);
        y = spread0(x);
        a0 = dot(y, v0, a0); a1 = dot(y, v1, a1);
        y = spread1(x);
        b0 = dot(y, v0, b0); b1 = dot(y, v1, b1);
      }
      px += 80;
      addTwo<F>(tile, a0, a1, b0, b1, pr, bias, mask, factor, sums);
      tile += f.tile();
      pr += 48;
    } while (isSuper<F>() && tile < end);
    if (isSuper<F>()) gatherTokens<F>(w, sums, 2);
    w += f.bytes();
  } while (w < last);
}

@inline function addFour<F>(
  w: usize, a0: v128, a1: v128, b0: v128, b1: v128, c0: v128, c1: v128, d0: v128, d1: v128,
  pr: usize, bias: v128, mask: v128, factor: v128, sums: usize,
): void {
  const f = changetype<F>(0);
  const d = v128.load(pr), total = v128.load(pr, 16);
  const shift = shifted<F>(f, total, bias);
  const s0 = scaleOf<F>(w, 0, 0, mask, factor), s1 = scaleOf<F>(w, 1, 0, mask, factor);
  const m0 = minimumOf<F>(w, 0, 0, mask, factor), m1 = minimumOf<F>(w, 1, 0, mask, factor);
  addToken<F>(a0, a1, s0, s1, m0, m1, spread0(d), spread0(shift), spread0(total), sums);
  addToken<F>(b0, b1, s0, s1, m0, m1, spread1(d), spread1(shift), spread1(total), sums + 32);
  addToken<F>(c0, c1, s0, s1, m0, m1, spread2(d), spread2(shift), spread2(total), sums + 64);
  addToken<F>(d0, d1, s0, s1, m0, m1, spread3(d), spread3(shift), spread3(total), sums + 96);
}

@inline function addTwo<F>(
  w: usize, a0: v128, a1: v128, b0: v128, b1: v128,
  pr: usize, bias: v128, mask: v128, factor: v128, sums: usize,
): void {
  const f = changetype<F>(0);
  const d = v128.load(pr), total = v128.load(pr, 16);
  const shift = shifted<F>(f, total, bias);
  const s0 = scaleOf<F>(w, 0, 0, mask, factor), s1 = scaleOf<F>(w, 1, 0, mask, factor);
  const m0 = minimumOf<F>(w, 0, 0, mask, factor), m1 = minimumOf<F>(w, 1, 0, mask, factor);
  addToken<F>(a0, a1, s0, s1, m0, m1, spread0(d), spread0(shift), spread0(total), sums);
  addToken<F>(b0, b1, s0, s1, m0, m1, spread1(d), spread1(shift), spread1(total), sums + 32);
}

@inline function addToken<F>(
  low: v128, high: v128, s0: v128, s1: v128, m0: v128, m1: v128, d: v128, shift: v128, total: v128, sums: usize,
): void {
  addSum<F>(0, low, s0, m0, d, shift, total, d, sums);
  addSum<F>(0, high, s1, m1, d, shift, total, d, sums + 16);
}

/** @param w the packed super-block */
@inline function gatherTokens<F>(w: usize, sums: usize, tokens: usize): void {
  const t = changetype<F>(w);
  const d0 = t.d(0), d1 = t.d(1), m0 = t.m(0), m1 = t.m(1);
  for (const end = sums + (tokens << 5); sums < end; sums += 32) gather<F>(d0, d1, m0, m1, sums);
}
