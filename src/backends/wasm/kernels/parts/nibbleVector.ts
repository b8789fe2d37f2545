/**
 * Matrix-vector product with 4-bit weights of the unsigned family, like unsignedVector.ts, but quad by
 * quad: the eight sums of four groups are independent chains, which wait less for each other than those of a row's columns.
 * This is 10% faster in Node 24 and Chromium.
 *
 * The first iteration is before the loop. Then V8 keeps the loads of an iteration between its products, because sums are
 * used in the order they were computed (see tile.ts).
 */
import { address, argument } from "./control";
import { dot, product } from "./dot";
import { balance, halfMask, held } from "./simd";
import { storeRows } from "./store";
import { negated, scaled, shifted } from "./unsignedSums";

/** Bytes of a quad of 8 rows. */
const QUAD: usize = 32;

/** Groups from … to−1, four at once. Arguments of the command: as of matmulUnsigned. @param sums 128 bytes of scratch */
export function nibbleVector<F>(command: usize, from: i32, to: i32, sums: usize): void { multiply<F>(command, from, to, sums, true); }

/** The same, one group after another: see oneStream in control.ts. */
export function nibbleVectorInTurn<F>(command: usize, from: i32, to: i32, sums: usize): void { multiply<F>(command, from, to, sums, false); }

@inline function multiply<F>(command: usize, from: i32, to: i32, sums: usize, four: bool): void {
  const f = changetype<F>(0);
  const bytes = <usize>(argument(command, 6) >> 5) * f.bytes();
  const first = held(f.first()), bias = negated<F>(f);
  const mask = halfMask(), factor = balance();
  for (let group = from; group < to; group += four ? 4 : 1) {
    let w = address(command, 1) + <usize>group * bytes;
    // groups beyond the last repeat the first
    const o1 = group + 1 < to ? bytes : 0, o2 = group + 2 < to ? 2 * bytes : 0, o3 = group + 3 < to ? 3 * bytes : 0;
    let px = address(command, 2);
    let pr = address(command, 3);
    for (let i: usize = 0; i < <usize>(four ? 128 : 32); i += 16) v128.store(sums + i, f32x4.splat(0));
    const last = w + bytes;
    do {
      let p = w, q = w + o1, r = w + o2, s = w + o3;
      let x = v128.load32_splat(px), y = v128.load32_splat(px, 16);
      let a0 = begun<F>(p, 0, x, y, first);
      let a1 = begun<F>(p, 1, x, y, first);
      let b0 = a0, b1 = a0, c0 = a0, c1 = a0, d0 = a0, d1 = a0;
      if (four) {
        b0 = begun<F>(q, 0, x, y, first);
        b1 = begun<F>(q, 1, x, y, first);
        c0 = begun<F>(r, 0, x, y, first);
        c1 = begun<F>(r, 1, x, y, first);
        d0 = begun<F>(s, 0, x, y, first);
        d1 = begun<F>(s, 1, x, y, first);
      }
      const stop = px + 12;
      do {
        px += 4;
        p += QUAD;
        if (four) { q += QUAD; r += QUAD; s += QUAD; }
        x = v128.load32_splat(px); y = v128.load32_splat(px, 16);
        a0 = continued<F>(p, 0, x, y, first, a0);
        a1 = continued<F>(p, 1, x, y, first, a1);
        if (four) {
          b0 = continued<F>(q, 0, x, y, first, b0);
          b1 = continued<F>(q, 1, x, y, first, b1);
          c0 = continued<F>(r, 0, x, y, first, c0);
          c1 = continued<F>(r, 1, x, y, first, c1);
          d0 = continued<F>(s, 0, x, y, first, d0);
          d1 = continued<F>(s, 1, x, y, first, d1);
        }
      } while (px < stop);
      const d = f32x4.mul(v128.load32_splat(pr), factor), total = f32x4.mul(v128.load32_splat(pr, 4), factor);
      const shift = shifted<F>(f, total, bias);
      addHalf<F>(w, 0, a0, d, shift, total, mask, sums);
      addHalf<F>(w, 1, a1, d, shift, total, mask, sums);
      if (four) {
        addHalf<F>(w + o1, 0, b0, d, shift, total, mask, sums + 32);
        addHalf<F>(w + o1, 1, b1, d, shift, total, mask, sums + 32);
        addHalf<F>(w + o2, 0, c0, d, shift, total, mask, sums + 64);
        addHalf<F>(w + o2, 1, c1, d, shift, total, mask, sums + 64);
        addHalf<F>(w + o3, 0, d0, d, shift, total, mask, sums + 96);
        addHalf<F>(w + o3, 1, d1, d, shift, total, mask, sums + 96);
      }
      w += f.bytes();
      px += 20;
      pr += 12;
    } while (w < last);
    const count = four ? min(4, to - group) : 1;
    for (let i = 0; i < count; i++)
      storeRows(command, 0, (group + i) << 3, balanced(sums + 32 * i, factor), balanced(sums + 32 * i + 16, factor));
  }
}

/** The products of two quads, 16 columns apart. @param w the tile, moved on to its quad @param half rows 0–3 or 4–7 */
@inline function begun<F>(w: usize, half: i32, x: v128, y: v128, mask: v128): v128 {
  const f = changetype<F>(w), n = f.raw(0, half);
  return dot(y, f.high(n, 0, half, mask, mask), product(x, f.low(n, 0, half, mask, mask)));
}

@inline function continued<F>(w: usize, half: i32, x: v128, y: v128, mask: v128, sum: v128): v128 {
  const f = changetype<F>(w), n = f.raw(0, half);
  return dot(y, f.high(n, 0, half, mask, mask), dot(x, f.low(n, 0, half, mask, mask), sum));
}

/**
 * Adds the scaled sums of 4 rows. Scales of weights stay tiny (see simd.ts), which saves a multiplication each; those of
 * activations compensate for it, and results are corrected at the end.
 */
@inline function addHalf<F>(w: usize, half: i32, sum: v128, d: v128, shift: v128, total: v128, mask: v128, sums: usize): void {
  const f = changetype<F>(w);
  const scale = f.tinyD(half, mask), minimum = f.tinyM(half, mask);
  v128.store(sums + 16 * half, scaled<F>(f, sum, d, shift, scale, total, minimum, v128.load(sums + 16 * half)));
}

@inline function balanced(sums: usize, factor: v128): v128 { return f32x4.mul(v128.load(sums), factor); }
