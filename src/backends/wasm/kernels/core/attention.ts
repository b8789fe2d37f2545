/**
 * Causal attention over the pages of sequences, fused: scores, softmax and the mix of values, 4 query rows at a time that
 * share a key head, so that keys and values are read once for them: neighbouring heads of a group, then of neighbouring
 * tokens of the sequence. Work is split by sequence, key head and tile of 4 rows; for a single token, whose tiles are
 * few, also by chunk of positions. The thread that finishes a tile's last chunk merges them.
 *
 * A row is always summed in the same order, whatever else is computed: within chunks of 256 positions that start at
 * multiples of 256, then chunk by chunk (`join`). Positions that a row does not see contribute exp(−∞) = 0, which changes no bit.
 *
 * Arguments: 0 queries [T, H·headSize], 1 output, 2 H, 3 G key heads, 4 headSize, 5 filled elements before (see cache.ts),
 * 6 scale, 7 window or 0, 8 softcap or 0, 9 scratch, 10 scratch bytes per thread, 11 partial results, 12 counters (zeros),
 * 16 alibi or 0, 17 sinks [H] or 0.
 *
 * Scratch: scales of the queries [4] and 16 bytes, queries [S][4 rows] f32 (q8_0: [S/2][4 rows][2] i16), then a partial result
 * of the chunk, one of all chunks, and scores [256 + 16 positions][4 rows].
 * A partial result: 4 maxima, 4 sums, mix [4 rows][S], f32.
 */
import { attendSequences, sinkShare, slopeOf } from "./attentionSequences";
import { cacheBytes, F16, F32, filled, HALF_BIAS, layerKeys, layerValues, PAGE } from "../parts/cache";
import {
  address, argument, cacheKind, claim, hasCache, number, piecesOf, sequenceCount, sequenceEntry, shareFrom, shareTo, tokens,
} from "../parts/control";
import { mixF16, mixF32, mixQ8, scoresF16, scoresF32, scoresQ8 } from "../parts/keysAndValues";
import { exp4, max4, spread0, spread1, spread2, spread3, tanh4 } from "../parts/simd";

/** Positions of a chunk. */
const CHUNK: i32 = 256;
/** Positions whose values stay in the L1 cache while all of their columns are mixed. A multiple of the page size. */
const SPAN: i32 = 64;

/** Bytes of scratch per thread. */
export function cachedAttentionScratch(headSize: i32): i32 {
  return <i32>(32 + (filled(headSize) << 4) + 2 * partialBytes(headSize) + (<usize>(CHUNK + PAGE) << 4) + 64);
}

/** Bytes of a partial result. */
@inline function partialBytes(headSize: i32): usize { return 32 + (filled(headSize) << 4); }

/** Number of partial results for a single token of a sequence of `context` positions. @param rows query rows of a key head */
export function attentionPartials(context: i32, heads: i32, rows: i32, headSize: i32): i32 {
  return <i32>(<usize>(heads * tilesOf(rows) * ((context + CHUNK - 1) / CHUNK + 1)) * partialBytes(headSize));
}

@inline function tilesOf(rows: i32): i32 { return (rows + 3) >> 2; }

/** The current sequence of a thread: its row in the table. */
@inline function firstRow(entry: usize): i32 { return load<i32>(entry); }
@inline function rowCount(entry: usize): i32 { return load<i32>(entry, 4); }
@inline function past(entry: usize): i32 { return load<i32>(entry, 8); }
@inline function pages(entry: usize): usize { return load<u32>(entry, 12); }

export function attention(command: usize, thread: i32, threads: i32): void {
  if (!hasCache()) return attendSequences(command, thread, threads);
  if (tokens() == 1) return attendToken(command, thread, threads);
  const heads = argument(command, 3), group = argument(command, 2) / heads;
  const scratch = address(command, 9) + <usize>thread * address(command, 10);
  let items = 0;
  for (let i = 0; i < sequenceCount(); i++) items += heads * tilesOf(rowCount(sequenceEntry(i)) * group);
  const pieces = piecesOf(items, threads);
  for (let piece = claim(command, pieces, threads); piece >= 0; piece = claim(command, pieces, threads)) {
    const last = shareTo(items, piece, pieces);
    let item = shareFrom(items, piece, pieces);
    // the sequence that the item is of, and the first item of it
    let i = 0, begun = 0;
    while (item < last) {
      const entry = sequenceEntry(i), tiles = tilesOf(rowCount(entry) * group);
      const own = item - begun;
      if (own >= heads * tiles) {
        begun += heads * tiles;
        i++;
        continue;
      }
      attendTile(command, entry, own / tiles, (own % tiles) << 2, group, scratch);
      item++;
    }
  }
}

/** Computes a tile of rows over all chunks that it sees, one after another. */
function attendTile(command: usize, entry: usize, head: i32, row: i32, group: i32, scratch: usize): void {
  const window = argument(command, 7);
  const first = past(entry) + row / group;
  const end = past(entry) + min(row + 3, rowCount(entry) * group - 1) / group + 1;
  const begin = window > 0 ? max(0, first + 1 - window) : 0;
  takeQueries(command, entry, head, row, group, scratch);
  const chunk = chunkOf(command, scratch), all = chunk + partialBytes(argument(command, 4));
  attendChunk(command, entry, head, row, group, begin, min(end, (begin / CHUNK + 1) * CHUNK), scratch);
  let result = chunk;
  for (let from = (begin / CHUNK + 1) * CHUNK; from < end; from += CHUNK) {
    if (result == chunk) memory.copy(all, chunk, partialBytes(argument(command, 4)));
    result = all;
    attendChunk(command, entry, head, row, group, from, min(end, from + CHUNK), scratch);
    join(all, chunk, filled(argument(command, 4)));
  }
  finish(command, entry, head, row, group, result);
}

/** A step of one token: chunks are split among threads too. */
function attendToken(command: usize, thread: i32, threads: i32): void {
  const entry = sequenceEntry(0);
  const heads = argument(command, 3), group = argument(command, 2) / heads;
  const size = filled(argument(command, 4)), bytes = partialBytes(argument(command, 4));
  const scratch = address(command, 9) + <usize>thread * address(command, 10);
  const chunk = chunkOf(command, scratch);
  const end = past(entry) + 1, window = argument(command, 7);
  const begin = window > 0 ? max(0, end - window) : 0;
  const skipped = begin / CHUNK, chunks = (end + CHUNK - 1) / CHUNK - skipped, tiles = tilesOf(group);
  const items = heads * tiles * chunks;
  const pieces = piecesOf(items, threads);
  for (let piece = claim(command, pieces, threads); piece >= 0; piece = claim(command, pieces, threads)) {
    const last = shareTo(items, piece, pieces);
    for (let item = shareFrom(items, piece, pieces); item < last; item++) {
      const tile = item / chunks, head = tile / tiles, row = (tile % tiles) << 2;
      const from = (skipped + item % chunks) * CHUNK;
      takeQueries(command, entry, head, row, group, scratch);
      attendChunk(command, entry, head, row, group, max(begin, from), min(end, from + CHUNK), scratch);
      if (chunks == 1) {
        finish(command, entry, head, row, group, chunk);
        continue;
      }
      const partials = address(command, 11) + <usize>(tile * chunks) * bytes;
      memory.copy(partials + <usize>(item % chunks) * bytes, chunk, bytes);
      const counter = address(command, 12) + (<usize>tile << 2);
      if (atomic.add<i32>(counter, 1) != chunks - 1) continue;
      atomic.store<i32>(counter, 0);
      for (let i = 1; i < chunks; i++) join(partials, partials + <usize>i * bytes, size);
      finish(command, entry, head, row, group, partials);
    }
  }
}

/** Address of the partial result of a chunk in scratch. */
@inline function chunkOf(command: usize, scratch: usize): usize { return scratch + 32 + (filled(argument(command, 4)) << 4); }

/** Query row `row` of a key head (token-major, heads of the group within) of a sequence: byte offset in queries and output. */
@inline function offsetOf(command: usize, entry: usize, head: i32, row: i32, group: i32): usize {
  return <usize>(((firstRow(entry) + row / group) * argument(command, 2) + head * group + (row % group)) * argument(command, 4)) << 2;
}

/** Copies 4 query rows to scratch. Rows beyond the last repeat it. */
function takeQueries(command: usize, entry: usize, head: i32, row: i32, group: i32, scratch: usize): void {
  const kind = cacheKind(), queries = scratch + 32, most = rowCount(entry) * group - 1;
  for (let lane = 0; lane < 4; lane++)
    takeQuery(command, offsetOf(command, entry, head, min(row + lane, most), group), lane, kind, queries, scratch);
}

/** Scores, softmax and mix of 4 rows over positions begin … end−1 of one chunk, into the chunk's partial result. */
function attendChunk(
  command: usize, entry: usize, head: i32, row: i32, group: i32, begin: i32, end: i32, scratch: usize,
): void {
  const size = filled(argument(command, 4));
  const kind = cacheKind();
  const rowBytes = cacheBytes(kind, size);
  const window = argument(command, 7);
  const most = rowCount(entry) * group - 1, before = past(entry) + 1;
  const ends = i32x4(
    before + row / group, before + min(row + 1, most) / group, before + min(row + 2, most) / group, before + min(row + 3, most) / group,
  );
  const firstEnd = i32x4.extract_lane(ends, 0);
  const starts = window > 0 ? i32x4.max_s(i32x4.sub(ends, i32x4.splat(window)), i32x4.splat(begin)) : i32x4.splat(begin);
  const from = begin & ~(PAGE - 1);
  const to = (end + 7) & ~7;

  const queries = scratch + 32;
  const partial = chunkOf(command, scratch);
  const mix = partial + 32;
  const scores = partial + 2 * partialBytes(argument(command, 4));
  const scales = v128.load(scratch);

  const table = pages(entry) + (<usize>(from / PAGE) << 2);
  const keys = layerKeys(address(command, 5)) + <usize>(head * PAGE) * rowBytes;
  let s = scores;
  let page = table;
  for (let position = from; position < to; position += 8) {
    let k = load<u32>(page) + keys;
    if (position & 8) {
      k += rowBytes << 3;
      page += 4;
    }
    if (kind == F32) scoresF32(queries, k, size, s);
    else if (kind == F16) scoresF16(queries, k, size, s);
    else scoresQ8(queries, k, size, s, scales);
    s += 128;
  }

  const biases = number(command, 16) > 0;
  const slopes = biases ? slopesOf(command, head, row, group, most) : f32x4.splat(0);
  const cap = number(command, 8);
  const safe = i32x4.extract_lane(starts, 3);
  let m0 = f32x4.splat(-Infinity), m1 = m0, m2 = m0, m3 = m0;
  s = scores;
  for (let position = from; position < to; position += 4) {
    let a = v128.load(s), b = v128.load(s, 16), c = v128.load(s, 32), d = v128.load(s, 48);
    if (cap > 0) {
      a = capped(a, cap); b = capped(b, cap); c = capped(c, cap); d = capped(d, cap);
    }
    if (biases) {
      const p = f32x4.convert_i32x4_s(i32x4.add(i32x4.splat(position + 1), i32x4(0, 1, 2, 3)));
      const last = f32x4.convert_i32x4_s(ends);
      a = biased(a, p, spread0(slopes), spread0(last));
      b = biased(b, p, spread1(slopes), spread1(last));
      c = biased(c, p, spread2(slopes), spread2(last));
      d = biased(d, p, spread3(slopes), spread3(last));
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
  // a row that sees nothing of the chunk has −∞ here; its exponentials are exp(NaN) = 0
  m0 = f32x4.splat(max4(m0)); m1 = f32x4.splat(max4(m1)); m2 = f32x4.splat(max4(m2)); m3 = f32x4.splat(max4(m3));

  // exponentials, transposed so that a position's 4 rows are adjacent
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

  const values = layerValues(address(command, 5), <usize>argument(command, 3) * size) + <usize>(head * PAGE) * rowBytes;
  memory.fill(mix, 0, size << 4);
  for (let first = from; first < end; first += SPAN) {
    const weights = scores + (<usize>(first - from) << 4);
    const to = scores + (<usize>(min(end, first + SPAN) - from) << 4);
    const own = table + (<usize>((first - from) / PAGE) << 2);
    for (let column: usize = 0; column < size; column += 8) {
      if (kind == F32) mixF32(weights, to, own, values + (column << 2), rowBytes, mix + (column << 2), size << 2);
      else if (kind == F16) mixF16(weights, to, own, values + (column << 1), rowBytes, mix + (column << 2), size << 2);
      else mixQ8(weights, to, own, values + (column >> 5) * 34, column & 31, rowBytes, mix + (column << 2), size << 2);
    }
  }
  const low = v128.shuffle<i32>(m0, m1, 0, 4, 0, 4), high = v128.shuffle<i32>(m2, m3, 0, 4, 0, 4);
  v128.store(partial, v128.shuffle<i64>(low, high, 0, 2));
  v128.store(partial, sums, 16);
}

@inline function capped(s: v128, cap: f32): v128 {
  return f32x4.mul(tanh4(f32x4.div(s, f32x4.splat(cap))), f32x4.splat(cap));
}

/** ALiBi's slopes of 4 rows. */
function slopesOf(command: usize, head: i32, row: i32, group: i32, most: i32): v128 {
  let slopes = f32x4.splat(slopeOf(command, head * group + row % group));
  slopes = f32x4.replace_lane(slopes, 1, slopeOf(command, head * group + min(row + 1, most) % group));
  slopes = f32x4.replace_lane(slopes, 2, slopeOf(command, head * group + min(row + 2, most) % group));
  return f32x4.replace_lane(slopes, 3, slopeOf(command, head * group + min(row + 3, most) % group));
}

/** Adds ALiBi's slope · (key's position − own), with p = key's position + 1 and end = own position + 1. */
@inline function biased(s: v128, p: v128, slope: v128, end: v128): v128 {
  return f32x4.add(s, f32x4.mul(slope, f32x4.sub(p, end)));
}

/** Sets scores to −∞ that a row must not see: outside the chunk, or outside its own start … end−1. */
@inline function seen(s: v128, p: v128, start: v128, end: v128, inside: v128): v128 {
  const open = v128.and(inside, v128.and(i32x4.ge_s(p, start), i32x4.lt_s(p, end)));
  return v128.bitselect(s, f32x4.splat(-Infinity), open);
}

/** Converts one query row to interleaved form, multiplied by the attention scale. For q8_0, stores its quantization scale in scratch. */
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

/** Adds a later chunk's partial result to that of the chunks before it. */
function join(all: usize, chunk: usize, size: usize): void {
  const before = v128.load(all), own = v128.load(chunk);
  const most = f32x4.pmax(before, own);
  const f = exp4(f32x4.sub(before, most)), g = exp4(f32x4.sub(own, most));
  v128.store(all, most);
  v128.store(all, f32x4.add(f32x4.mul(v128.load(all, 16), f), f32x4.mul(v128.load(chunk, 16), g)), 16);
  const rowBytes = size << 2;
  joinRow(all + 32, chunk + 32, rowBytes, spread0(f), spread0(g));
  joinRow(all + 32 + rowBytes, chunk + 32 + rowBytes, rowBytes, spread1(f), spread1(g));
  joinRow(all + 32 + 2 * rowBytes, chunk + 32 + 2 * rowBytes, rowBytes, spread2(f), spread2(g));
  joinRow(all + 32 + 3 * rowBytes, chunk + 32 + 3 * rowBytes, rowBytes, spread3(f), spread3(g));
}

@inline function joinRow(to: usize, from: usize, bytes: usize, f: v128, g: v128): void {
  for (let i: usize = 0; i < bytes; i += 16)
    v128.store(to + i, f32x4.add(f32x4.mul(v128.load(to + i), f), f32x4.mul(v128.load(from + i), g)));
}

/** Divides the mix of 4 rows by their sums and writes the existing rows. */
function finish(command: usize, entry: usize, head: i32, row: i32, group: i32, partial: usize): void {
  const size: usize = argument(command, 4);
  const rows = min(4, rowCount(entry) * group - row);
  for (let r = 0; r < rows; r++) {
    const at = partial + (<usize>r << 2);
    const sink = sinkShare(command, head * group + (row + r) % group, load<f32>(at));
    const factor: f32 = 1 / (load<f32>(at, 16) + sink);
    const from = partial + 32 + <usize>r * (filled(size) << 2);
    const to = address(command, 1) + offsetOf(command, entry, head, row + r, group);
    for (let i: usize = 0; i < size; i++) store<f32>(to + (i << 2), load<f32>(from + (i << 2)) * factor);
  }
}
