/**
 * Matrix-vector product with weights of the unsigned family. Four groups of 8 rows at once: while one waits for memory, at
 * the start of a page, the data of the others keeps arriving. All of them use the same quads of activations,
 * which are broadcast once and stay in registers.
 *
 * Sums are in scratch: each store prevents V8 from hoisting all following loads, which would spill registers.
 */
import { address, argument } from "./control";
import { dot, product, startsIn16, widen } from "./dot";
import { held, spread0, spread1, spread2, spread3 } from "./simd";
import { storeRows } from "./store";
import { addHalf, ALL, gather, isSuper, negated, shifted, started, VECTOR_SUMS, wraps } from "./unsignedSums";

/** True if sums of codes start from the bias. */
@inline function starts<F>(): bool {
  const f = changetype<F>(0);
  return isSuper<F>() ? f.bias() != 0 : wraps<F>(f);
}

/** Groups from … to−1. Arguments of the command: as of matmulUnsigned. @param sums VECTOR_SUMS bytes of scratch */
export function vector<F>(command: usize, from: i32, to: i32, sums: usize): void {
  const f = changetype<F>(0);
  const bytes = <usize>(argument(command, 6) / (32 * f.tiles())) * f.bytes();
  const first = held(f.first()), second = held(f.second());
  const bias = isSuper<F>() ? held(i16x8.splat(<i16>-f.bias())) : negated<F>(f);
  for (let group = from; group < to; group += 4) {
    let w = address(command, 1) + <usize>group * bytes;
    // groups beyond the last repeat the first
    const o1 = group + 1 < to ? bytes : 0, o2 = group + 2 < to ? 2 * bytes : 0, o3 = group + 3 < to ? 3 * bytes : 0;
    let px = address(command, 2);
    let pr = address(command, 3);
    memory.fill(sums, 0, VECTOR_SUMS);
    const last = w + bytes;
    do {
      let tile = w + f.head();
      const end = w + f.bytes();
      do {
        addPart<F>(tile, o1, o2, o3, 0, px, pr, first, second, bias, sums);
        if (f.parts() == 2) addPart<F>(tile, o1, o2, o3, 1, px + 16, pr + 12, first, second, bias, sums);
        tile += f.tile();
        px += 32;
        pr += 12 * f.parts();
      } while (isSuper<F>() && tile < end);
      if (isSuper<F>()) {
        gather<F>(w, sums);
        gather<F>(w + o1, sums + 32);
        gather<F>(w + o2, sums + 64);
        gather<F>(w + o3, sums + 96);
      }
      w += f.bytes();
    } while (w < last);
    const result = isSuper<F>() ? sums + ALL : sums;
    for (let i = 0; i < min(4, to - group); i++)
      storeRows(command, 0, (group + i) << 3, v128.load(result + 32 * i), v128.load(result + 32 * i, 16));
  }
}

/** A part's columns, 32 or 16, of four groups. */
@inline function addPart<F>(
  w: usize, o1: usize, o2: usize, o3: usize, part: i32, px: usize, pr: usize, first: v128, second: v128, bias: v128, sums: usize,
): void {
  const f = changetype<F>(0);
  const x = v128.load(px), y = f.parts() == 1 ? v128.load(px, 16) : x;
  const x0 = spread0(x), x1 = spread1(x), x2 = spread2(x), x3 = spread3(x);
  const y0 = spread0(y), y1 = spread1(y), y2 = spread2(y), y3 = spread3(y);
  const d = v128.load32_splat(pr), total = v128.load32_splat(pr, 4);
  let start = x;
  if (starts<F>()) {
    start = started(v128.load32_splat(pr, 8), bias);
    if (!startsIn16()) start = widen(start);
  }
  const shift = isSuper<F>() ? total : shifted<F>(f, total, bias);
  addGroup<F>(w, part, x0, x1, x2, x3, y0, y1, y2, y3, first, second, start, d, shift, total, sums);
  addGroup<F>(w + o1, part, x0, x1, x2, x3, y0, y1, y2, y3, first, second, start, d, shift, total, sums + 32);
  addGroup<F>(w + o2, part, x0, x1, x2, x3, y0, y1, y2, y3, first, second, start, d, shift, total, sums + 64);
  addGroup<F>(w + o3, part, x0, x1, x2, x3, y0, y1, y2, y3, first, second, start, d, shift, total, sums + 96);
}

@inline function addGroup<F>(
  w: usize, part: i32, x0: v128, x1: v128, x2: v128, x3: v128, y0: v128, y1: v128, y2: v128, y3: v128,
  first: v128, second: v128, start: v128, d: v128, shift: v128, total: v128, sums: usize,
): void {
  const low = sumOf<F>(w, part, 0, x0, x1, x2, x3, y0, y1, y2, y3, first, second, start);
  addHalf<F>(w, 0, part, low, d, shift, total, start, sums);
  const high = sumOf<F>(w, part, 1, x0, x1, x2, x3, y0, y1, y2, y3, first, second, start);
  addHalf<F>(w, 1, part, high, d, shift, total, start, sums);
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
