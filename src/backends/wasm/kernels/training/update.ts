/** Ops that change weights and states, and gradient clipping. */
import { address, argument, number, rowsOf, shareFrom, shareTo } from "../parts/control";
import { sum4 } from "../parts/simd";

/** Elements per partial sum of squares, independent of the number of threads. */
const BLOCK: i32 = 8192;

/** Number of partial sums for `elements` elements. */
export function squareBlocks(elements: i32): i32 { return (elements + BLOCK - 1) / BLOCK; }

/** Sums of squares per block. Arguments: 0 rows kind, 1 x, 2 partial sums (f64), 3 number of sums, 4 width. */
export function squares(command: usize, thread: i32, threads: i32): void {
  const elements = rowsOf(argument(command, 0)) * argument(command, 4);
  const blocks = argument(command, 3);
  for (let block = shareFrom(blocks, thread, threads); block < shareTo(blocks, thread, threads); block++) {
    const first = block * BLOCK;
    const count = max(0, min(BLOCK, elements - first));
    let x = address(command, 1) + (<usize>first << 2);
    let a = f32x4.splat(0), b = a;
    const end = x + (<usize>(count & ~7) << 2);
    for (; x < end; x += 32) {
      const low = v128.load(x), high = v128.load(x, 16);
      a = f32x4.add(a, f32x4.mul(low, low));
      b = f32x4.add(b, f32x4.mul(high, high));
    }
    let sum = <f64>sum4(a) + <f64>sum4(b);
    for (let i: usize = 0; i < <usize>(count & 7); i++) sum += <f64>load<f32>(x + (i << 2)) * <f64>load<f32>(x + (i << 2));
    store<f64>(address(command, 2) + (<usize>block << 3), sum);
  }
}

/** Their sum. Arguments: 0 partial sums, 1 number of sums, 2 output [1]. */
export function squareSum(command: usize, thread: i32, threads: i32): void {
  if (thread != 0) return;
  let sum: f64 = 0;
  for (let i: usize = 0; i < address(command, 1); i++) sum += load<f64>(address(command, 0) + (i << 3));
  store<f32>(address(command, 2), <f32>sum);
}

/** Arguments: 0 squares [1], 1 output [1], 2 norm. */
export function clip(command: usize, thread: i32, threads: i32): void {
  if (thread != 0) return;
  const found = Math.sqrt(load<f32>(address(command, 0)));
  // infinity and NaN are not smaller than infinity
  store<f32>(address(command, 1), found < Infinity ? <f32>Math.min(1, <f64>number(command, 2) / found) : 0);
}

/** Constants of an update, four of each. */
let SHRINK: v128 = f32x4.splat(0);
let RATE: v128 = f32x4.splat(0);
let BETA1: v128 = f32x4.splat(0);
let REST1: v128 = f32x4.splat(0);
let BETA2: v128 = f32x4.splat(0);
let REST2: v128 = f32x4.splat(0);
let CORRECTION2: v128 = f32x4.splat(0);
let EPSILON: v128 = f32x4.splat(0);
let FACTOR: v128 = f32x4.splat(0);

/**
 * One AdamW step, see graph/ops/adamW.ts. Gradient and moments are [rows, columns], and so are vectors; matrices
 * are packed in groups of 8 rows, [columns][8 rows].
 * Arguments: 0 rows, 1 columns, 2 weight, 3 1 if it is packed, 4 gradient, 5 m, 6 v, 7 settings, 8 factor [1], 9 1 to apply weight decay.
 */
export function adamW(command: usize, thread: i32, threads: i32): void {
  const rows = argument(command, 0), columns = argument(command, 1);
  const groups = (rows + 7) >> 3;
  const packed = argument(command, 3) != 0;
  const items = packed ? groups : (rows * columns + 31) >> 5;
  const from = shareFrom(items, thread, threads), to = shareTo(items, thread, threads);
  const first = packed ? from * 8 * columns : from << 5;
  const count = (packed ? min(to << 3, rows) * columns : min(to << 5, rows * columns)) - first;
  if (count <= 0) return;
  const gradient = address(command, 4) + (<usize>first << 2);
  if (load<f32>(address(command, 8)) != 0) {
    takeSettings(command);
    if (packed) for (let group = from; group < to; group++) updateGroup(command, group, min(8, rows - (group << 3)), columns);
    else {
      const offset = <usize>first << 2;
      for (let i = offset; i < offset + (<usize>(count & ~3) << 2); i += 16) {
        const w = address(command, 2) + i;
        v128.store(w, updated(v128.load(w), address(command, 4) + i, address(command, 5) + i, address(command, 6) + i));
      }
      for (let i = offset + (<usize>(count & ~3) << 2); i < offset + (<usize>count << 2); i += 4) updateOne(command, address(command, 2) + i, i);
    }
  }
  memory.fill(gradient, 0, <usize>count << 2);
}

function takeSettings(command: usize): void {
  const settings = address(command, 7);
  const rate = load<f32>(settings), beta1 = load<f32>(settings, 4), beta2 = load<f32>(settings, 8);
  SHRINK = f32x4.splat(argument(command, 9) != 0 ? 1 - rate * load<f32>(settings, 16) : 1);
  RATE = f32x4.splat(rate * load<f32>(settings, 20));
  BETA1 = f32x4.splat(beta1);
  REST1 = f32x4.splat(1 - beta1);
  BETA2 = f32x4.splat(beta2);
  REST2 = f32x4.splat(1 - beta2);
  CORRECTION2 = f32x4.splat(load<f32>(settings, 24));
  EPSILON = f32x4.splat(load<f32>(settings, 12));
  FACTOR = f32x4.splat(load<f32>(address(command, 8)));
}

/** Updates four weights and their moments at m and v. */
@inline function updated(w: v128, gradient: usize, m: usize, v: usize): v128 {
  const g = f32x4.mul(v128.load(gradient), FACTOR);
  const mean = f32x4.add(f32x4.mul(BETA1, v128.load(m)), f32x4.mul(REST1, g));
  const square = f32x4.add(f32x4.mul(BETA2, v128.load(v)), f32x4.mul(REST2, f32x4.mul(g, g)));
  v128.store(m, mean);
  v128.store(v, square);
  const step = f32x4.div(f32x4.mul(RATE, mean), f32x4.add(f32x4.sqrt(f32x4.mul(square, CORRECTION2)), EPSILON));
  return f32x4.sub(f32x4.mul(w, SHRINK), step);
}

/** Updates the weight at w, with gradient and moments at byte i. */
function updateOne(command: usize, w: usize, i: usize): void {
  const gradient = address(command, 4) + i, m = address(command, 5) + i, v = address(command, 6) + i;
  const g = load<f32>(gradient) * f32x4.extract_lane(FACTOR, 0);
  const mean = f32x4.extract_lane(BETA1, 0) * load<f32>(m) + f32x4.extract_lane(REST1, 0) * g;
  const square = f32x4.extract_lane(BETA2, 0) * load<f32>(v) + f32x4.extract_lane(REST2, 0) * (g * g);
  store<f32>(m, mean);
  store<f32>(v, square);
  const step = f32x4.extract_lane(RATE, 0) * mean / (sqrt<f32>(square * f32x4.extract_lane(CORRECTION2, 0)) + f32x4.extract_lane(EPSILON, 0));
  store<f32>(w, load<f32>(w) * f32x4.extract_lane(SHRINK, 0) - step);
}

/** Updates a packed group with `rows` rows: transposes 4 columns of 4 rows, updates them, and transposes back. */
function updateGroup(command: usize, group: i32, rows: i32, columns: i32): void {
  const w = address(command, 2) + (<usize>(group * columns) << 5);
  const stride = <usize>columns << 2;
  const first = (<usize>group << 3) * stride;
  for (let row = 0; row < rows; row += 4) {
    const whole = row + 4 <= rows ? columns & ~3 : 0;
    for (let column = 0; column < whole; column += 4) {
      const at = w + (<usize>column << 5) + (<usize>row << 2);
      const i = first + <usize>row * stride + (<usize>column << 2);
      const g = address(command, 4) + i, m = address(command, 5) + i, v = address(command, 6) + i;
      let a = v128.load(at), b = v128.load(at, 32), c = v128.load(at, 64), d = v128.load(at, 96);
      let ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5), cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
      let AB = v128.shuffle<i32>(a, b, 2, 6, 3, 7), CD = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
      a = updated(v128.shuffle<i64>(ab, cd, 0, 2), g, m, v);
      b = updated(v128.shuffle<i64>(ab, cd, 1, 3), g + stride, m + stride, v + stride);
      c = updated(v128.shuffle<i64>(AB, CD, 0, 2), g + 2 * stride, m + 2 * stride, v + 2 * stride);
      d = updated(v128.shuffle<i64>(AB, CD, 1, 3), g + 3 * stride, m + 3 * stride, v + 3 * stride);
      ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5); cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
      AB = v128.shuffle<i32>(a, b, 2, 6, 3, 7); CD = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
      v128.store(at, v128.shuffle<i64>(ab, cd, 0, 2)); v128.store(at, v128.shuffle<i64>(ab, cd, 1, 3), 32);
      v128.store(at, v128.shuffle<i64>(AB, CD, 0, 2), 64); v128.store(at, v128.shuffle<i64>(AB, CD, 1, 3), 96);
    }
    for (let r = row; r < min(row + 4, rows); r++)
      for (let column = whole; column < columns; column++)
        updateOne(command, w + (<usize>column << 5) + (<usize>r << 2), first + <usize>r * stride + (<usize>column << 2));
  }
}
