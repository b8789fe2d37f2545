/**
 * Causal attention over the cache, fused: scores, softmax and the mix of values, 4 query rows at a time that share a
 * key head, so that keys and values are read once for them: neighbouring heads of a group, then of neighbouring tokens.
 * Work is shared out by sequence, key head and tile of 4 rows; for a single token, whose tiles are few, also by chunk of positions,
 * and the thread that finishes a tile's last chunk joins them. Chunks do not depend on the threads, so neither do results.
 *
 * Arguments: 0 queries [T, H·headSize], 1 output, 2 H, 3 G key heads, 4 headSize, 5 filled elements before (see cache.ts),
 * 6 scale, 7 window or 0, 8 softcap or 0, 9 scratch, 10 scratch bytes per thread, 11 partial results, 12 counters (zeros).
 *
 * Scratch: queries [S][4 rows] f32 (q8_0: [S/2][4 rows][2] i16, and a scale per row), mix [4 rows][S], then scores.
 * A partial result: 4 maxima, 4 sums, mix [4 rows][S], f32.
 */
import { attendSequences } from "./attentionSequences";
import { cacheBytes, F16, F32, filled, halvesHigh, halvesLow, halvesMask, HALF_BIAS, layerKeys, layerValues } from "./parts/cache";
import {
  address, argument, cacheBase, cacheContext, cacheKind, cacheStride, claim, number, past, piecesOf, sequence, shareFrom, shareTo,
  tokens,
} from "./parts/control";
import { exp4, half, half4, madd, max4, spread0, spread1, spread2, spread3, tanh4 } from "./parts/simd";

/** Positions of a chunk. */
const CHUNK: i32 = 256;
/** Positions whose values stay in the first-level cache while all columns of them are mixed. */
const SPAN: usize = 64;

export function attention(command: usize, thread: i32, threads: i32): void {
  if (cacheBase() == 0) return attendSequences(command, thread, threads);
  const group = argument(command, 2) / argument(command, 3);
  const heads = argument(command, 3);
  const tiles = (sequence() * group + 3) >> 2;
  const end = past() + sequence();
  const window = argument(command, 7);
  const begin = window > 0 && tokens() == 1 ? max(0, end - window) : 0;
  const chunks = tokens() == 1 ? (end - begin + CHUNK - 1) / CHUNK : 1;
  const scratch = address(command, 9) + <usize>thread * address(command, 10);
  const partialBytes: usize = (8 + 4 * filled(argument(command, 4))) << 2;
  const items = tokens() / sequence() * heads * tiles * chunks;
  const pieces = piecesOf(items, threads);
  for (let piece = claim(command, pieces, threads); piece >= 0; piece = claim(command, pieces, threads)) {
    const last = shareTo(items, piece, pieces);
    for (let item = shareFrom(items, piece, pieces); item < last; item++) {
      const tile = item / chunks, head = tile / tiles % heads, row = (tile % tiles) << 2;
      const batch = tile / tiles / heads;
      if (chunks == 1) {
        attend(command, batch, head, row, group, begin, end, scratch);
        finish(command, batch, head, row, group, scratch + 32, scratch + 32 + filledQueries(command));
        continue;
      }
      const chunk = item % chunks;
      const from = begin + chunk * CHUNK;
      attend(command, batch, head, row, group, from, min(end, from + CHUNK), scratch);
      const partials = address(command, 11) + <usize>(tile * chunks) * partialBytes;
      const partial = partials + <usize>chunk * partialBytes;
      memory.copy(partial, scratch, 32);
      memory.copy(partial + 32, scratch + 32 + filledQueries(command), partialBytes - 32);
      const counter = address(command, 12) + (<usize>tile << 2);
      if (atomic.add<i32>(counter, 1) != chunks - 1) continue;
      atomic.store<i32>(counter, 0);
      join(partials, partialBytes, chunks);
      finish(command, batch, head, row, group, partials + 16, partials + 32);
    }
  }
}

/** Bytes of the queries in scratch. */
@inline function filledQueries(command: usize): usize { return filled(argument(command, 4)) << 4; }

/** Query row `row` of a key head (token-major, heads of the group within) of a sequence: byte offset in queries and output. */
@inline function offsetOf(command: usize, batch: i32, head: i32, row: i32, group: i32): usize {
  return <usize>(((batch * sequence() + row / group) * argument(command, 2) + head * group + (row % group)) * argument(command, 4)) << 2;
}

/**
 * Scores, softmax and mix of 4 rows over positions begin … end−1. Leaves in scratch: 4 maxima, then 4 sums where the
 * queries began, and the mix behind the queries.
 */
function attend(command: usize, batch: i32, head: i32, row: i32, group: i32, begin: i32, end: i32, scratch: usize): void {
  const size = filled(argument(command, 4));
  const kind = cacheKind();
  const rowBytes = cacheBytes(kind, size);
  const window = argument(command, 7);
  // rows beyond the last repeat it
  const most = sequence() * group - 1;
  const r1 = min(row + 1, most), r2 = min(row + 2, most), r3 = min(row + 3, most);
  const ends = i32x4(past() + row / group + 1, past() + r1 / group + 1, past() + r2 / group + 1, past() + r3 / group + 1);
  const lastEnd = min(end, i32x4.extract_lane(ends, 3));
  const firstEnd = i32x4.extract_lane(ends, 0);
  const starts = window > 0 ? i32x4.max_s(i32x4.sub(ends, i32x4.splat(window)), i32x4.splat(begin)) : i32x4.splat(begin);
  const from = max(begin, i32x4.extract_lane(starts, 0)) & ~7;
  const to = (lastEnd + 7) & ~7;

  const queries = scratch + 32;
  const mix = queries + (size << 4);
  const scores = mix + (size << 4);
  takeQuery(command, offsetOf(command, batch, head, row, group), 0, kind, queries, scratch);
  takeQuery(command, offsetOf(command, batch, head, r1, group), 1, kind, queries, scratch);
  takeQuery(command, offsetOf(command, batch, head, r2, group), 2, kind, queries, scratch);
  takeQuery(command, offsetOf(command, batch, head, r3, group), 3, kind, queries, scratch);
  const scales = v128.load(scratch);

  const own = <usize>batch * cacheStride();
  let k = own + layerKeys(address(command, 5)) + (<usize>head * cacheContext() + from) * rowBytes;
  let s = scores;
  for (let position = from; position < to; position += 8) {
    if (kind == F32) scoresF32(queries, k, size, s);
    else if (kind == F16) scoresF16(queries, k, size, s);
    else scoresQ8(queries, k, size, s, scales);
    k += rowBytes << 3;
    s += 128;
  }

  const cap = number(command, 8);
  const safe = i32x4.extract_lane(starts, 3);
  let m0 = f32x4.splat(-Infinity), m1 = m0, m2 = m0, m3 = m0;
  s = scores;
  for (let position = from; position < to; position += 4) {
    let a = v128.load(s), b = v128.load(s, 16), c = v128.load(s, 32), d = v128.load(s, 48);
    if (cap > 0) {
      a = capped(a, cap); b = capped(b, cap); c = capped(c, cap); d = capped(d, cap);
    }
    if (position < safe || position + 4 > firstEnd || position + 4 > end) {
      const p = i32x4.add(i32x4.splat(position), i32x4(0, 1, 2, 3));
      const inside = i32x4.lt_s(p, i32x4.splat(end));
      a = seen(a, p, spread0(starts), spread0(ends), inside);
      b = seen(b, p, spread1(starts), spread1(ends), inside);
      c = seen(c, p, spread2(starts), spread2(ends), inside);
      d = seen(d, p, spread3(starts), spread3(ends), inside);
    }
    m0 = f32x4.pmax(m0, a); m1 = f32x4.pmax(m1, b); m2 = f32x4.pmax(m2, c); m3 = f32x4.pmax(m3, d);
    v128.store(s, a); v128.store(s, b, 16); v128.store(s, c, 32); v128.store(s, d, 48);
    s += 64;
  }
  // a row may see nothing of its chunk's first positions, but never nothing at all: each sees itself or lies in a later chunk
  m0 = f32x4.splat(max4(m0)); m1 = f32x4.splat(max4(m1)); m2 = f32x4.splat(max4(m2)); m3 = f32x4.splat(max4(m3));

  // exponentials, turned so that a position's 4 rows are side by side
  const bias = f32x4.splat(kind == F16 ? HALF_BIAS : 1);
  let sums = f32x4.splat(0);
  s = scores;
  for (let position = from; position < to; position += 4) {
    const a = exp4(f32x4.sub(v128.load(s), m0)), b = exp4(f32x4.sub(v128.load(s, 16), m1));
    const c = exp4(f32x4.sub(v128.load(s, 32), m2)), d = exp4(f32x4.sub(v128.load(s, 48), m3));
    const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5), cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
    const AB = v128.shuffle<i32>(a, b, 2, 6, 3, 7), CD = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
    const p0 = v128.shuffle<i64>(ab, cd, 0, 2), p1 = v128.shuffle<i64>(ab, cd, 1, 3);
    const p2 = v128.shuffle<i64>(AB, CD, 0, 2), p3 = v128.shuffle<i64>(AB, CD, 1, 3);
    sums = f32x4.add(sums, f32x4.add(f32x4.add(p0, p1), f32x4.add(p2, p3)));
    v128.store(s, f32x4.mul(p0, bias)); v128.store(s, f32x4.mul(p1, bias), 16);
    v128.store(s, f32x4.mul(p2, bias), 32); v128.store(s, f32x4.mul(p3, bias), 48);
    s += 64;
  }

  const values = own + layerValues(address(command, 5), <usize>argument(command, 3) * size) + <usize>head * cacheContext() * rowBytes;
  memory.fill(mix, 0, size << 4);
  for (let first: usize = from; first < <usize>lastEnd; first += SPAN) {
    const count = min<usize>(SPAN, <usize>lastEnd - first);
    const weights = scores + ((first - from) << 4);
    const v = values + first * rowBytes;
    for (let column: usize = 0; column < size; column += 8) {
      if (kind == F32) mixF32(weights, v + (column << 2), rowBytes, count, mix + (column << 2), size << 2);
      else if (kind == F16) mixF16(weights, v + (column << 1), rowBytes, count, mix + (column << 2), size << 2);
      else mixQ8(weights, v + (column >> 5) * 34, column & 31, rowBytes, count, mix + (column << 2), size << 2);
    }
  }
  const low = v128.shuffle<i32>(m0, m1, 0, 4, 0, 4), high = v128.shuffle<i32>(m2, m3, 0, 4, 0, 4);
  v128.store(scratch, v128.shuffle<i64>(low, high, 0, 2));
  v128.store(scratch, sums, 16);
  v128.store(queries, sums);
}

@inline function capped(s: v128, cap: f32): v128 {
  return f32x4.mul(tanh4(f32x4.div(s, f32x4.splat(cap))), f32x4.splat(cap));
}

/** −∞ where a row may not look: outside the chunk, or outside its own start … end−1. */
@inline function seen(s: v128, p: v128, start: v128, end: v128, inside: v128): v128 {
  const open = v128.and(inside, v128.and(i32x4.ge_s(p, start), i32x4.lt_s(p, end)));
  return v128.bitselect(s, f32x4.splat(-Infinity), open);
}

/** One query row into the interleaved form of its kind, multiplied by the scale; its own scale goes to scratch (q8_0). */
@inline function takeQuery(command: usize, offset: usize, lane: usize, kind: i32, queries: usize, scratch: usize): void {
  const x = address(command, 0) + offset;
  const size: usize = argument(command, 4);
  if (kind == F32 || kind == F16) {
    const factor = kind == F16 ? number(command, 6) * HALF_BIAS : number(command, 6);
    const to = queries + (lane << 2);
    for (let i: usize = 0; i < size; i++) store<f32>(to + (i << 4), load<f32>(x + (i << 2)) * factor);
    for (let i = size; i < filled(size); i++) store<f32>(to + (i << 4), 0);
    return;
  }
  let most: f32 = 0;
  for (let i: usize = 0; i < size; i++) most = max<f32>(most, abs<f32>(load<f32>(x + (i << 2))));
  const inverse: f32 = most > 0 ? 32767 / most : 0;
  store<f32>(scratch + (lane << 2), most / 32767 * number(command, 6));
  for (let i: usize = 0; i < size; i++)
    store<i16>(queries + ((i >> 1) << 4) + (lane << 2) + ((i & 1) << 1), <i16>nearest<f32>(load<f32>(x + (i << 2)) * inverse));
}

/** Dots of 4 query rows with 8 keys → [2 × 4 positions][4 rows][4 positions]. */
@inline function storeScores(s: usize, a0: v128, b0: v128, c0: v128, d0: v128, a1: v128, b1: v128, c1: v128, d1: v128): void {
  v128.store(s, a0); v128.store(s, b0, 16); v128.store(s, c0, 32); v128.store(s, d0, 48);
  v128.store(s, a1, 64); v128.store(s, b1, 80); v128.store(s, c1, 96); v128.store(s, d1, 112);
}

function scoresF32(q: usize, k: usize, size: usize, s: usize): void {
  let a0 = f32x4.splat(0), b0 = a0, c0 = a0, d0 = a0, a1 = a0, b1 = a0, c1 = a0, d1 = a0;
  const end = q + (size << 4);
  do {
    const k0 = v128.load(k), k1 = v128.load(k, 16);
    const four = v128.load(q);
    let x = spread0(four);
    a0 = madd(k0, x, a0); a1 = madd(k1, x, a1);
    x = spread1(four);
    b0 = madd(k0, x, b0); b1 = madd(k1, x, b1);
    x = spread2(four);
    c0 = madd(k0, x, c0); c1 = madd(k1, x, c1);
    x = spread3(four);
    d0 = madd(k0, x, d0); d1 = madd(k1, x, d1);
    k += 32;
    q += 16;
  } while (q < end);
  storeScores(s, a0, b0, c0, d0, a1, b1, c1, d1);
}

function scoresF16(q: usize, k: usize, size: usize, s: usize): void {
  let a0 = f32x4.splat(0), b0 = a0, c0 = a0, d0 = a0, a1 = a0, b1 = a0, c1 = a0, d1 = a0;
  const mask = halvesMask(), end = q + (size << 4);
  do {
    const key = v128.load(k);
    const k0 = halvesLow(key, mask), k1 = halvesHigh(key, mask);
    const four = v128.load(q);
    let x = spread0(four);
    a0 = madd(k0, x, a0); a1 = madd(k1, x, a1);
    x = spread1(four);
    b0 = madd(k0, x, b0); b1 = madd(k1, x, b1);
    x = spread2(four);
    c0 = madd(k0, x, c0); c1 = madd(k1, x, c1);
    x = spread3(four);
    d0 = madd(k0, x, d0); d1 = madd(k1, x, d1);
    k += 16;
    q += 16;
  } while (q < end);
  storeScores(s, a0, b0, c0, d0, a1, b1, c1, d1);
}

@inline function pairs(k: v128, x: v128, sum: v128): v128 { return i32x4.add(sum, i32x4.dot_i16x8_s(k, x)); }

/** Codes are multiplied as integers; keys have a scale per 32 columns, queries one for all. */
function scoresQ8(q: usize, k: usize, size: usize, s: usize, scales: v128): void {
  let A0 = f32x4.splat(0), B0 = A0, C0 = A0, D0 = A0, A1 = A0, B1 = A0, C1 = A0, D1 = A0;
  const end = q + (size << 3);
  do {
    const s0 = half4(k), s1 = half4(k + 8);
    let a0 = i32x4.splat(0), b0 = a0, c0 = a0, d0 = a0, a1 = a0, b1 = a0, c1 = a0, d1 = a0;
    k += 16;
    const last = q + 256;
    do {
      const k0 = v128.load8x8_s(k), k1 = v128.load8x8_s(k, 8);
      const four = v128.load(q);
      let x = spread0(four);
      a0 = pairs(k0, x, a0); a1 = pairs(k1, x, a1);
      x = spread1(four);
      b0 = pairs(k0, x, b0); b1 = pairs(k1, x, b1);
      x = spread2(four);
      c0 = pairs(k0, x, c0); c1 = pairs(k1, x, c1);
      x = spread3(four);
      d0 = pairs(k0, x, d0); d1 = pairs(k1, x, d1);
      k += 16;
      q += 16;
    } while (q < last);
    A0 = madd(f32x4.convert_i32x4_s(a0), s0, A0); A1 = madd(f32x4.convert_i32x4_s(a1), s1, A1);
    B0 = madd(f32x4.convert_i32x4_s(b0), s0, B0); B1 = madd(f32x4.convert_i32x4_s(b1), s1, B1);
    C0 = madd(f32x4.convert_i32x4_s(c0), s0, C0); C1 = madd(f32x4.convert_i32x4_s(c1), s1, C1);
    D0 = madd(f32x4.convert_i32x4_s(d0), s0, D0); D1 = madd(f32x4.convert_i32x4_s(d1), s1, D1);
  } while (q < end);
  const a = spread0(scales), b = spread1(scales);
  const c = spread2(scales), d = spread3(scales);
  storeScores(
    s, f32x4.mul(A0, a), f32x4.mul(B0, b), f32x4.mul(C0, c), f32x4.mul(D0, d),
    f32x4.mul(A1, a), f32x4.mul(B1, b), f32x4.mul(C1, c), f32x4.mul(D1, d),
  );
}

/** Adds 8 columns of `count` values, weighted for 4 rows, to the mix. @param w [count][4 rows] @param stride of mix's rows */
function mixF32(w: usize, v: usize, rowBytes: usize, count: usize, mix: usize, stride: usize): void {
  let a0 = v128.load(mix), a1 = v128.load(mix, 16);
  let b0 = v128.load(mix + stride), b1 = v128.load(mix + stride, 16);
  let c0 = v128.load(mix + 2 * stride), c1 = v128.load(mix + 2 * stride, 16);
  let d0 = v128.load(mix + 3 * stride), d1 = v128.load(mix + 3 * stride, 16);
  const end = w + (count << 4);
  do {
    const v0 = v128.load(v), v1 = v128.load(v, 16);
    const four = v128.load(w);
    let p = spread0(four);
    a0 = madd(v0, p, a0); a1 = madd(v1, p, a1);
    p = spread1(four);
    b0 = madd(v0, p, b0); b1 = madd(v1, p, b1);
    p = spread2(four);
    c0 = madd(v0, p, c0); c1 = madd(v1, p, c1);
    p = spread3(four);
    d0 = madd(v0, p, d0); d1 = madd(v1, p, d1);
    v += rowBytes;
    w += 16;
  } while (w < end);
  storeMix(mix, stride, a0, a1, b0, b1, c0, c1, d0, d1);
}

function mixF16(w: usize, v: usize, rowBytes: usize, count: usize, mix: usize, stride: usize): void {
  let a0 = v128.load(mix), a1 = v128.load(mix, 16);
  let b0 = v128.load(mix + stride), b1 = v128.load(mix + stride, 16);
  let c0 = v128.load(mix + 2 * stride), c1 = v128.load(mix + 2 * stride, 16);
  let d0 = v128.load(mix + 3 * stride), d1 = v128.load(mix + 3 * stride, 16);
  const mask = halvesMask(), end = w + (count << 4);
  do {
    const value = v128.load(v);
    const v0 = halvesLow(value, mask), v1 = halvesHigh(value, mask);
    const four = v128.load(w);
    let p = spread0(four);
    a0 = madd(v0, p, a0); a1 = madd(v1, p, a1);
    p = spread1(four);
    b0 = madd(v0, p, b0); b1 = madd(v1, p, b1);
    p = spread2(four);
    c0 = madd(v0, p, c0); c1 = madd(v1, p, c1);
    p = spread3(four);
    d0 = madd(v0, p, d0); d1 = madd(v1, p, d1);
    v += rowBytes;
    w += 16;
  } while (w < end);
  storeMix(mix, stride, a0, a1, b0, b1, c0, c1, d0, d1);
}

/** @param v the block of 32 columns, @param inside the first of the 8 columns in it */
function mixQ8(w: usize, v: usize, inside: usize, rowBytes: usize, count: usize, mix: usize, stride: usize): void {
  let a0 = v128.load(mix), a1 = v128.load(mix, 16);
  let b0 = v128.load(mix + stride), b1 = v128.load(mix + stride, 16);
  let c0 = v128.load(mix + 2 * stride), c1 = v128.load(mix + 2 * stride, 16);
  let d0 = v128.load(mix + 3 * stride), d1 = v128.load(mix + 3 * stride, 16);
  const end = w + (count << 4);
  do {
    const scale = f32x4.splat(half(v));
    const codes = v128.load8x8_s(v + inside, 2);
    const v0 = f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(codes)), scale);
    const v1 = f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(codes)), scale);
    const four = v128.load(w);
    let p = spread0(four);
    a0 = madd(v0, p, a0); a1 = madd(v1, p, a1);
    p = spread1(four);
    b0 = madd(v0, p, b0); b1 = madd(v1, p, b1);
    p = spread2(four);
    c0 = madd(v0, p, c0); c1 = madd(v1, p, c1);
    p = spread3(four);
    d0 = madd(v0, p, d0); d1 = madd(v1, p, d1);
    v += rowBytes;
    w += 16;
  } while (w < end);
  storeMix(mix, stride, a0, a1, b0, b1, c0, c1, d0, d1);
}

@inline function storeMix(
  mix: usize, stride: usize, a0: v128, a1: v128, b0: v128, b1: v128, c0: v128, c1: v128, d0: v128, d1: v128,
): void {
  v128.store(mix, a0); v128.store(mix, a1, 16);
  v128.store(mix + stride, b0); v128.store(mix + stride, b1, 16);
  v128.store(mix + 2 * stride, c0); v128.store(mix + 2 * stride, c1, 16);
  v128.store(mix + 3 * stride, d0); v128.store(mix + 3 * stride, d1, 16);
}

/** Joins the partial results of a tile's chunks in the first of them, in order. */
function join(partials: usize, bytes: usize, chunks: i32): void {
  let most = v128.load(partials);
  for (let i = 1; i < chunks; i++) most = f32x4.pmax(most, v128.load(partials + <usize>i * bytes));
  let sums = f32x4.splat(0);
  const columns: usize = (bytes - 32) >> 2;
  for (let i = 0; i < chunks; i++) {
    const partial = partials + <usize>i * bytes;
    const factor = exp4(f32x4.sub(v128.load(partial), most));
    sums = madd(v128.load(partial, 16), factor, sums);
    for (let row: usize = 0; row < 4; row++) {
      const weight = f32x4.splat(lane(factor, row));
      const to = partials + 32 + row * columns, from = partial + 32 + row * columns;
      for (let c: usize = 0; c < columns; c += 16) {
        const value = f32x4.mul(v128.load(from + c), weight);
        v128.store(to + c, i == 0 ? value : f32x4.add(v128.load(to + c), value));
      }
    }
  }
  v128.store(partials, sums, 16);
}

@inline function lane(v: v128, i: usize): f32 {
  return i == 0 ? f32x4.extract_lane(v, 0) : i == 1 ? f32x4.extract_lane(v, 1) : i == 2 ? f32x4.extract_lane(v, 2) : f32x4.extract_lane(v, 3);
}

/** Divides the mix of 4 rows by their sums and writes those that there are. */
function finish(command: usize, batch: i32, head: i32, row: i32, group: i32, sums: usize, mix: usize): void {
  const size: usize = argument(command, 4);
  const rows = min(4, sequence() * group - row);
  for (let r = 0; r < rows; r++) {
    const factor: f32 = 1 / load<f32>(sums + (<usize>r << 2));
    const from = mix + <usize>r * (filled(size) << 2);
    const to = address(command, 1) + offsetOf(command, batch, head, row + r, group);
    for (let i: usize = 0; i < size; i++) store<f32>(to + (i << 2), load<f32>(from + (i << 2)) * factor);
  }
}
