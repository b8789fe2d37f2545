/** Values limited, scaled by position, or scaled by column. */
import { address, argument, number, positionOf, rowsOf, shareFrom, shareTo, tokens } from "../parts/control";
import { begin, finish } from "../parts/elements";

/** Arguments: as of elementwise.ts, 5 limit, 6 least. */
export function clamp(command: usize, thread: i32, threads: i32): void {
  const a = address(command, 1), y = address(command, 3);
  const most = f32x4.splat(number(command, 5)), least = f32x4.splat(number(command, 6));
  const end = finish(command, thread, threads);
  for (let i = begin(command, thread, threads); i < end; i += 16)
    v128.store(y + i, f32x4.min(most, f32x4.max(least, v128.load(a + i))));
}

/** Arguments: as of clamp, a being x and b being dy. */
export function clampGradient(command: usize, thread: i32, threads: i32): void {
  const a = address(command, 1), b = address(command, 2), y = address(command, 3);
  const most = f32x4.splat(number(command, 5)), least = f32x4.splat(number(command, 6));
  const end = finish(command, thread, threads);
  for (let i = begin(command, thread, threads); i < end; i += 16)
    v128.store(y + i, v128.and(v128.load(b + i), v128.and(f32x4.lt(v128.load(a + i), most), f32x4.gt(v128.load(a + i), least))));
}

/**
 * x · (1 + scale · ln(⌊position / length⌋ + 1)). Rows are shared out among the threads.
 * Arguments: 1 x [T, width], 2 output, 3 width, 4 scale, 5 length.
 */
export function positionScale(command: usize, thread: i32, threads: i32): void {
  const width = argument(command, 3);
  for (let row = shareFrom(tokens(), thread, threads); row < shareTo(tokens(), thread, threads); row++) {
    const position = <f64>positionOf(row);
    const turns = floor<f64>(position / <f64>number(command, 5)) + 1;
    const factor = <f32>(1 + <f64>number(command, 4) * Math.log(turns));
    const x = address(command, 1) + (<usize>row * width << 2), y = address(command, 2) + (<usize>row * width << 2);
    for (let i: usize = 0; i < <usize>width << 2; i += 4) store<f32>(y + i, load<f32>(x + i) * factor);
  }
}

/**
 * x ∘ w + b. Rows are shared out among the threads. Arguments: 0 rows kind, 1 x [rows, width], 2 w, 3 output, 4 width,
 * 5 elements of w: the width, or 1, 6 b [width] or 0.
 */
export function gain(command: usize, thread: i32, threads: i32): void {
  const rows = rowsOf(argument(command, 0)), width = argument(command, 4);
  const w = address(command, 2), b = address(command, 6);
  const step: usize = argument(command, 5) == 1 ? 0 : 4;
  for (let row = shareFrom(rows, thread, threads); row < shareTo(rows, thread, threads); row++) {
    const x = address(command, 1) + (<usize>row * width << 2), y = address(command, 3) + (<usize>row * width << 2);
    for (let i: usize = 0; i < <usize>width; i++) {
      const value = load<f32>(x + (i << 2)) * load<f32>(w + i * step);
      store<f32>(y + (i << 2), b ? value + load<f32>(b + (i << 2)) : value);
    }
  }
}
