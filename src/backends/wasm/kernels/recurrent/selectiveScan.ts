/** Selective scan of Mamba and Mamba 2. A block of work is up to 16 channels of a group of heads. */
import { address, argument, shareFrom, shareTo } from "../parts/control";
import { exp4, madd } from "../parts/simd";
import { BLOCK, firstRow, keepMatrix, loadMatrix, matrixBytes, rowsOfPage, rowCount, sequences } from "../parts/states";

/** Bytes of scratch per thread: a matrix, and x, Δ, A, D and y of a block. */
export function selectiveScanScratch(stateSize: i32): i32 { return <i32>matrixBytes(stateSize) + 320; }

/**
 * Arguments: 0 x [T, H·P], 1 Δ [T, H], 2 B [T, G·N], 3 C [T, G·N], 4 A [N or 1, H], 5 D [H], 6 output [T, H·P], 7 H, 8 P, 9 G, 10 N,
 * 11 numbers of A per head, 12 offset of its state in bytes, 13 scratch, 14 scratch bytes per thread.
 */
export function selectiveScan(command: usize, thread: i32, threads: i32): void {
  const groups = argument(command, 9), stateSize = argument(command, 10);
  const channels = argument(command, 7) * argument(command, 8) / groups;
  const blocks = (channels + BLOCK - 1) / BLOCK, items = groups * blocks;
  const matrix = address(command, 13) + <usize>thread * address(command, 14);
  const block = matrix + matrixBytes(stateSize);
  for (let item = shareFrom(items, thread, threads); item < shareTo(items, thread, threads); item++) {
    const group = item / blocks, within = (item % blocks) * BLOCK, columns = min(BLOCK, channels - within);
    const from = group * channels + within;
    const place = address(command, 12) + (<usize>(from * stateSize) << 2);
    memory.fill(block, 0, 320);
    gather(block + 128, address(command, 4), from, columns, argument(command, 8));
    gather(block + 192, address(command, 5), from, columns, argument(command, 8));
    for (let i = 0; i < sequences(); i++) {
      loadMatrix(matrix, i, place, stateSize, columns);
      for (let row = 0; row < rowCount(i);) {
        const end = row + rowsOfPage(i, row);
        for (; row < end; row++) step(command, matrix, firstRow(i) + row, group, from, columns);
        keepMatrix(matrix, i, row - 1, place, stateSize, columns);
      }
    }
  }
}

/** Copies the numbers of the heads to which the channels belong. */
@inline function gather(to: usize, numbers: usize, from: i32, columns: i32, headSize: i32): void {
  if (headSize == 1) {
    memory.copy(to, numbers + (<usize>from << 2), <usize>columns << 2);
    return;
  }
  for (let i = 0; i < columns; i++)
    store<f32>(to + (<usize>i << 2), load<f32>(numbers + (<usize>((from + i) / headSize) << 2)));
}

/** One token. */
function step(command: usize, matrix: usize, row: i32, group: i32, from: i32, columns: i32): void {
  const heads = argument(command, 7), headSize = argument(command, 8), stateSize = argument(command, 10);
  const at = <usize>(row * heads * headSize + from) << 2, bytes = <usize>columns << 2;
  const shared = <usize>((row * argument(command, 9) + group) * stateSize) << 2;
  const block = matrix + matrixBytes(stateSize);
  memory.copy(block, address(command, 0) + at, bytes);
  gather(block + 64, address(command, 1) + (<usize>(row * heads) << 2), from, columns, headSize);
  const end = block;
  const each = argument(command, 11) > 1;
  // four channels at a time: their N numbers stay in registers only as sums
  for (let lane: usize = 0; lane < bytes; lane += 16) {
    const x = v128.load(block + lane), delta = v128.load(block + lane + 64);
    const driven = f32x4.mul(delta, x);
    let decay = exp4(f32x4.mul(delta, v128.load(block + lane + 128)));
    let sum = f32x4.mul(v128.load(block + lane + 192), x);
    let b = address(command, 2) + shared, c = address(command, 3) + shared;
    let a = address(command, 4) + (<usize>from << 2) + lane;
    const pitch = <usize>heads << 2;
    for (let m = matrix + lane; m < end; m += 64, b += 4, c += 4) {
      if (each) {
        decay = exp4(f32x4.mul(delta, some(a, <i32>((bytes - lane) >> 2))));
        a += pitch;
      }
      const next = madd(v128.load32_splat(b), driven, f32x4.mul(decay, v128.load(m)));
      v128.store(m, next);
      sum = madd(v128.load32_splat(c), next, sum);
    }
    v128.store(block + lane + 256, sum);
  }
  memory.copy(address(command, 6) + at, block + 256, bytes);
}

/** Up to four numbers; the other lanes are 0. */
@inline function some(from: usize, count: i32): v128 {
  if (count >= 4) return v128.load(from);
  let v = v128.load32_zero(from);
  if (count > 1) v = v128.load32_lane(from, v, 1, 4);
  if (count > 2) v = v128.load32_lane(from, v, 2, 8);
  return v;
}
