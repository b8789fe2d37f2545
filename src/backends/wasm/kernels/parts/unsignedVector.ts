/**
 * A product of one token with weights of unsigned.ts' family. Four groups of 8 rows at once: while one waits for memory, at
 * the beginning of a page, the loads of the others go on; and all of them take the same quads of activations, which are
 * spread once and stay in registers.
 *
 * Sums are kept in scratch: each store keeps V8 from loading all that follows at once, and spilling it.
 */
import { address, argument } from "./control";
import { dot, product } from "./dot";
import { balance, held, spread0, spread1, spread2, spread3 } from "./simd";
import { storeRows } from "./store";
import {
  addSum, clearSums, gather, isSuper, minimumOf, negated, resultOf, scaleOf, shifted, started, starts,
} from "./unsignedSums";

/** Groups from … to−1, four at once. Arguments of the command: as of matmulUnsigned. @param sums SUMS bytes of scratch */
export function vector<F>(command: usize, from: i32, to: i32, sums: usize): void { multiply<F>(command, from, to, sums, true); }

/** The same, one group after another: see oneStream in control.ts. */
export function vectorInTurn<F>(command: usize, from: i32, to: i32, sums: usize): void { multiply<F>(command, from, to, sums, false); }

@inline function multiply<F>(command: usize, from: i32, to: i32, sums: usize, four: bool): void {
  const f = changetype<F>(0);
  const bytes = <usize>(argument(command, 6) / (32 * f.tiles())) * f.bytes();
  const first = held(f.first()), second = held(f.second());
  const bias = negated<F>(f), factor = balance();
  for (let group = from; group < to; group += four ? 4 : 1) {
    let w = address(command, 1) + <usize>group * bytes;
    // groups beyond the last repeat the first
    const o1 = group + 1 < to ? bytes : 0, o2 = group + 2 < to ? 2 * bytes : 0, o3 = group + 3 < to ? 3 * bytes : 0;
    let px = address(command, 2);
    let pr = address(command, 3);
    clearSums<F>(sums, four ? 4 : 1);
    const last = w + bytes;
    do {
      let tile = w + f.head();
      const end = w + f.bytes();
      do {
        addPart<F>(four, tile, o1, o2, o3, 0, px, pr, first, second, bias, sums);
        if (f.parts() == 2) addPart<F>(four, tile, o1, o2, o3, 1, px + 16, pr + 12, first, second, bias, sums);
        tile += f.tile();
        px += 32;
        pr += 12 * f.parts();
      } while (isSuper<F>() && tile < end);
      if (isSuper<F>()) {
        gatherGroup<F>(w, sums);
        if (four) {
          gatherGroup<F>(w + o1, sums + 32);
          gatherGroup<F>(w + o2, sums + 64);
          gatherGroup<F>(w + o3, sums + 96);
        }
      }
      w += f.bytes();
    } while (w < last);
    const count = four ? min(4, to - group) : 1;
    for (let i = 0; i < count; i++)
      storeRows(command, 0, (group + i) << 3, resultOf<F>(sums + 32 * i, factor), resultOf<F>(sums + 32 * i + 16, factor));
  }
}

@inline function gatherGroup<F>(w: usize, sums: usize): void {
  const t = changetype<F>(w);
  gather<F>(t.d(0), t.d(1), t.m(0), t.m(1), sums);
}

/** A part's columns, 32 or 16, of a group or of four. */
@inline function addPart<F>(
  four: bool, w: usize, o1: usize, o2: usize, o3: usize, part: i32, px: usize, pr: usize, first: v128, second: v128, bias: v128, sums: usize,
): void {
  const f = changetype<F>(0);
  const x = v128.load(px), y = f.parts() == 1 ? v128.load(px, 16) : x;
  const x0 = spread0(x), x1 = spread1(x), x2 = spread2(x), x3 = spread3(x);
  const y0 = spread0(y), y1 = spread1(y), y2 = spread2(y), y3 = spread3(y);
  const d = v128.load32_splat(pr), total = v128.load32_splat(pr, 4);
  const start = starts<F>() ? started(v128.load32_splat(pr, 8), bias) : x;
  const shift = shifted<F>(f, total, bias);
  addGroup<F>(w, part, x0, x1, x2, x3, y0, y1, y2, y3, first, second, start, d, shift, total, sums);
  if (!four) return;
  addGroup<F>(w + o1, part, x0, x1, x2, x3, y0, y1, y2, y3, first, second, start, d, shift, total, sums + 32);
  addGroup<F>(w + o2, part, x0, x1, x2, x3, y0, y1, y2, y3, first, second, start, d, shift, total, sums + 64);
  addGroup<F>(w + o3, part, x0, x1, x2, x3, y0, y1, y2, y3, first, second, start, d, shift, total, sums + 96);
}

@inline function addGroup<F>(
  w: usize, part: i32, x0: v128, x1: v128, x2: v128, x3: v128, y0: v128, y1: v128, y2: v128, y3: v128,
  first: v128, second: v128, start: v128, d: v128, shift: v128, total: v128, sums: usize,
): void {
  const low = sumOf<F>(w, part, 0, x0, x1, x2, x3, y0, y1, y2, y3, first, second, start);
  addSum<F>(part, low, scaleOf<F>(w, 0, part, x0, x0), minimumOf<F>(w, 0, part, x0, x0), d, shift, total, start, sums);
  const high = sumOf<F>(w, part, 1, x0, x1, x2, x3, y0, y1, y2, y3, first, second, start);
  addSum<F>(part, high, scaleOf<F>(w, 1, part, x0, x0), minimumOf<F>(w, 1, part, x0, x0), d, shift, total, start, sums + 16);
}

/**
 * Sums of codes times activations, of 4 rows.
 * @param half rows 0–3 or 4–7 @param x0 … x3 quads of the part's first 16 columns @param y0 … y3 of the other 16, if it has 32
 */
@inline function sumOf<F>(
  w: usize, part: i32, half: i32, x0: v128, x1: v128, x2: v128, x3: v128, y0: v128, y1: v128, y2: v128, y3: v128,
  first: v128, second: v128, start: v128,
): v128 {
  const t = changetype<F>(w);
  let n = t.raw(0, half);
  let code = part == 0 ? t.low(n, 0, half, first, second) : t.high(n, 0, half, first, second);
  let sum = starts<F>() ? dot(x0, code, start) : product(x0, code);
  if (t.parts() == 1) sum = dot(y0, t.high(n, 0, half, first, second), sum);
  n = t.raw(1, half);
  code = part == 0 ? t.low(n, 1, half, first, second) : t.high(n, 1, half, first, second);
  sum = dot(x1, code, sum);
  if (t.parts() == 1) sum = dot(y1, t.high(n, 1, half, first, second), sum);
  n = t.raw(2, half);
  code = part == 0 ? t.low(n, 2, half, first, second) : t.high(n, 2, half, first, second);
  sum = dot(x2, code, sum);
  if (t.parts() == 1) sum = dot(y2, t.high(n, 2, half, first, second), sum);
  n = t.raw(3, half);
  code = part == 0 ? t.low(n, 3, half, first, second) : t.high(n, 3, half, first, second);
  sum = dot(x3, code, sum);
  return t.parts() == 1 ? dot(y3, t.high(n, 3, half, first, second), sum) : sum;
}
