/**
 * Rounds the rows of a matrix channel by channel, each error being compensated by the channels after it (OBS; see
 * compress/obs.ts). Rows do not depend on each other, so threads take them in chunks.
 */
import { address, argument, claim } from "../parts/control";
import { takeRows } from "../parts/gather";
import {
  RECORD_HEAD, SEARCH_BYTES, blockSize, chooseGroup, groupSize, highest, isSuper, levels, lowest, minimumOf, nearestLevel, recordBytes,
  roundNear, roundWithin, startBlock, stepOf,
} from "../parts/search";
import { ROWS, TILE_BYTES, productTo } from "../parts/tile";

/** Rows per chunk: their weights should stay in the second-level cache. */
const CHUNK: i32 = 48;
/** Channels after which all later ones are compensated. */
const SPAN: i32 = 256;

/** Bytes of scratch per thread for rows of n channels. */
export function obsScratch(n: i32): i32 {
  return CHUNK * (n + 8) * 4 + CHUNK * SPAN * 4 + SPAN * 8 + <i32>(SEARCH_BYTES + TILE_BYTES) + SPAN * ROWS * 4 + 64;
}

/**
 * Arguments: 0 grid, 1 weights [rows, n], 2 order of the channels (i32), 3 U in panels of 8 columns, [n / 8][n][8], 4 1 for each
 * dead channel (u8), 5 records, 6 rows, 7 n, 8 how far an integer may be from its weight, in 1/256 of a step (0: as far as it likes; not
 * with tables of levels), 9 scratch, 10 scratch bytes per thread.
 */
export function obs(command: usize, thread: i32, threads: i32): void {
  const rows = argument(command, 6);
  const chunks = (rows + CHUNK - 1) / CHUNK;
  for (let chunk = claim(command, chunks, threads); chunk >= 0; chunk = claim(command, chunks, threads))
    solve(command, chunk * CHUNK, min(CHUNK, rows - chunk * CHUNK), address(command, 9) + <usize>thread * address(command, 10));
}

@inline function orderOf(order: usize, p: i32): i32 { return load<i32>(order + (<usize>p << 2)); }
/** Address of U[p, column], column being a multiple of 8. */
@inline function factorAt(u: usize, n: i32, p: i32, column: i32): usize { return u + ((<usize>(column >> 3) * n + p) << 5); }

function solve(command: usize, top: i32, rows: i32, scratch: usize): void {
  const grid = address(command, 0), order = address(command, 2), u = address(command, 3), dead = address(command, 4);
  const n = argument(command, 7), reach = <f32>argument(command, 8) / 256;
  const size = blockSize(grid), group = groupSize(grid), perRow = n / size, bytes = recordBytes(grid);
  const pitch = <usize>n << 2;
  const weights = scratch;
  const errors = weights + CHUNK * (n + 8) * 4;
  const x = errors + CHUNK * SPAN * 4, importance = x + SPAN * 4;
  const search = importance + SPAN * 4, sums = search + SEARCH_BYTES, left = sums + TILE_BYTES;
  for (let row = 0; row < rows; row++) {
    const from = address(command, 1) + <usize>(top + row) * pitch, to = weights + <usize>row * pitch;
    for (let p = 0; p < n; p++) {
      const channel = orderOf(order, p);
      store<f32>(to + (<usize>p << 2), load<u8>(dead + channel) ? 0 : load<f32>(from + (<usize>channel << 2)));
    }
  }
  const span = max(size, SPAN / size * size);
  for (let first = 0; first < n; first += span) {
    const last = min(first + span, n);
    for (let begin = first; begin < last; begin += size) {
      const place = orderOf(order, begin) / size, base = place * size;
      for (let p = begin; p < begin + size; p++) {
        const pivot = load<f32>(factorAt(u, n, p, p & ~7) + (<usize>(p & 7) << 2));
        store<f32>(importance + (<usize>(orderOf(order, p) - base) << 2), 1 / (pivot * pivot));
      }
      const records = address(command, 5) + (<usize>top * perRow + place) * bytes, next = bytes * perRow;
      if (isSuper(grid))
        for (let row = 0; row < rows; row++) {
          gather(order, begin, size, base, weights + <usize>row * pitch, x);
          startBlock(grid, records + row * next, x, importance, search);
        }
      for (let start = begin; start < begin + size; start += group) {
        const index = (orderOf(order, start) - base) / group;
        const within = base + index * group;
        for (let row = 0; row < rows; row++) {
          const line = weights + <usize>row * pitch, record = records + row * next;
          gather(order, start, group, within, line, x);
          chooseGroup(grid, record, index, x, importance + (<usize>(index * group) << 2), search);
          const to = errors + (<usize>(row * SPAN + start - first) << 2);
          const origins = address(command, 1) + <usize>(top + row) * pitch;
          roundGroup(grid, record, index, line, order, u, n, start, base, to, origins, dead, reach);
        }
        subtract(weights, n, errors + (<usize>(start - first) << 2), u, rows, start, group, start + group, last, left, sums);
      }
    }
    subtract(weights, n, errors, u, rows, first, last - first, last, n, left, sums);
  }
}

/** The weights of `count` channels from `from` on, in the channels' own order. */
@inline function gather(order: usize, from: i32, count: i32, base: i32, line: usize, to: usize): void {
  for (let p = from; p < from + count; p++)
    store<f32>(to + (<usize>(orderOf(order, p) - base) << 2), load<f32>(line + (<usize>p << 2)));
}

/**
 * Rounds a group's channels of one row. @param to receives the negative errors divided by U's diagonal
 * @param origins the row's weights before any compensation, in the channels' own order
 */
function roundGroup(
  grid: usize, record: usize, index: i32, line: usize, order: usize, u: usize, n: i32, start: i32, base: i32, to: usize,
  origins: usize, dead: usize, reach: f32,
): void {
  const step = stepOf(grid, record, index), minimum = minimumOf(grid, record, index);
  const inverse: f32 = step == 0 ? 0 : 1 / step;
  const least = lowest(grid), most = highest(grid), table = levels(grid);
  const end = start + groupSize(grid);
  for (let p = start; p < end; p++) {
    const value = load<f32>(line + (<usize>p << 2));
    const scaled = (value + minimum) * inverse;
    let q = table ? nearestLevel(grid, scaled) : roundWithin(scaled, least, most);
    if (reach > 0 && !load<u8>(dead + orderOf(order, p)))
      q = roundNear((load<f32>(origins + (<usize>orderOf(order, p) << 2)) + minimum) * inverse, q, reach, least, most);
    store<u8>(record + RECORD_HEAD + (orderOf(order, p) - base), <u8>(q - least));
    const chosen = step * (table ? <f32>load<i8>(table + q) : <f32>q) - minimum;
    const panel = p & ~7;
    let factor = factorAt(u, n, p, panel);
    const error = (chosen - value) / load<f32>(factor + (<usize>(p & 7) << 2));
    store<f32>(to + (<usize>(p - start) << 2), error);
    const error4 = f32x4.splat(error);
    for (let column = panel; column < end; column += 8) {
      const at = line + (<usize>column << 2);
      v128.store(at, f32x4.add(v128.load(at), f32x4.mul(error4, v128.load(factor))));
      v128.store(at, f32x4.add(v128.load(at, 16), f32x4.mul(error4, v128.load(factor, 16))), 16);
      factor += <usize>n << 5;
    }
  }
}

/** Compensates the channels from … to−1 for the errors of `depth` channels from `start` on. */
function subtract(
  weights: usize, n: i32, errors: usize, u: usize, rows: i32, start: i32, depth: i32, from: i32, to: i32, left: usize, sums: usize,
): void {
  if (from >= to) return;
  const pitch = <usize>n << 2;
  for (let row = 0; row < rows; row += ROWS) {
    const some = min(ROWS, rows - row);
    takeRows(errors + <usize>row * (SPAN * 4), SPAN * 4, some, left, depth);
    for (let column = from; column < to; column += 8)
      productTo(
        weights + <usize>row * pitch + (<usize>column << 2), pitch, some, 8, true, factorAt(u, n, start, column), left, depth, sums,
      );
  }
}
