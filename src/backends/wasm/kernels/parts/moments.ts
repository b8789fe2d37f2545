/** Means and mean squares of a row. */
import { madd, sum4 } from "./simd";

@inline export function meanOf(x: usize, size: i32): f32 {
  const vectors: usize = size & ~3;
  let sums = f32x4.splat(0);
  for (let i: usize = 0; i < vectors; i += 4) sums = f32x4.add(sums, v128.load(x + (i << 2)));
  let sum = sum4(sums);
  for (let i = vectors; i < <usize>size; i++) sum += load<f32>(x + (i << 2));
  return sum / <f32>size;
}

/** Mean of (x − mean)². */
@inline export function varianceOf(x: usize, size: i32, mean: f32): f32 {
  const vectors: usize = size & ~3;
  let squares = f32x4.splat(0);
  for (let i: usize = 0; i < vectors; i += 4) {
    const v = f32x4.sub(v128.load(x + (i << 2)), f32x4.splat(mean));
    squares = madd(v, v, squares);
  }
  let sum = sum4(squares);
  for (let i = vectors; i < <usize>size; i++) {
    const v = load<f32>(x + (i << 2)) - mean;
    sum += v * v;
  }
  return sum / <f32>size;
}
