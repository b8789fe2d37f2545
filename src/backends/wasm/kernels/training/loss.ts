/** Losses per row, their gradients, and their weighted sum. Rows are split among threads. */
import { address, argument, number, rowsOf, shareFrom, shareTo } from "../parts/control";
import { exp4, max4, sum4 } from "../parts/simd";

/** Natural logarithm of a positive number: m·2^e with m near 1, log m = 2·artanh((m − 1)/(m + 1)). Error below 1e-14. */
function log(x: f64): f64 {
  let bits = reinterpret<u64>(x) - 0x3fe6a09e667f3bcd;
  const exponent = <i64>bits >> 52;
  const m = reinterpret<f64>((bits & 0xfffffffffffff) + 0x3fe6a09e667f3bcd);
  const s = (m - 1) / (m + 1), q = s * s;
  const series = 1 + q * (1.0 / 3 + q * (1.0 / 5 + q * (1.0 / 7 + q * (1.0 / 9 + q * (1.0 / 11 + q * (1.0 / 13 + q * (1.0 / 15 + q / 17)))))));
  return <f64>exponent * 0.6931471805599453 + 2 * s * series;
}

/** The last count & 3 numbers at x, the other lanes `filler`. */
@inline function rest(x: usize, count: i32, filler: f32): v128 {
  let v = f32x4.splat(filler);
  if ((count & 3) > 0) v = v128.load32_lane(x, v, 0);
  if ((count & 3) > 1) v = v128.load32_lane(x + 4, v, 1);
  if ((count & 3) > 2) v = v128.load32_lane(x + 8, v, 2);
  return v;
}

/** Maximum of `count` numbers, ignoring NaN. */
function greatest(x: usize, count: i32): f32 {
  let a = f32x4.splat(-Infinity), b = a;
  const end = x + (<usize>(count & ~7) << 2);
  for (; x < end; x += 32) {
    a = f32x4.pmax(a, v128.load(x));
    b = f32x4.pmax(b, v128.load(x, 16));
  }
  if (count & 4) {
    a = f32x4.pmax(a, v128.load(x));
    x += 16;
  }
  return max4(f32x4.pmax(f32x4.pmax(a, b), rest(x, count, -Infinity)));
}

/** Σ exp(x − most). */
function sumOfPowers(x: usize, count: i32, most: f32): f32 {
  let a = f32x4.splat(0), b = a;
  const shift = f32x4.splat(most);
  const end = x + (<usize>(count & ~3) << 2);
  for (; x + 32 <= end; x += 32) {
    a = f32x4.add(a, exp4(f32x4.sub(v128.load(x), shift)));
    b = f32x4.add(b, exp4(f32x4.sub(v128.load(x, 16), shift)));
  }
  if (x < end) {
    a = f32x4.add(a, exp4(f32x4.sub(v128.load(x), shift)));
    x += 16;
  }
  if (count & 3) b = f32x4.add(b, exp4(f32x4.sub(rest(x, count, -Infinity), shift)));
  return sum4(f32x4.add(a, b));
}

/**
 * Cross-entropy of each row, with values for its gradient: the maximum logit m and log Σ exp(x − m).
 * Arguments: 0 rows kind, 1 logits [rows, V], 2 targets (i32), 3 output [rows], 4 V, 5 scales [rows, 2].
 */
export function crossEntropy(command: usize, thread: i32, threads: i32): void {
  const rows = rowsOf(argument(command, 0));
  const width = argument(command, 4);
  for (let row: usize = shareFrom(rows, thread, threads); row < <usize>shareTo(rows, thread, threads); row++) {
    const target = load<i32>(address(command, 2) + (row << 2));
    const scales = address(command, 5) + (row << 3);
    let loss: f32 = 0;
    if (target >= 0) {
      const x = address(command, 1) + row * width * 4;
      const most = greatest(x, width);
      const total = log(sumOfPowers(x, width, most));
      store<f32>(scales, most);
      store<f32>(scales, <f32>total, 4);
      loss = target < width ? <f32>(total - (<f64>load<f32>(x + (<usize>target << 2)) - most)) : NaN;
    }
    store<f32>(address(command, 3) + (row << 2), loss);
  }
}

/**
 * Arguments: 0 rows kind, 1 logits, 2 targets, 3 output [rows, V], may be the logits, 4 V, 5 scales of crossEntropy, 6 dy [rows].
 */
export function crossEntropyGradient(command: usize, thread: i32, threads: i32): void {
  const rows = rowsOf(argument(command, 0));
  const width = argument(command, 4);
  for (let row: usize = shareFrom(rows, thread, threads); row < <usize>shareTo(rows, thread, threads); row++) {
    const target = load<i32>(address(command, 2) + (row << 2));
    let x = address(command, 1) + row * width * 4, y = address(command, 3) + row * width * 4;
    if (target < 0) {
      memory.fill(y, 0, width << 2);
      continue;
    }
    const scales = address(command, 5) + (row << 3);
    const most = f32x4.splat(load<f32>(scales)), total = f32x4.splat(load<f32>(scales, 4));
    const dy = load<f32>(address(command, 6) + (row << 2));
    const hit = y + (<usize>target << 2);
    for (const end = y + (<usize>(width & ~3) << 2); y < end; y += 16) {
      v128.store(y, f32x4.mul(exp4(f32x4.sub(f32x4.sub(v128.load(x), most), total)), f32x4.splat(dy)));
      x += 16;
    }
    storeSome(y, f32x4.mul(exp4(f32x4.sub(f32x4.sub(rest(x, width, 0), most), total)), f32x4.splat(dy)), width & 3);
    if (target < width) store<f32>(hit, load<f32>(hit) - dy);
  }
}

@inline function storeSome(to: usize, v: v128, count: i32): void {
  if (count > 0) v128.store32_lane(to, v, 0);
  if (count > 1) v128.store32_lane(to + 4, v, 1);
  if (count > 2) v128.store32_lane(to + 8, v, 2);
}

/**
 * KL divergence of each row, with values for its gradient. With a = teacher / temperature
 * minus its maximum, and b = logits / temperature minus its maximum: KL(p‖q) = Σ p·(a − b) − log Σ eᵃ + log Σ eᵇ.
 * Arguments: 0 rows kind, 1 logits [rows, V], 2 teacher, 3 output [rows], 4 V, 5 scales [rows, 5], 6 temperature, 7 reverse.
 */
export function klDivergence(command: usize, thread: i32, threads: i32): void {
  const rows = rowsOf(argument(command, 0));
  const width = argument(command, 4);
  const temperature = number(command, 6), reverse = number(command, 7);
  const inverse = f32x4.splat(1 / temperature);
  for (let row: usize = shareFrom(rows, thread, threads); row < <usize>shareTo(rows, thread, threads); row++) {
    let x = address(command, 1) + row * width * 4, t = address(command, 2) + row * width * 4;
    const mostX = greatest(x, width), mostT = greatest(t, width);
    const shiftX = f32x4.splat(mostX), shiftT = f32x4.splat(mostT);
    let sumsX = f32x4.splat(0), sumsT = sumsX, forward = sumsX, backward = sumsX;
    for (let i = 0; i < width; i += 4) {
      const whole = i + 4 <= width;
      const b = f32x4.mul(f32x4.sub(whole ? v128.load(x) : rest(x, width, mostX), shiftX), inverse);
      const a = f32x4.mul(f32x4.sub(whole ? v128.load(t) : rest(t, width, mostT), shiftT), inverse);
      let p = exp4(a), q = exp4(b);
      if (!whole) {
        const inside = i32x4.lt_s(i32x4(0, 1, 2, 3), i32x4.splat(width - i));
        p = v128.and(p, inside);
        q = v128.and(q, inside);
      }
      const gap = f32x4.sub(a, b);
      sumsT = f32x4.add(sumsT, p);
      sumsX = f32x4.add(sumsX, q);
      forward = f32x4.add(forward, f32x4.mul(p, gap));
      backward = f32x4.sub(backward, f32x4.mul(q, gap));
      x += 16;
      t += 16;
    }
    const totalX = <f64>sum4(sumsX), totalT = <f64>sum4(sumsT);
    const apart = log(totalT) - log(totalX);
    const forwards = <f64>sum4(forward) / totalT - apart, backwards = <f64>sum4(backward) / totalX + apart;
    const scales = address(command, 5) + row * 20;
    store<f32>(scales, mostX);
    store<f32>(scales, <f32>log(totalX), 4);
    store<f32>(scales, mostT, 8);
    store<f32>(scales, <f32>log(totalT), 12);
    store<f32>(scales, <f32>backwards, 16);
    const share = <f64>reverse;
    store<f32>(address(command, 3) + (row << 2), <f32>(<f64>temperature * temperature * ((1 - share) * forwards + share * backwards)));
  }
}

/**
 * Arguments: 0 rows kind, 1 logits, 2 teacher, 3 output [rows, V], may be the logits, 4 V, 5 scales of klDivergence,
 * 6 temperature, 7 reverse, 8 dy [rows].
 */
export function klDivergenceGradient(command: usize, thread: i32, threads: i32): void {
  const rows = rowsOf(argument(command, 0));
  const width = argument(command, 4);
  const temperature = number(command, 6), reverse = number(command, 7);
  const inverse = f32x4.splat(1 / temperature);
  for (let row: usize = shareFrom(rows, thread, threads); row < <usize>shareTo(rows, thread, threads); row++) {
    let x = address(command, 1) + row * width * 4, t = address(command, 2) + row * width * 4, y = address(command, 3) + row * width * 4;
    const scales = address(command, 5) + row * 20;
    const factor = temperature * load<f32>(address(command, 8) + (row << 2));
    const ahead = f32x4.splat(factor * (1 - reverse)), back = f32x4.splat(factor * reverse);
    const mostX = f32x4.splat(load<f32>(scales)), totalX = f32x4.splat(load<f32>(scales, 4));
    const mostT = f32x4.splat(load<f32>(scales, 8)), totalT = f32x4.splat(load<f32>(scales, 12));
    const apart = f32x4.splat(load<f32>(scales, 16));
    for (let i = 0; i < width; i += 4) {
      const whole = i + 4 <= width;
      const b = f32x4.sub(f32x4.mul(f32x4.sub(whole ? v128.load(x) : rest(x, width, 0), mostX), inverse), totalX);
      const a = f32x4.sub(f32x4.mul(f32x4.sub(whole ? v128.load(t) : rest(t, width, 0), mostT), inverse), totalT);
      const q = exp4(b);
      const pull = f32x4.mul(f32x4.mul(q, f32x4.sub(f32x4.sub(b, a), apart)), back);
      const result = f32x4.add(f32x4.mul(f32x4.sub(q, exp4(a)), ahead), pull);
      if (whole) v128.store(y, result);
      else storeSome(y, result, width & 3);
      x += 16;
      t += 16;
      y += 16;
    }
  }
}

/** Σ weights[r] · x[r], by one thread in order. Arguments: 0 rows kind, 1 x [rows], 2 weights [rows], 3 output [1]. */
export function weightedSum(command: usize, thread: i32, threads: i32): void {
  if (thread != 0) return;
  const rows = rowsOf(argument(command, 0));
  let sum: f64 = 0;
  for (let row: usize = 0; row < <usize>rows; row++)
    sum += <f64>load<f32>(address(command, 1) + (row << 2)) * <f64>load<f32>(address(command, 2) + (row << 2));
  store<f32>(address(command, 3), <f32>sum);
}

/** Arguments: 0 rows kind, 1 weights [rows], 2 dy [1], 3 output [rows]. */
export function weightedSumGradient(command: usize, thread: i32, threads: i32): void {
  const rows = rowsOf(argument(command, 0));
  const dy = load<f32>(address(command, 2));
  for (let row: usize = shareFrom(rows, thread, threads); row < <usize>shareTo(rows, thread, threads); row++)
    store<f32>(address(command, 3) + (row << 2), load<f32>(address(command, 1) + (row << 2)) * dy);
}
