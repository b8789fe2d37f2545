/**
 * Attention of a step without a cache, and its gradients, for a batch of sequences of S tokens. Each row sees its own sequence
 * only. A thread processes one sequence and key head at a time, with the products of tile.ts: 6 queries with 8 keys.
 *
 * Arguments of both kernels: 0 queries [T, H·K], 1 output, 2 H heads, 3 G key heads, 4 K head size, 6 scale, 7 window or 0,
 * 8 softcap or 0, 9 scratch, 10 scratch bytes per thread, 11 dy [T, H·K] (attentionGradient), 13 keys [T, G·K], 14 values,
 * 15 causal (1 or 0), 16 maximum exponent of ALiBi's bias or 0, 17 sinks [H] or 0.
 */
import { address, argument, claim, number, sequence, tokens } from "../parts/control";
import { takePanels, takeRows, takeTiles, turnRows } from "../parts/gather";
import { exp4, max4, sum4, tanh4, tanhSlope4 } from "../parts/simd";
import { productTo, ROWS, tile, TILE_BYTES } from "../parts/tile";

/** Queries whose probabilities are kept at a time for the gradients of keys and values; a multiple of 6. */
const BLOCK: i32 = 48;

@inline function filled(count: i32): i32 { return (count + 7) & ~7; }

/** Bytes of `count` f32 and of what is read beyond them. */
@inline function bytes(count: i32): usize { return (<usize>count << 2) + 64; }

/** Bytes of scratch per thread. @param s tokens of the longest sequence @param k head size */
export function attentionScratch(s: i32, k: i32): i32 {
  return <i32>(TILE_BYTES + bytes(k * ROWS) + bytes(filled(s) * k) + bytes(filled(k) * s) + 2 * bytes(ROWS * filled(s)));
}

export function attentionGradientScratch(s: i32, k: i32): i32 {
  const packed = 2 * bytes(filled(s) * k) + 3 * bytes(filled(k) * s) + 2 * bytes(ROWS * k);
  const rows = 2 * bytes(BLOCK * filled(s)) + 2 * bytes(ROWS * filled(s)) + bytes(BLOCK * (s + ROWS));
  return <i32>(TILE_BYTES + packed + rows);
}

/** Rows of a matrix, in panels of 8 rows: [S / 8][K][8]. */
function turnAll(x: usize, stride: usize, to: usize, k: i32): void {
  for (let row = 0; row < sequence(); row += 8) {
    turnRows(x + <usize>row * stride, stride, min(8, sequence() - row), to, k);
    to += <usize>k << 5;
  }
}

/** One head of the step's sequences: items are pairs of a sequence and a key head. */
export function attendSequences(command: usize, thread: i32, threads: i32): void {
  const items = tokens() / sequence() * argument(command, 3);
  const scratch = address(command, 9) + <usize>thread * address(command, 10);
  for (let item = claim(command, items, threads); item >= 0; item = claim(command, items, threads)) attend(command, item, scratch);
}

function attend(command: usize, item: i32, sums: usize): void {
  const s = sequence(), k = argument(command, 4), group = argument(command, 2) / argument(command, 3);
  const first = item / argument(command, 3) * s, keyHead = item % argument(command, 3);
  const pitch = <usize>(argument(command, 2) * k) << 2, keyPitch = <usize>(argument(command, 3) * k) << 2;
  const queries = sums + TILE_BYTES;
  const keys = queries + bytes(k * ROWS);
  const values = keys + bytes(filled(s) * k);
  const scores = values + bytes(filled(k) * s);
  const weights = scores + bytes(ROWS * filled(s));
  const scorePitch = <usize>filled(s) << 2;
  const shared = <usize>first * keyPitch + (<usize>(keyHead * k) << 2);
  turnAll(address(command, 13) + shared, keyPitch, keys, k);
  takePanels(address(command, 14) + shared, keyPitch, s, filled(k) >> 3, values, s);
  for (let head = keyHead * group; head < (keyHead + 1) * group; head++) {
    for (let row = 0; row < s; row += ROWS) {
      const count = min(ROWS, s - row);
      const offset = <usize>(first + row) * pitch + (<usize>(head * k) << 2);
      const begin = firstKey(command, row), end = endKey(command, row + count, s);
      takeQueries(command, offset, pitch, count, queries);
      scoresOf(command, keys, queries, begin, end, scores, scorePitch, 0);
      for (let r = 0; r < ROWS; r++) softmax(command, scores + <usize>r * scorePitch, head, min(row + r, s - 1), begin, end);
      takeRows(scores + (<usize>begin << 2), scorePitch, ROWS, weights, end - begin);
      for (let column = 0; column < k; column += 8) {
        const v = values + (<usize>((column >> 3) * s + begin) << 5);
        const to = address(command, 1) + offset + (<usize>column << 2);
        productTo(to, pitch, count, min(8, k - column), false, v, weights, end - begin, sums);
      }
    }
  }
}

/** First panel with a key that any of 6 queries from `row` on sees. */
@inline function firstKey(command: usize, row: i32): i32 {
  const window = argument(command, 7);
  return window > 0 ? max(0, row + 1 - window) & ~7 : 0;
}

/** One more than the last key that any query before `rowEnd` sees. @param s tokens of the sequence */
@inline function endKey(command: usize, rowEnd: i32, s: i32): i32 {
  if (argument(command, 15)) return rowEnd;
  const window = argument(command, 7);
  return window > 0 ? min(s, rowEnd - 1 + window) : s;
}

/** ALiBi's slope of a head, 0 without it; as `alibiSlope` of graph/ops/attention.ts. */
export function slopeOf(command: usize, head: i32): f32 {
  const most = number(command, 16);
  if (most <= 0) return 0;
  let first = 1;
  while (first << 1 <= argument(command, 2)) first <<= 1;
  const step = most / <f32>first;
  const steps: f32 = head < first ? <f32>(head + 1) : <f32>(head - first) + 0.5;
  return Mathf.pow(2, -step * steps);
}

/** exp(sink − most) of a head, its part of the sum of exponentials; 0 without sinks. */
export function sinkShare(command: usize, head: i32, most: f32): f32 {
  const sinks = address(command, 17);
  return sinks ? f32x4.extract_lane(exp4(f32x4.splat(load<f32>(sinks + (<usize>head << 2)) - most)), 0) : 0;
}

/**
 * Computes 6 rows of scores of keys begin … end−1, rounded up to a panel.
 * @param queries already scaled @param slopes receives the derivative of the cap, rows of the same pitch; 0: not needed
 */
function scoresOf(command: usize, keys: usize, queries: usize, begin: i32, end: i32, scores: usize, pitch: usize, slopes: usize): void {
  const k = argument(command, 4);
  for (let key = begin; key < end; key += 8) tile(keys + (<usize>(key >> 3) * k << 5), queries, k, scores + (<usize>key << 2), pitch);
  const cap = number(command, 8);
  if (cap <= 0) return;
  for (let r: usize = 0; r < <usize>ROWS; r++) {
    for (let i = r * pitch + (<usize>begin << 2); i < r * pitch + (<usize>((end + 7) & ~7) << 2); i += 16) {
      const share = f32x4.div(v128.load(scores + i), f32x4.splat(cap));
      if (slopes) v128.store(slopes + i, tanhSlope4(share));
      v128.store(scores + i, f32x4.mul(tanh4(share), f32x4.splat(cap)));
    }
  }
}

/** A tile of 6 queries, times the scale. */
function takeQueries(command: usize, offset: usize, pitch: usize, count: i32, to: usize): void {
  const k = argument(command, 4);
  const scale = f32x4.splat(number(command, 6));
  takeRows(address(command, 0) + offset, pitch, count, to, k);
  for (let i: usize = 0; i < <usize>(k * ROWS) << 2; i += 16) v128.store(to + i, f32x4.mul(v128.load(to + i), scale));
}

/** Converts scores of one row to probabilities; 0 for keys that the row does not see. */
function softmax(command: usize, scores: usize, head: i32, row: i32, begin: i32, end: i32): void {
  const window = argument(command, 7);
  const last = (end + 7) & ~7;
  const seenEnd = min(end, endKey(command, row + 1, sequence()));
  const slope = slopeOf(command, head);
  if (slope > 0) {
    for (let key = begin; key < seenEnd; key++) {
      const at = scores + (<usize>key << 2);
      store<f32>(at, load<f32>(at) - slope * <f32>abs(key - row));
    }
  }
  for (let key = begin; key < (window > 0 ? row + 1 - window : 0); key++) store<f32>(scores + (<usize>key << 2), -Infinity);
  for (let key = seenEnd; key < last; key++) store<f32>(scores + (<usize>key << 2), -Infinity);
  const from = scores + (<usize>begin << 2), to = scores + (<usize>last << 2);
  let m0 = f32x4.splat(-Infinity), m1 = m0;
  for (let p = from; p < to; p += 32) {
    m0 = f32x4.pmax(m0, v128.load(p));
    m1 = f32x4.pmax(m1, v128.load(p, 16));
  }
  const most = f32x4.splat(max4(f32x4.pmax(m0, m1)));
  m0 = f32x4.splat(0);
  m1 = m0;
  for (let p = from; p < to; p += 32) {
    const low = exp4(f32x4.sub(v128.load(p), most)), high = exp4(f32x4.sub(v128.load(p, 16), most));
    v128.store(p, low);
    v128.store(p, high, 16);
    m0 = f32x4.add(m0, low);
    m1 = f32x4.add(m1, high);
  }
  const sink = sinkShare(command, head, f32x4.extract_lane(most, 0));
  const share = f32x4.splat(1 / (sum4(f32x4.add(m0, m1)) + sink));
  for (let p = from; p < to; p += 32) {
    v128.store(p, f32x4.mul(v128.load(p), share));
    v128.store(p, f32x4.mul(v128.load(p, 16), share), 16);
  }
}

/** The gradients of queries, keys and values, side by side. Output [T, (H + 2G)·K]. */
export function attentionGradient(command: usize, thread: i32, threads: i32): void {
  const items = tokens() / sequence() * argument(command, 3);
  const scratch = address(command, 9) + <usize>thread * address(command, 10);
  for (let item = claim(command, items, threads); item >= 0; item = claim(command, items, threads)) gradientsOf(command, item, scratch);
}

function gradientsOf(command: usize, item: i32, sums: usize): void {
  const s = sequence(), k = argument(command, 4), heads = argument(command, 2), keyHeads = argument(command, 3);
  const group = heads / keyHeads;
  const first = item / keyHeads * s, keyHead = item % keyHeads;
  const pitch = <usize>(heads * k) << 2, keyPitch = <usize>(keyHeads * k) << 2, outPitch = pitch + 2 * keyPitch;
  const panelColumns = filled(k) >> 3;
  const queryTile = sums + TILE_BYTES;
  const pullTile = queryTile + bytes(ROWS * k);
  const keys = pullTile + bytes(ROWS * k);
  const values = keys + bytes(filled(s) * k);
  const keyPanels = values + bytes(filled(s) * k);
  const queryPanels = keyPanels + bytes(filled(k) * s);
  const pullPanels = queryPanels + bytes(filled(k) * s);
  const shares = pullPanels + bytes(filled(k) * s);
  const changes = shares + bytes(BLOCK * filled(s));
  const slopes = changes + bytes(BLOCK * filled(s));
  const changeTile = slopes + bytes(ROWS * filled(s));
  const tiles = changeTile + bytes(ROWS * filled(s));
  const rowBytes = <usize>filled(s) << 2;

  const shared = <usize>first * keyPitch + (<usize>(keyHead * k) << 2);
  turnAll(address(command, 13) + shared, keyPitch, keys, k);
  turnAll(address(command, 14) + shared, keyPitch, values, k);
  takePanels(address(command, 13) + shared, keyPitch, s, panelColumns, keyPanels, s);
  const out = address(command, 1) + <usize>first * outPitch;
  const outKeys = out + pitch + (<usize>(keyHead * k) << 2), outValues = outKeys + keyPitch;
  for (let row: usize = 0; row < <usize>s; row++) {
    memory.fill(outKeys + row * outPitch, 0, k << 2);
    memory.fill(outValues + row * outPitch, 0, k << 2);
  }
  for (let head = keyHead * group; head < (keyHead + 1) * group; head++) {
    const offset = <usize>first * pitch + (<usize>(head * k) << 2);
    takePanels(address(command, 0) + offset, pitch, s, panelColumns, queryPanels, s);
    takePanels(address(command, 11) + offset, pitch, s, panelColumns, pullPanels, s);
    for (let block = 0; block < s; block += BLOCK) {
      const blockEnd = min(s, block + BLOCK), blockBegin = firstKey(command, block), keyEnd = endKey(command, blockEnd, s);
      for (let row = block; row < blockEnd; row += ROWS) {
        const count = min(ROWS, s - row);
        const begin = firstKey(command, row), end = endKey(command, row + count, s);
        const at = offset + <usize>row * pitch;
        const share = shares + <usize>(row - block) * rowBytes, change = changes + <usize>(row - block) * rowBytes;
        takeQueries(command, at, pitch, count, queryTile);
        takeRows(address(command, 11) + at, pitch, count, pullTile, k);
        scoresOf(command, keys, queryTile, begin, end, share, rowBytes, slopes);
        for (let r = 0; r < ROWS; r++) softmax(command, share + <usize>r * rowBytes, head, min(row + r, s - 1), begin, end);
        pullsOf(values, pullTile, k, begin, end, change, rowBytes);
        for (let r: usize = 0; r < <usize>ROWS; r++) {
          changesOf(command, share + r * rowBytes, change + r * rowBytes, slopes + r * rowBytes, begin, end);
          clear(share + r * rowBytes, blockBegin, begin, (end + 7) & ~7, filled(keyEnd));
          clear(change + r * rowBytes, blockBegin, begin, (end + 7) & ~7, filled(keyEnd));
        }
        takeRows(change + (<usize>begin << 2), rowBytes, ROWS, changeTile, end - begin);
        for (let column = 0; column < k; column += 8) {
          const w = keyPanels + (<usize>((column >> 3) * s + begin) << 5);
          const to = out + <usize>row * outPitch + (<usize>(head * k + column) << 2);
          productTo(to, outPitch, count, min(8, k - column), false, w, changeTile, end - begin, sums);
        }
      }
      addColumns(shares, rowBytes, block, blockEnd, blockBegin, keyEnd, pullPanels, outValues, outPitch, k, tiles, sums);
      addColumns(changes, rowBytes, block, blockEnd, blockBegin, keyEnd, queryPanels, outKeys, outPitch, k, tiles, sums);
    }
  }
}

/** dO·vᵀ of 6 rows. */
function pullsOf(values: usize, pulls: usize, k: i32, begin: i32, end: i32, to: usize, pitch: usize): void {
  for (let key = begin; key < end; key += 8) {
    tile(values + (<usize>(key >> 3) * k << 5), pulls, k, to + (<usize>key << 2), pitch);
  }
}

/** A row of dP → scale · dS = scale · P ∘ (dP − Σ P ∘ dP), times the slope of the cap. */
function changesOf(command: usize, shares: usize, pulls: usize, slopes: usize, begin: i32, end: i32): void {
  let products = f32x4.splat(0);
  const last = <usize>((end + 7) & ~7) << 2;
  for (let i = <usize>begin << 2; i < last; i += 16) products = f32x4.add(products, f32x4.mul(v128.load(shares + i), v128.load(pulls + i)));
  const mean = f32x4.splat(sum4(products));
  const scale = f32x4.splat(number(command, 6));
  const capped = number(command, 8) > 0;
  for (let i = <usize>begin << 2; i < last; i += 16) {
    let change = f32x4.mul(f32x4.mul(v128.load(shares + i), scale), f32x4.sub(v128.load(pulls + i), mean));
    if (capped) change = f32x4.mul(change, v128.load(slopes + i));
    v128.store(pulls + i, change);
  }
}

/** Fills zeros before and after the keys that a row's tile computed. */
@inline function clear(row: usize, blockBegin: i32, begin: i32, end: i32, blockEnd: i32): void {
  memory.fill(row + (<usize>blockBegin << 2), 0, <usize>(begin - blockBegin) << 2);
  if (end < blockEnd) memory.fill(row + (<usize>end << 2), 0, <usize>(blockEnd - end) << 2);
}

/** to[key] += Σ_query x[query][key] · panels[query], over a block's queries. */
function addColumns(
  x: usize, pitch: usize, block: i32, blockEnd: i32, begin: i32, end: i32, panels: usize, to: usize, outPitch: usize, k: i32, tiles: usize, sums: usize,
): void {
  const rows = blockEnd - block;
  const count = (end - begin + ROWS - 1) / ROWS;
  takeTiles(x + (<usize>begin << 2), pitch, rows, count, tiles, rows);
  for (let column = 0; column < k; column += 8) {
    let at = tiles;
    const w = panels + (<usize>((column >> 3) * sequence() + block) << 5);
    for (let key = begin; key < end; key += ROWS) {
      const out = to + <usize>key * outPitch + (<usize>column << 2);
      productTo(out, outPitch, min(ROWS, end - key), min(8, k - column), true, w, at, rows, sums);
      at += <usize>rows * ROWS << 2;
    }
  }
}
