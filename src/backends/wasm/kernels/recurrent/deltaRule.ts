/** Gated delta rule. A block of work is up to 16 columns of a head's matrix. */
import { address, argument, number, shareFrom, shareTo } from "../parts/control";
import { exp4, madd } from "../parts/simd";
import { BLOCK, firstRow, keepMatrix, loadMatrix, matrixBytes, rowsOfPage, rowCount, sequences } from "../parts/states";

/** Bytes of scratch per thread: a matrix, and the values and results of a block. */
export function deltaRuleScratch(keySize: i32): i32 { return <i32>matrixBytes(keySize) + 128; }

/**
 * Arguments: 0 qk [T, 2·G·S], 1 v [T, H·V], 2 g [T, H], 3 β [T, H], 4 output [T, H·V], 5 H, 6 G, 7 S, 8 V, 9 1 if the key head
 * of head h is h mod G, 10 1/√S, 11 offset of its state in bytes, 12 scratch, 13 scratch bytes per thread.
 */
export function deltaRule(command: usize, thread: i32, threads: i32): void {
  const heads = argument(command, 5), keyHeads = argument(command, 6);
  const keySize = argument(command, 7), valueSize = argument(command, 8);
  const blocks = (valueSize + BLOCK - 1) / BLOCK, items = heads * blocks;
  const matrix = address(command, 12) + <usize>thread * address(command, 13);
  for (let item = shareFrom(items, thread, threads); item < shareTo(items, thread, threads); item++) {
    const head = item / blocks, from = (item % blocks) * BLOCK, columns = min(BLOCK, valueSize - from);
    const keyHead = argument(command, 9) ? head % keyHeads : head / (heads / keyHeads);
    const place = address(command, 11) + (<usize>((head * valueSize + from) * keySize) << 2);
    for (let i = 0; i < sequences(); i++) {
      loadMatrix(matrix, i, place, keySize, columns);
      for (let row = 0; row < rowCount(i);) {
        const end = row + rowsOfPage(i, row);
        for (; row < end; row++) step(command, matrix, firstRow(i) + row, head, keyHead, from, columns);
        keepMatrix(matrix, i, row - 1, place, keySize, columns);
      }
    }
  }
}

/** One token: reads the matrix twice, for the prediction, and for the correction and the result. */
function step(command: usize, matrix: usize, row: i32, head: i32, keyHead: i32, from: i32, columns: i32): void {
  const heads = argument(command, 5), keyHeads = argument(command, 6);
  const keySize = argument(command, 7), valueSize = argument(command, 8);
  const own = <usize>(row * heads + head) << 2;
  const at = <usize>((row * heads + head) * valueSize + from) << 2, bytes = <usize>columns << 2;
  const q = address(command, 0) + (<usize>((2 * row * keyHeads + keyHead) * keySize) << 2);
  const k = q + (<usize>(keyHeads * keySize) << 2);
  const values = matrix + matrixBytes(keySize);
  if (columns < BLOCK) memory.fill(values, 0, 64);
  memory.copy(values, address(command, 1) + at, bytes);
  const decay = exp4(v128.load32_splat(address(command, 2) + own)), beta = v128.load32_splat(address(command, 3) + own);
  const end = matrix + matrixBytes(keySize);
  const zero = f32x4.splat(0);
  let a = zero, b = zero, c = zero, d = zero;
  let key = k;
  for (let m = matrix; m < end; m += 64, key += 4) {
    const x = v128.load32_splat(key);
    a = madd(x, v128.load(m), a);
    b = madd(x, v128.load(m, 16), b);
    c = madd(x, v128.load(m, 32), c);
    d = madd(x, v128.load(m, 48), d);
  }
  a = f32x4.mul(f32x4.sub(v128.load(values), f32x4.mul(decay, a)), beta);
  b = f32x4.mul(f32x4.sub(v128.load(values, 16), f32x4.mul(decay, b)), beta);
  c = f32x4.mul(f32x4.sub(v128.load(values, 32), f32x4.mul(decay, c)), beta);
  d = f32x4.mul(f32x4.sub(v128.load(values, 48), f32x4.mul(decay, d)), beta);
  let e = zero, f = zero, g = zero, h = zero;
  let query = q;
  key = k;
  for (let m = matrix; m < end; m += 64, key += 4, query += 4) {
    const x = v128.load32_splat(key), y = v128.load32_splat(query);
    const m0 = madd(x, a, f32x4.mul(decay, v128.load(m)));
    const m1 = madd(x, b, f32x4.mul(decay, v128.load(m, 16)));
    const m2 = madd(x, c, f32x4.mul(decay, v128.load(m, 32)));
    const m3 = madd(x, d, f32x4.mul(decay, v128.load(m, 48)));
    v128.store(m, m0);
    v128.store(m, m1, 16);
    v128.store(m, m2, 32);
    v128.store(m, m3, 48);
    e = madd(y, m0, e);
    f = madd(y, m1, f);
    g = madd(y, m2, g);
    h = madd(y, m3, h);
  }
  const scale = f32x4.splat(number(command, 10));
  const results = values + 64;
  v128.store(results, f32x4.mul(e, scale));
  v128.store(results, f32x4.mul(f, scale), 16);
  v128.store(results, f32x4.mul(g, scale), 32);
  v128.store(results, f32x4.mul(h, scale), 48);
  memory.copy(address(command, 4) + at, results, bytes);
}
