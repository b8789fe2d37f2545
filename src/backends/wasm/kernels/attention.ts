/**
 * Causal attention over the cache, fused: scores, softmax and the mix of values, 4 query rows at a time that share a
 * key head, so that keys and values are read once for them: neighbouring heads of a group, then of neighbouring tokens.
 * Work is shared out by key head and tile of 4 query rows.
 *
 * Arguments: 0 queries [T, H·headSize], 1 output, 2 H, 3 G key heads, 4 headSize, 5 elements before (see cache.ts),
 * 6 scale, 7 window or 0, 8 softcap or 0, 9 scratch, 10 scratch bytes per thread: (4·context + 16)·4.
 */
import { bytesQ8, CacheF16, CacheF32, cacheBytes, codes4, layerKeys, layerValues } from "./parts/cache";
import { address, argument, cacheContext, cacheKind, number, past, shareFrom, shareTo, tokens } from "./parts/control";
import { exp4, half, half4, madd, max4, sum4, tanh4 } from "./parts/simd";

/** Positions whose values stay in the first-level cache while all columns of them are mixed. */
const SPAN: usize = 64;

export function attention(command: usize, thread: i32, threads: i32): void {
  const group = argument(command, 2) / argument(command, 3);
  const tiles = (tokens() * group + 3) >> 2;
  const items = tiles * argument(command, 3);
  const last = shareTo(items, thread, threads);
  const scratch = address(command, 9) + <usize>thread * address(command, 10);
  for (let item = shareFrom(items, thread, threads); item < last; item++)
    attend(command, item / tiles, (item % tiles) << 2, group, scratch);
}

/** Query row `row` of a key head (token-major, heads of the group within): byte offset in queries and output. */
@inline function offsetOf(command: usize, head: i32, row: i32, group: i32): usize {
  return <usize>(((row / group) * argument(command, 2) + head * group + (row % group)) * argument(command, 4)) << 2;
}

function attend(command: usize, head: i32, row: i32, group: i32, scratch: usize): void {
  const size: usize = argument(command, 4);
  const window = argument(command, 7);
  // rows beyond the last repeat it
  const most = tokens() * group - 1;
  const r0 = row, r1 = min(row + 1, most), r2 = min(row + 2, most), r3 = min(row + 3, most);
  const e0 = past() + r0 / group + 1, e1 = past() + r1 / group + 1, e2 = past() + r2 / group + 1, e3 = past() + r3 / group + 1;
  const from: usize = (window > 0 ? max(0, e0 - window) : 0) & ~3;
  const to: usize = (e3 + 3) & ~3;
  const stride = (to - from) << 2;

  const q0 = address(command, 0) + offsetOf(command, head, r0, group);
  const q1 = address(command, 0) + offsetOf(command, head, r1, group);
  const q2 = address(command, 0) + offsetOf(command, head, r2, group);
  const q3 = address(command, 0) + offsetOf(command, head, r3, group);
  const kind = cacheKind();
  const rowBytes = cacheBytes(kind, size);
  let k = layerKeys(address(command, 5)) + (<usize>head * cacheContext() + from) * rowBytes;
  let s = scratch;
  for (let position = from; position < to; position += 4) {
    if (kind == 0) scores<CacheF32>(q0, q1, q2, q3, k, size, s, stride);
    else if (kind == 1) scores<CacheF16>(q0, q1, q2, q3, k, size, s, stride);
    else scoresQ8(q0, q1, q2, q3, k, size, s, stride);
    k += rowBytes << 2;
    s += 16;
  }
  const sum0 = soften(command, scratch, from, to, e0, window);
  const sum1 = soften(command, scratch + stride, from, to, e1, window);
  const sum2 = soften(command, scratch + 2 * stride, from, to, e2, window);
  const sum3 = soften(command, scratch + 3 * stride, from, to, e3, window);

  const out0 = address(command, 1) + offsetOf(command, head, r0, group);
  const out1 = address(command, 1) + offsetOf(command, head, r1, group);
  const out2 = address(command, 1) + offsetOf(command, head, r2, group);
  const out3 = address(command, 1) + offsetOf(command, head, r3, group);
  const values = layerValues(address(command, 5), <usize>argument(command, 3) * size) + <usize>head * cacheContext() * rowBytes;
  // rows that repeat the last one write the same values to the same place, one after the other
  for (let begin = from; begin < to; begin += SPAN) {
    const end = min<usize>(begin + SPAN, <usize>e3);
    const weights = scratch + ((begin - from) << 2);
    const first = begin == from;
    const final = begin + SPAN >= to;
    let column: usize = 0;
    for (; column + 8 <= size; column += 8) {
      let a0 = f32x4.splat(0), a1 = a0, b0 = a0, b1 = a0, c0 = a0, c1 = a0, d0 = a0, d1 = a0;
      if (!first) {
        a0 = v128.load(out0 + (column << 2)); a1 = v128.load(out0 + (column << 2), 16);
        b0 = v128.load(out1 + (column << 2)); b1 = v128.load(out1 + (column << 2), 16);
        c0 = v128.load(out2 + (column << 2)); c1 = v128.load(out2 + (column << 2), 16);
        d0 = v128.load(out3 + (column << 2)); d1 = v128.load(out3 + (column << 2), 16);
      }
      let w0 = weights, w1 = weights + stride, w2 = w1 + stride, w3 = w2 + stride;
      let v = values + begin * rowBytes;
      for (let position = begin; position < end; position++) {
        let v0: v128, v1: v128;
        if (kind == 0) {
          v0 = v128.load(v + (column << 2));
          v1 = v128.load(v + (column << 2), 16);
        } else if (kind == 1) {
          v0 = half4(v + (column << 1));
          v1 = half4(v + (column << 1) + 8);
        } else {
          const at = v + bytesQ8(column);
          const scale = f32x4.splat(half(at));
          v0 = f32x4.mul(codes4(at + 2 + (column & 31)), scale);
          v1 = f32x4.mul(codes4(at + 6 + (column & 31)), scale);
        }
        let p = v128.load32_splat(w0);
        a0 = madd(v0, p, a0); a1 = madd(v1, p, a1);
        p = v128.load32_splat(w1);
        b0 = madd(v0, p, b0); b1 = madd(v1, p, b1);
        p = v128.load32_splat(w2);
        c0 = madd(v0, p, c0); c1 = madd(v1, p, c1);
        p = v128.load32_splat(w3);
        d0 = madd(v0, p, d0); d1 = madd(v1, p, d1);
        v += rowBytes;
        w0 += 4; w1 += 4; w2 += 4; w3 += 4;
      }
      if (final) {
        a0 = f32x4.mul(a0, f32x4.splat(1 / sum0)); a1 = f32x4.mul(a1, f32x4.splat(1 / sum0));
        b0 = f32x4.mul(b0, f32x4.splat(1 / sum1)); b1 = f32x4.mul(b1, f32x4.splat(1 / sum1));
        c0 = f32x4.mul(c0, f32x4.splat(1 / sum2)); c1 = f32x4.mul(c1, f32x4.splat(1 / sum2));
        d0 = f32x4.mul(d0, f32x4.splat(1 / sum3)); d1 = f32x4.mul(d1, f32x4.splat(1 / sum3));
      }
      v128.store(out0 + (column << 2), a0); v128.store(out0 + (column << 2), a1, 16);
      v128.store(out1 + (column << 2), b0); v128.store(out1 + (column << 2), b1, 16);
      v128.store(out2 + (column << 2), c0); v128.store(out2 + (column << 2), c1, 16);
      v128.store(out3 + (column << 2), d0); v128.store(out3 + (column << 2), d1, 16);
    }
    for (; column < size; column++) {
      mixColumn(weights, values, begin, end, column, rowBytes, out0, first, final, sum0);
      mixColumn(weights + stride, values, begin, end, column, rowBytes, out1, first, final, sum1);
      mixColumn(weights + 2 * stride, values, begin, end, column, rowBytes, out2, first, final, sum2);
      mixColumn(weights + 3 * stride, values, begin, end, column, rowBytes, out3, first, final, sum3);
    }
  }
}

/** One column of one row, for head sizes that are no multiple of 8 (never q8_0, which needs 32). */
function mixColumn(
  weights: usize, values: usize, begin: usize, end: usize, column: usize, rowBytes: usize,
  out: usize, first: bool, final: bool, sum: f32,
): void {
  let total: f32 = first ? 0 : load<f32>(out + (column << 2));
  let v = values + begin * rowBytes;
  for (let position = begin; position < end; position++) {
    const value = cacheKind() == 0 ? load<f32>(v + (column << 2)) : half(v + (column << 1));
    total += load<f32>(weights) * value;
    weights += 4;
    v += rowBytes;
  }
  store<f32>(out + (column << 2), final ? total / sum : total);
}

/** Dots of 4 query rows with 4 keys. */
@inline function scores<C>(q0: usize, q1: usize, q2: usize, q3: usize, k: usize, size: usize, s: usize, stride: usize): void {
  const cache = changetype<C>(0);
  let a = f32x4.splat(0), b = a, c = a, d = a;
  const end = q0 + (size << 2);
  while (q0 < end) {
    const key = cache.at(k, 0);
    a = madd(key, v128.load32_splat(q0), a);
    b = madd(key, v128.load32_splat(q1), b);
    c = madd(key, v128.load32_splat(q2), c);
    d = madd(key, v128.load32_splat(q3), d);
    k += cache.bytes(4);
    q0 += 4; q1 += 4; q2 += 4; q3 += 4;
  }
  v128.store(s, a);
  v128.store(s + stride, b);
  v128.store(s + 2 * stride, c);
  v128.store(s + 3 * stride, d);
}

@inline function scoresQ8(q0: usize, q1: usize, q2: usize, q3: usize, k: usize, size: usize, s: usize, stride: usize): void {
  let A = f32x4.splat(0), B = A, C = A, D = A;
  for (let column: usize = 0; column < size; column += 32) {
    let a = f32x4.splat(0), b = a, c = a, d = a;
    const scale = half4(k);
    k += 8;
    for (const end = k + 128; k < end; k += 4) {
      const key = codes4(k);
      a = madd(key, v128.load32_splat(q0), a);
      b = madd(key, v128.load32_splat(q1), b);
      c = madd(key, v128.load32_splat(q2), c);
      d = madd(key, v128.load32_splat(q3), d);
      q0 += 4; q1 += 4; q2 += 4; q3 += 4;
    }
    A = madd(a, scale, A); B = madd(b, scale, B); C = madd(c, scale, C); D = madd(d, scale, D);
  }
  v128.store(s, A);
  v128.store(s + stride, B);
  v128.store(s + 2 * stride, C);
  v128.store(s + 3 * stride, D);
}

/**
 * Scores of one row → exponentials, 0 where the row may not look: outside from … end−1, or before its window.
 * Returns their sum.
 */
function soften(command: usize, row: usize, from: usize, to: usize, end: i32, window: i32): f32 {
  const scale = f32x4.splat(number(command, 6));
  const cap = number(command, 8);
  const begin = window > 0 ? max(0, end - window) : 0;
  const count = (to - from) << 2;
  let most = f32x4.splat(-Infinity);
  let positions = i32x4.add(i32x4.splat(<i32>from), i32x4(0, 1, 2, 3));
  for (let i: usize = 0; i < count; i += 16) {
    let s = f32x4.mul(v128.load(row + i), scale);
    if (cap > 0) s = f32x4.mul(tanh4(f32x4.div(s, f32x4.splat(cap))), f32x4.splat(cap));
    const seen = v128.and(i32x4.ge_s(positions, i32x4.splat(begin)), i32x4.lt_s(positions, i32x4.splat(end)));
    s = v128.bitselect(s, f32x4.splat(-Infinity), seen);
    most = f32x4.pmax(most, s);
    v128.store(row + i, s);
    positions = i32x4.add(positions, i32x4.splat(4));
  }
  const peak = f32x4.splat(max4(most));
  let sum = f32x4.splat(0);
  for (let i: usize = 0; i < count; i += 16) {
    const e = exp4(f32x4.sub(v128.load(row + i), peak));
    sum = f32x4.add(sum, e);
    v128.store(row + i, e);
  }
  return sum4(sum);
}
