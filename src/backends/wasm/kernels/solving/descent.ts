/** Coordinate descent on the integers of blocks, see compress/descent.ts. */
import { address, argument, claim, piecesOf, shareFrom, shareTo } from "../parts/control";
import {
  RECORD_HEAD, blockSize, groupSize, highest, levels, lowest, minimumOf, nearestLevel, recordBytes, roundNear, roundWithin, stepOf,
} from "../parts/search";

@inline function valueOf(table: usize, least: i32, code: i32): f32 { return table ? <f32>load<i8>(table + code) : <f32>(code + least); }

/**
 * Writes weights minus what the blocks stand for; 0 for dead channels. Arguments: 0 grid, 1 weights [rows, n], 2 1 for each dead
 * channel (u8), 3 records, 4 result [rows, n], 5 rows, 6 n.
 */
export function blockErrors(command: usize, thread: i32, threads: i32): void {
  const grid = address(command, 0), dead = address(command, 2);
  const rows = argument(command, 5), n = argument(command, 6);
  const size = blockSize(grid), group = groupSize(grid), bytes = recordBytes(grid), table = levels(grid), least = lowest(grid);
  const pieces = piecesOf(rows, threads);
  for (let piece = claim(command, pieces, threads); piece >= 0; piece = claim(command, pieces, threads))
    for (let row = shareFrom(rows, piece, pieces); row < shareTo(rows, piece, pieces); row++) {
      const from = address(command, 1) + (<usize>row * n << 2), to = address(command, 4) + (<usize>row * n << 2);
      let record = address(command, 3) + <usize>row * (n / size) * bytes;
      for (let first = 0; first < n; first += size) {
        for (let i = 0; i < size; i++) {
          const index = i / group, j = first + i;
          const chosen = stepOf(grid, record, index) * valueOf(table, least, load<u8>(record + RECORD_HEAD + i)) - minimumOf(grid, record, index);
          store<f32>(to + (<usize>j << 2), load<u8>(dead + j) ? 0 : load<f32>(from + (<usize>j << 2)) - chosen);
        }
        record += bytes;
      }
    }
}

/** Rows that visit a channel one after another, so that they share its row of H. */
const CHUNK: i32 = 16;

/**
 * Moves integers to where the error is least, given the others. Arguments: 0 grid, 1 H [n, n], 2 1 for each dead channel (u8),
 * 3 records, 4 products −error · H [rows, n], 5 rows, 6 n, 7 sweeps, 8 weights [rows, n], 9 how far an integer may be from its weight, in
 * 1/256 of a step; 0: as far as it likes, and no weights are needed.
 */
export function descend(command: usize, thread: i32, threads: i32): void {
  const grid = address(command, 0), h = address(command, 1), dead = address(command, 2);
  const rows = argument(command, 5), n = argument(command, 6), sweeps = argument(command, 7);
  const weights = address(command, 8), reach = <f32>argument(command, 9) / 256;
  const size = blockSize(grid), group = groupSize(grid), bytes = recordBytes(grid), perRow = n / size;
  const table = levels(grid), least = lowest(grid), most = highest(grid);
  const chunks = (rows + CHUNK - 1) / CHUNK;
  for (let chunk = claim(command, chunks, threads); chunk >= 0; chunk = claim(command, chunks, threads)) {
    const end = min(rows, (chunk + 1) * CHUNK);
    for (let sweep = 0; sweep < sweeps; sweep++) {
      let moves = 0;
      for (let j = 0; j < n; j++) {
        if (load<u8>(dead + j)) continue;
        const line = h + (<usize>j * n << 2);
        const inverse: f32 = 1 / load<f32>(line + (<usize>j << 2));
        const block = j / size, i = j - block * size, index = i / group;
        for (let row = chunk * CHUNK; row < end; row++) {
          const record = address(command, 3) + (<usize>row * perRow + block) * bytes;
          const step = stepOf(grid, record, index);
          if (step == 0) continue;
          const g = address(command, 4) + (<usize>row * n << 2);
          const code = <i32>load<u8>(record + RECORD_HEAD + i);
          const now = step * valueOf(table, least, code);
          const scaled = (now - load<f32>(g + (<usize>j << 2)) * inverse) / step;
          let q = table ? nearestLevel(grid, scaled) : roundWithin(scaled, least, most);
          if (reach > 0) q = roundNear((load<f32>(weights + (<usize>row * n + j << 2)) + minimumOf(grid, record, index)) / step, q, reach, least, most);
          q -= least;
          if (q == code) continue;
          store<u8>(record + RECORD_HEAD + i, <u8>q);
          addScaled(g, line, step * valueOf(table, least, q) - now, n);
          moves++;
        }
      }
      if (moves == 0) break;
    }
  }
}

/** y ← y + factor·x. n is a multiple of 8. */
function addScaled(y: usize, x: usize, factor: f32, n: i32): void {
  const splat = f32x4.splat(factor);
  for (let at: usize = 0, end = <usize>n << 2; at < end; at += 32) {
    v128.store(y + at, f32x4.add(v128.load(y + at), f32x4.mul(splat, v128.load(x + at))));
    v128.store(y + at, f32x4.add(v128.load(y + at, 16), f32x4.mul(splat, v128.load(x + at, 16))), 16);
  }
}
