/** Quantizes rows block by block, with a search for scales (parts/search.ts). */
import { address, argument, claim, piecesOf, shareFrom, shareTo } from "../parts/control";
import {
  RECORD_HEAD, SEARCH_BYTES, blockSize, chooseGroup, chooseStartedGroup, groupSize, isSuper, levels, lowest, minimumOf, offsetOf,
  recordBytes, roundGroup, rounded, scaleOf, startBlock, stepOf,
} from "../parts/search";
import { sum4 } from "../parts/simd";

/** Bytes of scratch per thread: a search, and the weights of a block. */
export function encodeBlocksScratch(size: i32): i32 { return <i32>SEARCH_BYTES + (size << 2); }

/**
 * Arguments: 0 grid, 1 rows [rows, columns], 2 importance of the columns (0: root mean square + |x| of each element),
 * 3 records, 4 rows, 5 columns, 6 scratch, 7 scratch bytes per thread.
 */
export function encodeBlocks(command: usize, thread: i32, threads: i32): void {
  const grid = address(command, 0);
  const rows = argument(command, 4), columns = argument(command, 5);
  const size = blockSize(grid), perRow = columns / size, bytes = recordBytes(grid);
  const scratch = address(command, 6) + <usize>thread * address(command, 7);
  const pieces = piecesOf(rows, threads);
  for (let piece = claim(command, pieces, threads); piece >= 0; piece = claim(command, pieces, threads))
    for (let row = shareFrom(rows, piece, pieces); row < shareTo(rows, piece, pieces); row++)
      for (let block = 0; block < perRow; block++) {
        const column = block * size;
        const x = address(command, 1) + (<usize>(row * columns + column) << 2);
        let w = address(command, 2) + (<usize>column << 2);
        if (!address(command, 2)) {
          w = scratch + SEARCH_BYTES;
          weighByMagnitude(x, size, w);
        }
        encodeBlock(grid, address(command, 3) + <usize>(row * perRow + block) * bytes, x, w, scratch);
      }
}

/** Large elements count more, which improves perplexity. */
function weighByMagnitude(x: usize, count: i32, w: usize): void {
  let sum = f32x4.splat(0);
  const bytes = <usize>count << 2;
  for (let at: usize = 0; at < bytes; at += 16) sum = f32x4.add(sum, f32x4.mul(v128.load(x + at), v128.load(x + at)));
  const root = f32x4.splat(sqrt<f32>(sum4(sum) / <f32>count));
  for (let at: usize = 0; at < bytes; at += 16) v128.store(w + at, f32x4.add(root, f32x4.abs(v128.load(x + at))));
}

function encodeBlock(grid: usize, record: usize, x: usize, w: usize, scratch: usize): void {
  const size = groupSize(grid), groups = blockSize(grid) / size;
  startBlock(grid, record, x, w, scratch);
  for (let group = 0; group < groups; group++) {
    const at = <usize>(group * size) << 2;
    if (isSuper(grid)) chooseStartedGroup(grid, record, group, x + at, w + at, scratch);
    else chooseGroup(grid, record, group, x + at, w + at, scratch);
  }
  roundAll(grid, record, x, w);
  if (!isSuper(grid)) return;
  solveForHalves(grid, record, x, w);
  roundAll(grid, record, x, w);
}

function roundAll(grid: usize, record: usize, x: usize, w: usize): void {
  const size = groupSize(grid), groups = blockSize(grid) / size;
  for (let group = 0; group < groups; group++) {
    const at = <usize>(group * size) << 2;
    const to = record + RECORD_HEAD + group * size;
    roundGroup(grid, x + at, w + at, stepOf(grid, record, group), minimumOf(grid, record, group), to);
  }
}

/** Sets d and dmin to the values with the least weighted squared error, given all integers. */
function solveForHalves(grid: usize, record: usize, x: usize, w: usize): void {
  const size = groupSize(grid), groups = blockSize(grid) / size, base = lowest(grid), table = levels(grid);
  let aa: f32 = 0, am: f32 = 0, mm: f32 = 0, ax: f32 = 0, mx: f32 = 0;
  for (let group = 0; group < groups; group++) {
    const m = <f32>offsetOf(record, group), s = <f32>scaleOf(record, group);
    // sums of the group's weighted products of q, 1 and x
    let qq: f32 = 0, q1: f32 = 0, one: f32 = 0, qx: f32 = 0, x1: f32 = 0;
    for (let i = group * size; i < (group + 1) * size; i++) {
      const value = load<f32>(x + (<usize>i << 2)), weight = load<f32>(w + (<usize>i << 2));
      const code = <i32>load<u8>(record + RECORD_HEAD + i);
      const q = table ? <f32>load<i8>(table + code) : <f32>(code + base);
      qq += weight * q * q;
      q1 += weight * q;
      one += weight;
      qx += weight * q * value;
      x1 += weight * value;
    }
    aa += s * s * qq;
    am += s * m * q1;
    mm += m * m * one;
    ax += s * qx;
    mx += m * x1;
  }
  if (mm == 0) {
    if (aa > 0) store<f32>(record, rounded(ax / aa));
    return;
  }
  const determinant = aa * mm - am * am;
  const dmin = (ax * am - mx * aa) / determinant;
  if (!(determinant > 0 && dmin > 0)) return;
  store<f32>(record, rounded((ax * mm - mx * am) / determinant));
  store<f32>(record, rounded(dmin), 4);
}
