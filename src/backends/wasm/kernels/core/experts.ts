/** Mixtures of experts: choosing experts, products with the chosen experts' matrices, weighted sums. */
import { FLOATS, INT16, INT8_PARTS } from "../parts/format";
import { address, argument, claim, number, piecesOf, rowsOf, shareFrom, shareTo } from "../parts/control";
import { exp4 } from "../parts/simd";

const SOFTMAX: i32 = 0;
const SIGMOID: i32 = 1;

@inline function at(floats: usize, i: i32): f32 { return load<f32>(floats + (<usize>i << 2)); }
@inline function put(floats: usize, i: i32, value: f32): void { store<f32>(floats + (<usize>i << 2), value); }
@inline function exp(x: f32): f32 { return f32x4.extract_lane(exp4(f32x4.splat(x)), 0); }

export function routeScratch(experts: i32): i32 { return experts << 4; }

/**
 * Arguments: 0 rows kind, 1 logits [rows, E], 2 output [rows, 2·used], 3 E, 4 used, 5 gating, 6 normalize (1 or 0), 7 scale,
 * 8 groups, 9 used groups, 10 bias [E] or 0, 11 scratch, 12 scratch bytes per thread, 13 least sum of weights.
 * Scratch: scores, scores of the choice, sums of groups.
 */
export function route(command: usize, thread: i32, threads: i32): void {
  const rows = rowsOf(argument(command, 0)), experts = argument(command, 3), used = argument(command, 4);
  const scores = address(command, 11) + <usize>thread * address(command, 12);
  const order = scores + (<usize>experts << 2), sums = order + (<usize>experts << 2);
  const bias = address(command, 10), groups = argument(command, 8);
  for (let row = shareFrom(rows, thread, threads); row < shareTo(rows, thread, threads); row++) {
    const ids = address(command, 2) + (<usize>(row * used) << 3), weights = ids + (<usize>used << 2);
    memory.copy(scores, address(command, 1) + (<usize>(row * experts) << 2), experts << 2);
    if (argument(command, 5) == SOFTMAX) softmax(scores, experts);
    else if (argument(command, 5) == SIGMOID) for (let i = 0; i < experts; i++) put(scores, i, 1 / (1 + exp(-at(scores, i))));
    for (let i = 0; i < experts; i++) put(order, i, at(scores, i) + (bias ? at(bias, i) : 0));
    if (groups > 1) excludeGroups(order, experts / groups, groups, argument(command, 9), sums);
    let sum: f32 = 0;
    for (let i = 0; i < used; i++) {
      const expert = largest(order, experts);
      put(order, expert, -Infinity);
      put(ids, i, <f32>expert);
      put(weights, i, at(scores, expert));
    }
    if (argument(command, 5) > SIGMOID) softmax(weights, used);
    for (let i = 0; i < used; i++) sum += at(weights, i);
    let factor = number(command, 7);
    if (argument(command, 6)) factor /= max(sum, number(command, 13));
    for (let i = 0; i < used; i++) put(weights, i, at(weights, i) * factor);
  }
}

function softmax(row: usize, count: i32): void {
  let most: f32 = -Infinity, sum: f32 = 0;
  for (let i = 0; i < count; i++) most = max(most, at(row, i));
  for (let i = 0; i < count; i++) {
    const e = exp(at(row, i) - most);
    put(row, i, e);
    sum += e;
  }
  for (let i = 0; i < count; i++) put(row, i, at(row, i) / sum);
}

/** Index of the largest value; of a value that is not −∞ if there is one. */
function largest(values: usize, count: i32): i32 {
  let best = 0;
  for (let i = 1; i < count; i++) if (at(values, i) > at(values, best) || at(values, best) != at(values, best)) best = i;
  return best;
}

/** Sets the scores of all groups but the `used` with the largest sum of two scores to −∞. */
function excludeGroups(order: usize, size: i32, groups: i32, used: i32, sums: usize): void {
  for (let group = 0; group < groups; group++) {
    const own = order + (<usize>(group * size) << 2);
    let first: f32 = -Infinity, second: f32 = -Infinity;
    for (let i = 0; i < size; i++) {
      const score = at(own, i);
      if (score > first) {
        second = first;
        first = score;
      } else if (score > second) second = score;
    }
    put(sums, group, size > 1 ? first + second : first);
  }
  // a group that is used has the sum NaN afterwards, which is never the largest
  for (let i = 0; i < used; i++) {
    let best = -1;
    for (let group = 0; group < groups; group++) {
      const sum = at(sums, group);
      if (sum == sum && (best < 0 || sum > at(sums, best))) best = group;
    }
    if (best >= 0) put(sums, best, NaN);
  }
  for (let group = 0; group < groups; group++) {
    if (at(sums, group) != at(sums, group)) continue;
    for (let i = 0; i < size; i++) put(order, group * size + i, -Infinity);
  }
}

/** Tokens of an expert that are multiplied at a time. */
const BATCH: i32 = 32;
/** Greatest number of groups of 8 rows per piece of work. */
const MOST_GROUPS: i32 = 64;
const COMMAND: usize = 128;

/** Bytes of a batch's activations: gathered rows, codes, scales or sums. @param columns of the matrices */
@inline function rowsBytes(columns: i32): usize { return (<usize>(BATCH * columns) << 2) + 64; }
/** Floats in tiles of 6 rows need most. */
@inline function tiledBytes(columns: i32): usize { return (<usize>((BATCH + 6) * columns) << 2) + 64; }

/** Bytes of scratch per thread, besides that of the products. */
export function expertScratch(columns: i32): i32 {
  return <i32>(COMMAND + (BATCH << 2) + ((BATCH * MOST_GROUPS) << 5) + 64 + 2 * rowsBytes(columns) + tiledBytes(columns));
}

/**
 * Products with experts' matrices, by the format's own kernel. A piece of work is one expert and some groups of its rows: the
 * activations of its tokens are gathered and quantized, multiplied as one step of so many tokens, and put into their places.
 *
 * Arguments: 0 rows kind, 1 weights of all experts, 2 x [rows, K] or [rows, used·K], 3 routes [rows, 2·used], 4 output
 * [rows, used·N], 5 N, 6 K, 7 bias [E, N] or 0, 8 E, 9 used, 10 scratch, 11 scratch bytes per thread, 12 1 if each expert has
 * its own x, 13 kind of activations (parts/format.ts), 14 bytes of a group, 15 kernel of the products, 16 of the activations,
 * 17 a factor of each expert's products [E] or 0; then there is no bias.
 */
export function expertLinear(command: usize, thread: i32, threads: i32): void {
  const rows = rowsOf(argument(command, 0)), used = argument(command, 9), outputs = argument(command, 5);
  if (rows == 0) return;
  // a single token has its choices as units, several tokens all experts
  const units = rows == 1 ? used : argument(command, 8);
  const groups = (outputs + 7) / 8 + (outputs % 8 ? 1 : 0);
  const wanted = ((units * groups + threads * 8 - 1) / (threads * 8) + 3) & ~3;
  const size = min(MOST_GROUPS, max(rows == 1 ? 4 : 16, wanted));
  const shares = (groups + size - 1) / size, items = units * shares;
  const scratch = address(command, 10) + <usize>thread * address(command, 11);
  const list = scratch + COMMAND, routes = address(command, 3);
  const pieces = piecesOf(items, threads);
  // a token's pieces have the same activations, or those of a choice one after another
  let prepared: usize = 0;
  for (let piece = claim(command, pieces, threads); piece >= 0; piece = claim(command, pieces, threads)) {
    for (let item = shareFrom(items, piece, pieces); item < shareTo(items, piece, pieces); item++) {
      const unit = item / shares, from = (item % shares) * size;
      if (rows == 1) {
        store<i32>(list, unit);
        prepared = multiply(command, expertOf(command, routes + (<usize>unit << 2)), from, size, scratch, 1, prepared);
        continue;
      }
      let count = 0;
      for (let row = 0; row < rows; row++) {
        for (let i = 0; i < used; i++) {
          if (expertOf(command, routes + (<usize>(row * 2 * used + i) << 2)) != unit) continue;
          store<i32>(list + (<usize>count << 2), row * used + i);
          if (++count < BATCH) continue;
          multiply(command, unit, from, size, scratch, count, 0);
          count = 0;
        }
      }
      if (count > 0) multiply(command, unit, from, size, scratch, count, 0);
    }
  }
}

@inline function expertOf(command: usize, id: usize): i32 {
  return max(0, min(argument(command, 8) - 1, <i32>load<f32>(id)));
}

/**
 * Rows from group `from` on of one expert, times the `count` rows in the list: their index among rows · used.
 * @param prepared row whose activations the scratch has from an earlier call, or 0 @returns that row after this call, or 0
 */
function multiply(command: usize, expert: i32, from: i32, size: i32, scratch: usize, count: i32, prepared: usize): usize {
  const outputs = argument(command, 5), columns = argument(command, 6), used = argument(command, 9);
  // the expert's rows may begin and end within a group of 8
  const begin = expert * outputs, end = begin + outputs;
  const first = begin / 8 + from, last = min((end + 7) / 8, first + size);
  if (first >= last) return prepared;
  const own = argument(command, 12) != 0, form = argument(command, 13);
  const list = scratch + COMMAND;
  const results = list + (BATCH << 2);
  const gathered = results + ((BATCH * MOST_GROUPS) << 5) + 64;
  const codes = gathered + rowsBytes(columns), records = codes + rowsBytes(columns);
  const rowBytes = <usize>columns << 2;
  let x = gathered;
  for (let i = 0; i < count; i++) {
    const slot = load<i32>(list + (<usize>i << 2));
    const row = address(command, 2) + <usize>(own ? slot : slot / used) * rowBytes;
    if (count == 1) x = row;
    else memory.copy(gathered + <usize>i * rowBytes, row, rowBytes);
  }
  memory.fill(scratch, 0, COMMAND);
  set(scratch, 0, -count);
  if (x != prepared) {
    // the activations, as a command of their own
    set(scratch, 1, <i32>x);
    set(scratch, 2, <i32>(form == FLOATS ? records : codes));
    set(scratch, 3, form == FLOATS ? columns : <i32>records);
    set(scratch, 4, form == FLOATS ? 0 : columns);
    set(scratch, 5, form == FLOATS ? columns : form == INT8_PARTS ? 2 : 1);
    call_indirect<void>(argument(command, 16), scratch, 0, 1);
  }
  const row = count == 1 ? x : 0;
  const width = (last - first) * 8;
  const whole = count == 1 && first * 8 >= begin && last * 8 <= end;
  const slot = load<i32>(list);
  const out = address(command, 4);
  set(scratch, 1, <i32>(address(command, 1) + <usize>first * address(command, 14)));
  set(scratch, 2, <i32>(form == FLOATS ? x : codes));
  set(scratch, 3, <i32>records);
  set(scratch, 4, <i32>(whole ? out + (<usize>(slot * outputs + first * 8 - begin) << 2) : results));
  set(scratch, 5, width);
  set(scratch, 6, columns);
  const bias = address(command, 7);
  set(scratch, 7, bias ? <i32>(bias + (<usize>first << 5)) : 0);
  set(scratch, 9, <i32>(records + tiledBytes(columns)));
  call_indirect<void>(argument(command, 15), scratch, 0, 1);
  const factors = address(command, 17);
  if (factors) scaleAll(load<u32>(scratch, 24), count * width, at(factors, expert));
  if (whole) return row;
  const low = max(begin, first * 8), high = min(end, last * 8);
  for (let i = 0; i < count; i++) {
    const to = out + (<usize>(load<i32>(list + (<usize>i << 2)) * outputs + low - begin) << 2);
    memory.copy(to, results + (<usize>(i * width + low - first * 8) << 2), (high - low) << 2);
  }
  return row;
}

/** Multiplies `count` numbers, a multiple of 8. */
function scaleAll(y: usize, count: i32, factor: f32): void {
  for (const end = y + (<usize>count << 2); y < end; y += 16) v128.store(y, f32x4.mul(v128.load(y), f32x4.splat(factor)));
}

@inline function set(command: usize, i: usize, value: i32): void { store<i32>(command + 8 + (i << 2), value); }

/** Columns per piece of work. */
const CHUNK: i32 = 256;

/**
 * Arguments: 0 rows kind, 1 x [rows, groups·K], 2 factors [rows, width], 3 output [rows, K], 4 K, 5 groups, 6 width of the
 * factors, 7 first factor.
 */
export function combine(command: usize, thread: i32, threads: i32): void {
  const columns = argument(command, 4), groups = argument(command, 5);
  const chunks = (columns + CHUNK - 1) / CHUNK, items = rowsOf(argument(command, 0)) * chunks;
  for (let item = shareFrom(items, thread, threads); item < shareTo(items, thread, threads); item++) {
    const row = item / chunks, from = (item % chunks) * CHUNK, to = min(columns, from + CHUNK);
    const factors = address(command, 2) + (<usize>(row * argument(command, 6) + argument(command, 7)) << 2);
    const out = address(command, 3) + (<usize>(row * columns) << 2);
    for (let column = from; column < to; column += 4) {
      let x = address(command, 1) + (<usize>(row * groups * columns + column) << 2);
      let sum = f32x4.splat(0);
      for (let group = 0; group < groups; group++) {
        sum = f32x4.add(sum, f32x4.mul(v128.load(x), v128.load32_splat(factors + (<usize>group << 2))));
        x += <usize>columns << 2;
      }
      if (column + 4 <= to) v128.store(out + (<usize>column << 2), sum);
      else some(out + (<usize>column << 2), sum, to - column);
    }
  }
}

/** Arguments: 0 rows kind, 1 x [rows, G·K], 2 factors [rows, G], 3 output, 4 G, 5 K. */
export function scaleGroups(command: usize, thread: i32, threads: i32): void {
  const columns = argument(command, 5);
  const items = rowsOf(argument(command, 0)) * argument(command, 4);
  for (let item = shareFrom(items, thread, threads); item < shareTo(items, thread, threads); item++) {
    const at = <usize>(item * columns) << 2;
    const x = address(command, 1) + at, y = address(command, 3) + at;
    const factor = v128.load32_splat(address(command, 2) + (<usize>item << 2));
    for (let column = 0; column < columns; column += 4) {
      const product = f32x4.mul(v128.load(x + (<usize>column << 2)), factor);
      if (column + 4 <= columns) v128.store(y + (<usize>column << 2), product);
      else some(y + (<usize>column << 2), product, columns - column);
    }
  }
}

/** The first `count` of 4 lanes. */
@inline function some(to: usize, value: v128, count: i32): void {
  v128.store32_lane(to, value, 0);
  if (count > 1) v128.store32_lane(to, value, 1, 4);
  if (count > 2) v128.store32_lane(to, value, 2, 8);
}
