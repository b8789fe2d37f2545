/**
 * Activations besides silu and gelu, each alone and multiplied with another value, and their gradients.
 * Arguments: as of elementwise.ts. For gradients a is x and b is dy. xielu: 5 positive, 6 negative, 7 beta, 8 epsilon.
 */
import { address, number } from "../parts/control";
import { begin, finish } from "../parts/elements";
import { exp4, madd, tanh4, tanhSlope4 } from "../parts/simd";

const RELU: i32 = 0, RELU2: i32 = 1, SIGMOID: i32 = 2, TANH: i32 = 3, QUICK_GELU: i32 = 4, GELU_ERF: i32 = 5, SOFTPLUS: i32 = 6;

@inline function sigmoid4(x: v128): v128 {
  return f32x4.div(f32x4.splat(1), f32x4.add(exp4(f32x4.neg(x)), f32x4.splat(1)));
}

@inline function relu4(x: v128): v128 { return f32x4.max(x, f32x4.splat(0)); }

/** The distribution function of the standard normal, by Abramowitz and Stegun 7.1.26 (absolute error below 1e-7). */
@inline function normal4(x: v128): v128 {
  const z = f32x4.mul(f32x4.abs(x), f32x4.splat(0.7071067811865476));
  const t = f32x4.div(f32x4.splat(1), madd(z, f32x4.splat(0.3275911), f32x4.splat(1)));
  let p = madd(f32x4.splat(1.061405429), t, f32x4.splat(-1.453152027));
  p = madd(p, t, f32x4.splat(1.421413741));
  p = madd(p, t, f32x4.splat(-0.284496736));
  p = f32x4.mul(madd(p, t, f32x4.splat(0.254829592)), t);
  const tail = f32x4.mul(f32x4.mul(p, exp4(f32x4.neg(f32x4.mul(z, z)))), f32x4.splat(0.5));
  return v128.bitselect(tail, f32x4.sub(f32x4.splat(1), tail), f32x4.lt(x, f32x4.splat(0)));
}

/** log(1 + e^x) = max(x, 0) + log(1 + z), z = e^−|x|; log(1 + z) = 2·artanh(z / (2 + z)), whose argument is at most 1/3. */
@inline function softplus4(x: v128): v128 {
  const z = exp4(f32x4.neg(f32x4.abs(x)));
  const s = f32x4.div(z, f32x4.add(z, f32x4.splat(2)));
  const square = f32x4.mul(s, s);
  let p = madd(f32x4.splat(1.0 / 15), square, f32x4.splat(1.0 / 13));
  p = madd(p, square, f32x4.splat(1.0 / 11));
  p = madd(p, square, f32x4.splat(1.0 / 9));
  p = madd(p, square, f32x4.splat(1.0 / 7));
  p = madd(p, square, f32x4.splat(1.0 / 5));
  p = madd(p, square, f32x4.splat(1.0 / 3));
  p = madd(p, square, f32x4.splat(1));
  return madd(f32x4.add(s, s), p, relu4(x));
}

@inline function value4(kind: i32, x: v128): v128 {
  if (kind == RELU) return relu4(x);
  if (kind == RELU2) return f32x4.mul(relu4(x), relu4(x));
  if (kind == SIGMOID) return sigmoid4(x);
  if (kind == TANH) return tanh4(x);
  if (kind == SOFTPLUS) return softplus4(x);
  if (kind == QUICK_GELU) return f32x4.mul(x, sigmoid4(f32x4.mul(x, f32x4.splat(1.702))));
  return f32x4.mul(x, normal4(x));
}

@inline function slope4(kind: i32, x: v128): v128 {
  const one = f32x4.splat(1);
  if (kind == RELU) return v128.and(one, f32x4.gt(x, f32x4.splat(0)));
  if (kind == RELU2) return f32x4.mul(relu4(x), f32x4.splat(2));
  if (kind == SIGMOID) {
    // s(x) · s(-x): 1 - s would cancel for large x
    return f32x4.mul(sigmoid4(x), sigmoid4(f32x4.neg(x)));
  }
  if (kind == TANH) return tanhSlope4(x);
  if (kind == SOFTPLUS) return sigmoid4(x);
  if (kind == QUICK_GELU) {
    const s = sigmoid4(f32x4.mul(x, f32x4.splat(1.702)));
    return f32x4.mul(s, madd(f32x4.mul(x, f32x4.splat(1.702)), f32x4.sub(one, s), one));
  }
  const density = f32x4.mul(exp4(f32x4.mul(f32x4.mul(x, x), f32x4.splat(-0.5))), f32x4.splat(0.3989422804014327));
  return madd(x, density, normal4(x));
}

@inline function each(command: usize, thread: i32, threads: i32, kind: i32): void {
  const a = address(command, 1), y = address(command, 3);
  const end = finish(command, thread, threads);
  for (let i = begin(command, thread, threads); i < end; i += 16) v128.store(y + i, value4(kind, v128.load(a + i)));
}

@inline function eachTimes(command: usize, thread: i32, threads: i32, kind: i32): void {
  const a = address(command, 1), b = address(command, 2), y = address(command, 3);
  const end = finish(command, thread, threads);
  for (let i = begin(command, thread, threads); i < end; i += 16)
    v128.store(y + i, f32x4.mul(value4(kind, v128.load(a + i)), v128.load(b + i)));
}

@inline function eachSlope(command: usize, thread: i32, threads: i32, kind: i32): void {
  const a = address(command, 1), b = address(command, 2), y = address(command, 3);
  const end = finish(command, thread, threads);
  for (let i = begin(command, thread, threads); i < end; i += 16)
    v128.store(y + i, f32x4.mul(slope4(kind, v128.load(a + i)), v128.load(b + i)));
}

export function relu(command: usize, thread: i32, threads: i32): void { each(command, thread, threads, RELU); }
export function reluMultiply(command: usize, thread: i32, threads: i32): void { eachTimes(command, thread, threads, RELU); }
export function reluGradient(command: usize, thread: i32, threads: i32): void { eachSlope(command, thread, threads, RELU); }

export function relu2(command: usize, thread: i32, threads: i32): void { each(command, thread, threads, RELU2); }
export function relu2Multiply(command: usize, thread: i32, threads: i32): void { eachTimes(command, thread, threads, RELU2); }
export function relu2Gradient(command: usize, thread: i32, threads: i32): void { eachSlope(command, thread, threads, RELU2); }

export function sigmoid(command: usize, thread: i32, threads: i32): void { each(command, thread, threads, SIGMOID); }
export function sigmoidMultiply(command: usize, thread: i32, threads: i32): void { eachTimes(command, thread, threads, SIGMOID); }
export function sigmoidGradient(command: usize, thread: i32, threads: i32): void { eachSlope(command, thread, threads, SIGMOID); }

export function tanh(command: usize, thread: i32, threads: i32): void { each(command, thread, threads, TANH); }
export function tanhMultiply(command: usize, thread: i32, threads: i32): void { eachTimes(command, thread, threads, TANH); }
export function tanhGradient(command: usize, thread: i32, threads: i32): void { eachSlope(command, thread, threads, TANH); }

export function quickGelu(command: usize, thread: i32, threads: i32): void { each(command, thread, threads, QUICK_GELU); }
export function quickGeluMultiply(command: usize, thread: i32, threads: i32): void { eachTimes(command, thread, threads, QUICK_GELU); }
export function quickGeluGradient(command: usize, thread: i32, threads: i32): void { eachSlope(command, thread, threads, QUICK_GELU); }

export function softplus(command: usize, thread: i32, threads: i32): void { each(command, thread, threads, SOFTPLUS); }
export function softplusMultiply(command: usize, thread: i32, threads: i32): void { eachTimes(command, thread, threads, SOFTPLUS); }
export function softplusGradient(command: usize, thread: i32, threads: i32): void { eachSlope(command, thread, threads, SOFTPLUS); }

export function geluErf(command: usize, thread: i32, threads: i32): void { each(command, thread, threads, GELU_ERF); }
export function geluErfMultiply(command: usize, thread: i32, threads: i32): void { eachTimes(command, thread, threads, GELU_ERF); }
export function geluErfGradient(command: usize, thread: i32, threads: i32): void { eachSlope(command, thread, threads, GELU_ERF); }

/** exp(x) − 1 − x: near 0, where that cancels, its Taylor polynomial. */
@inline function bend4(x: v128): v128 {
  let p = madd(x, f32x4.splat(1.0 / 5040), f32x4.splat(1.0 / 720));
  p = madd(p, x, f32x4.splat(1.0 / 120));
  p = madd(p, x, f32x4.splat(1.0 / 24));
  p = madd(p, x, f32x4.splat(1.0 / 6));
  p = madd(p, x, f32x4.splat(0.5));
  const near = f32x4.mul(p, f32x4.mul(x, x));
  const far = f32x4.sub(f32x4.sub(exp4(x), f32x4.splat(1)), x);
  return v128.bitselect(near, far, f32x4.lt(f32x4.abs(x), f32x4.splat(0.5)));
}

export function xielu(command: usize, thread: i32, threads: i32): void {
  const a = address(command, 1), y = address(command, 3);
  const positive = f32x4.splat(number(command, 5)), negative = f32x4.splat(number(command, 6));
  const beta = f32x4.splat(number(command, 7)), epsilon = f32x4.splat(number(command, 8));
  const end = finish(command, thread, threads);
  for (let i = begin(command, thread, threads); i < end; i += 16) {
    const x = v128.load(a + i);
    const low = f32x4.min(x, epsilon);
    // exp(low) − 1 − x, which for x ≤ epsilon is the bend
    const below = f32x4.mul(f32x4.add(bend4(low), f32x4.sub(low, x)), negative);
    const bent = v128.bitselect(f32x4.mul(f32x4.mul(x, x), positive), below, f32x4.gt(x, f32x4.splat(0)));
    v128.store(y + i, madd(x, beta, bent));
  }
}

export function xieluGradient(command: usize, thread: i32, threads: i32): void {
  const a = address(command, 1), b = address(command, 2), y = address(command, 3);
  const positive = f32x4.splat(2 * number(command, 5)), negative = f32x4.splat(number(command, 6));
  const beta = f32x4.splat(number(command, 7)), epsilon = f32x4.splat(number(command, 8));
  const end = finish(command, thread, threads);
  for (let i = begin(command, thread, threads); i < end; i += 16) {
    const x = v128.load(a + i);
    const rise = v128.and(exp4(x), f32x4.lt(x, epsilon));
    const below = f32x4.mul(f32x4.sub(rise, f32x4.splat(1)), negative);
    const slope = v128.bitselect(f32x4.mul(x, positive), below, f32x4.gt(x, f32x4.splat(0)));
    v128.store(y + i, f32x4.mul(f32x4.add(slope, beta), v128.load(b + i)));
  }
}
