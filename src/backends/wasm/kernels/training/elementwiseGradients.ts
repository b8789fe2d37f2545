/** Gradients of elementwise ops. Arguments: as of elementwise.ts, a being x and b being dy. */
import { address, number } from "../parts/control";
import { begin, finish } from "../parts/elements";
import { exp4, madd, tanhSlope4 } from "../parts/simd";

@inline function sigmoid4(x: v128): v128 {
  return f32x4.div(f32x4.splat(1), f32x4.add(exp4(f32x4.neg(x)), f32x4.splat(1)));
}

/** silu′(x) = s + x·s·(1 − s), s = sigmoid(x). */
export function siluGradient(command: usize, thread: i32, threads: i32): void {
  const a = address(command, 1), b = address(command, 2), y = address(command, 3);
  const end = finish(command, thread, threads);
  for (let i = begin(command, thread, threads); i < end; i += 16) {
    const x = v128.load(a + i);
    const s = sigmoid4(x);
    const slope = madd(f32x4.mul(x, s), f32x4.sub(f32x4.splat(1), s), s);
    v128.store(y + i, f32x4.mul(slope, v128.load(b + i)));
  }
}

/** gelu(x) = x·s with s = sigmoid(2u), so that gelu′(x) = s + x·s·(1 − s)·2u′, u = √(2/π)(x + 0.044715x³). */
export function geluGradient(command: usize, thread: i32, threads: i32): void {
  const a = address(command, 1), b = address(command, 2), y = address(command, 3);
  const end = finish(command, thread, threads);
  const twice = f32x4.splat(1.5957691216057308);
  for (let i = begin(command, thread, threads); i < end; i += 16) {
    const x = v128.load(a + i);
    const square = f32x4.mul(x, x);
    const s = sigmoid4(f32x4.mul(madd(f32x4.mul(square, x), f32x4.splat(0.044715), x), twice));
    const inner = f32x4.mul(madd(square, f32x4.splat(0.134145), f32x4.splat(1)), twice);
    const slope = madd(f32x4.mul(f32x4.mul(x, s), f32x4.sub(f32x4.splat(1), s)), inner, s);
    v128.store(y + i, f32x4.mul(slope, v128.load(b + i)));
  }
}

/** 1 − tanh²(x / cap). */
export function softcapGradient(command: usize, thread: i32, threads: i32): void {
  const a = address(command, 1), b = address(command, 2), y = address(command, 3);
  const end = finish(command, thread, threads);
  const inverse = f32x4.splat(1 / number(command, 5));
  for (let i = begin(command, thread, threads); i < end; i += 16) {
    const slope = tanhSlope4(f32x4.mul(v128.load(a + i), inverse));
    v128.store(y + i, f32x4.mul(slope, v128.load(b + i)));
  }
}
