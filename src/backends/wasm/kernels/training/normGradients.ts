/** Gradients of norms. Input gradients split rows among threads, gain gradients split columns. */
import { address, argument, number, rowsOf, shareFrom, shareTo } from "../parts/control";
import { meanOf, varianceOf } from "../parts/moments";
import { madd, sum4 } from "../parts/simd";

/**
 * Arguments: 0 rows kind, 1 x [rows, groups·size], 2 gain [size], 3 output, 4 groups per row, 5 size, 6 epsilon, 7 dy.
 */
export function rmsNormInputGradient(command: usize, thread: i32, threads: i32): void {
  const count = rowsOf(argument(command, 0)) * argument(command, 4);
  for (let group = shareFrom(count, thread, threads); group < shareTo(count, thread, threads); group++) inputOf(command, group, false);
}

/** Arguments: as of rmsNormInputGradient. */
export function layerNormInputGradient(command: usize, thread: i32, threads: i32): void {
  const rows = rowsOf(argument(command, 0)) * argument(command, 4);
  for (let row = shareFrom(rows, thread, threads); row < shareTo(rows, thread, threads); row++) inputOf(command, row, true);
}

/** With n = (x − mean) · r and g = dy · gain: r · (g − mean(g) − n · mean(g · n)), without the means of x and g for rmsNorm. */
@inline function inputOf(command: usize, group: i32, centred: bool): void {
  const size = argument(command, 5);
  const vectors: usize = size & ~3;
  const offset = <usize>group * size << 2;
  const x = address(command, 1) + offset, dy = address(command, 7) + offset, y = address(command, 3) + offset;
  const gain = address(command, 2);
  const mean: f32 = centred ? meanOf(x, size) : 0;
  const r: f32 = 1 / sqrt<f32>(varianceOf(x, size, mean) + number(command, 6));
  const middle = f32x4.splat(mean);
  let sums = f32x4.splat(0), products = sums;
  for (let i: usize = 0; i < vectors; i += 4) {
    const g = f32x4.mul(v128.load(dy + (i << 2)), v128.load(gain + (i << 2)));
    if (centred) sums = f32x4.add(sums, g);
    products = madd(g, f32x4.sub(v128.load(x + (i << 2)), middle), products);
  }
  let sum = sum4(sums), product = sum4(products);
  for (let i = vectors; i < <usize>size; i++) {
    const g = load<f32>(dy + (i << 2)) * load<f32>(gain + (i << 2));
    if (centred) sum += g;
    product += g * (load<f32>(x + (i << 2)) - mean);
  }
  const shift: f32 = sum / <f32>size, pull: f32 = product / <f32>size * r * r;
  for (let i: usize = 0; i < vectors; i += 4) {
    const g = f32x4.mul(v128.load(dy + (i << 2)), v128.load(gain + (i << 2)));
    const n = f32x4.mul(f32x4.sub(v128.load(x + (i << 2)), middle), f32x4.splat(pull));
    v128.store(y + (i << 2), f32x4.mul(f32x4.sub(f32x4.sub(g, f32x4.splat(shift)), n), f32x4.splat(r)));
  }
  for (let i = vectors; i < <usize>size; i++) {
    const g = load<f32>(dy + (i << 2)) * load<f32>(gain + (i << 2));
    store<f32>(y + (i << 2), (g - shift - (load<f32>(x + (i << 2)) - mean) * pull) * r);
  }
}

/**
 * Mean, or 0, and 1 / sqrt(mean square of the rest + epsilon) of every group.
 * Arguments: 0 rows kind, 1 x [rows, groups·size], 2 output [rows·groups, 2], 3 groups per row, 4 size, 5 epsilon, 6 1 to subtract the mean.
 */
export function moments(command: usize, thread: i32, threads: i32): void {
  const count = rowsOf(argument(command, 0)) * argument(command, 3);
  const size = argument(command, 4);
  for (let group: usize = shareFrom(count, thread, threads); group < <usize>shareTo(count, thread, threads); group++) {
    const x = address(command, 1) + (group * size << 2);
    const mean: f32 = argument(command, 6) != 0 ? meanOf(x, size) : 0;
    store<f32>(address(command, 2) + (group << 3), mean);
    store<f32>(address(command, 2) + (group << 3), 1 / sqrt<f32>(varianceOf(x, size, mean) + number(command, 5)), 4);
  }
}

/**
 * Σ dy · (x − mean) · r over groups, in order.
 * Arguments: 0 rows kind, 1 x, 2 moments, 3 output [size], 4 groups per row, 5 size, 6 dy.
 */
export function gainSums(command: usize, thread: i32, threads: i32): void {
  const count: usize = rowsOf(argument(command, 0)) * argument(command, 4);
  const size = argument(command, 5);
  const from: usize = firstColumn(size, thread, threads), to: usize = firstColumn(size, thread + 1, threads);
  const vectors = from + ((to - from) & ~3);
  const sums = address(command, 3);
  memory.fill(sums + (from << 2), 0, (to - from) << 2);
  for (let group: usize = 0; group < count; group++) {
    const mean = load<f32>(address(command, 2) + (group << 3)), r = load<f32>(address(command, 2) + (group << 3), 4);
    const x = address(command, 1) + (group * size << 2), dy = address(command, 6) + (group * size << 2);
    for (let i = from; i < vectors; i += 4) {
      const n = f32x4.mul(f32x4.sub(v128.load(x + (i << 2)), f32x4.splat(mean)), f32x4.splat(r));
      v128.store(sums + (i << 2), madd(v128.load(dy + (i << 2)), n, v128.load(sums + (i << 2))));
    }
    for (let i = vectors; i < to; i++)
      store<f32>(sums + (i << 2), load<f32>(sums + (i << 2)) + load<f32>(dy + (i << 2)) * ((load<f32>(x + (i << 2)) - mean) * r));
  }
}

/** Columns of a thread, whole cache lines of them, up to the next thread's. */
@inline function firstColumn(width: i32, thread: i32, threads: i32): i32 {
  return min(width, shareFrom((width + 15) >> 4, thread, threads) << 4);
}

/** Σ x over rows, in order. Arguments: 0 rows kind, 1 x [rows, width], 2 output [width], 3 width. */
export function sumRows(command: usize, thread: i32, threads: i32): void {
  const rows: usize = rowsOf(argument(command, 0));
  const width = argument(command, 3);
  const from: usize = firstColumn(width, thread, threads), to: usize = firstColumn(width, thread + 1, threads);
  const vectors = from + ((to - from) & ~3);
  const sums = address(command, 2);
  memory.fill(sums + (from << 2), 0, (to - from) << 2);
  for (let row: usize = 0; row < rows; row++) {
    const x = address(command, 1) + (row * width << 2);
    for (let i = from; i < vectors; i += 4)
      v128.store(sums + (i << 2), f32x4.add(v128.load(sums + (i << 2)), v128.load(x + (i << 2))));
    for (let i = vectors; i < to; i++) store<f32>(sums + (i << 2), load<f32>(sums + (i << 2)) + load<f32>(x + (i << 2)));
  }
}
