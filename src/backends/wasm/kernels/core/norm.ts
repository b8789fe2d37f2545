/** Norms. Rows are split among threads. */
import { address, argument, number, rowsOf, shareFrom, shareTo } from "../parts/control";
import { meanOf, varianceOf } from "../parts/moments";
import { madd } from "../parts/simd";

/**
 * rmsNorm over groups of `size` columns. Arguments: 0 rows kind, 1 x [rows, groups·size], 2 gain [size],
 * 3 output, 4 groups per row, 5 size, 6 epsilon.
 */
export function rmsNorm(command: usize, thread: i32, threads: i32): void {
  const count = rowsOf(argument(command, 0)) * argument(command, 4);
  const size = argument(command, 5);
  const vectors: usize = size & ~3;
  for (let group = shareFrom(count, thread, threads); group < shareTo(count, thread, threads); group++) {
    const x = address(command, 1) + (<usize>group * size << 2);
    const y = address(command, 3) + (<usize>group * size << 2);
    const gain = address(command, 2);
    const inverse: f32 = 1 / sqrt<f32>(varianceOf(x, size, 0) + number(command, 6));
    const factor = f32x4.splat(inverse);
    for (let i: usize = 0; i < vectors; i += 4)
      v128.store(y + (i << 2), f32x4.mul(f32x4.mul(v128.load(x + (i << 2)), factor), v128.load(gain + (i << 2))));
    for (let i = vectors; i < <usize>size; i++) store<f32>(y + (i << 2), load<f32>(x + (i << 2)) * inverse * load<f32>(gain + (i << 2)));
  }
}

/**
 * layerNorm over groups of `size` columns. Arguments: 0 rows kind, 1 x [rows, groups·size], 2 gain [size], 3 output,
 * 4 bias [size], 5 size, 6 epsilon, 7 groups per row.
 */
export function layerNorm(command: usize, thread: i32, threads: i32): void {
  const rows = rowsOf(argument(command, 0)) * argument(command, 7);
  const size = argument(command, 5);
  const vectors: usize = size & ~3;
  for (let row = shareFrom(rows, thread, threads); row < shareTo(rows, thread, threads); row++) {
    const x = address(command, 1) + (<usize>row * size << 2);
    const y = address(command, 3) + (<usize>row * size << 2);
    const gain = address(command, 2), bias = address(command, 4);
    const mean = meanOf(x, size);
    const inverse: f32 = 1 / sqrt<f32>(varianceOf(x, size, mean) + number(command, 6));
    for (let i: usize = 0; i < vectors; i += 4) {
      const v = f32x4.mul(f32x4.sub(v128.load(x + (i << 2)), f32x4.splat(mean)), f32x4.splat(inverse));
      v128.store(y + (i << 2), madd(v, v128.load(gain + (i << 2)), v128.load(bias + (i << 2))));
    }
    for (let i = vectors; i < <usize>size; i++)
      store<f32>(y + (i << 2), (load<f32>(x + (i << 2)) - mean) * inverse * load<f32>(gain + (i << 2)) + load<f32>(bias + (i << 2)));
  }
}
