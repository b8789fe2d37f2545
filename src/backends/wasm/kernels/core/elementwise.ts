/**
 * Elementwise ops.
 * Arguments of all: 0 rows kind, 1 a, 2 b, 3 output, 4 width, 5 constant. Buffers are padded to whole vectors.
 */
import { address, number } from "../parts/control";
import { begin, finish } from "../parts/elements";
import { exp4, madd, tanh4 } from "../parts/simd";

@inline function silu4(x: v128): v128 {
  return f32x4.div(x, f32x4.add(exp4(f32x4.neg(x)), f32x4.splat(1)));
}

/** x·sigmoid(2u) is x/2·(1 + tanh u), u = √(2/π)(x + 0.044715x³). */
@inline function gelu4(x: v128): v128 {
  const cube = f32x4.mul(f32x4.mul(x, x), x);
  const u = f32x4.mul(madd(cube, f32x4.splat(0.044715), x), f32x4.splat(-1.5957691216057308));
  return f32x4.div(x, f32x4.add(exp4(u), f32x4.splat(1)));
}

export function add(command: usize, thread: i32, threads: i32): void {
  const a = address(command, 1), b = address(command, 2), y = address(command, 3);
  const end = finish(command, thread, threads);
  for (let i = begin(command, thread, threads); i < end; i += 16) v128.store(y + i, f32x4.add(v128.load(a + i), v128.load(b + i)));
}

export function multiply(command: usize, thread: i32, threads: i32): void {
  const a = address(command, 1), b = address(command, 2), y = address(command, 3);
  const end = finish(command, thread, threads);
  for (let i = begin(command, thread, threads); i < end; i += 16) v128.store(y + i, f32x4.mul(v128.load(a + i), v128.load(b + i)));
}

export function scale(command: usize, thread: i32, threads: i32): void {
  const a = address(command, 1), y = address(command, 3);
  const factor = f32x4.splat(number(command, 5));
  const end = finish(command, thread, threads);
  for (let i = begin(command, thread, threads); i < end; i += 16) v128.store(y + i, f32x4.mul(v128.load(a + i), factor));
}

export function softcap(command: usize, thread: i32, threads: i32): void {
  const a = address(command, 1), y = address(command, 3);
  const cap = f32x4.splat(number(command, 5)), inverse = f32x4.splat(1 / number(command, 5));
  const end = finish(command, thread, threads);
  for (let i = begin(command, thread, threads); i < end; i += 16)
    v128.store(y + i, f32x4.mul(tanh4(f32x4.mul(v128.load(a + i), inverse)), cap));
}

export function silu(command: usize, thread: i32, threads: i32): void {
  const a = address(command, 1), y = address(command, 3);
  const end = finish(command, thread, threads);
  for (let i = begin(command, thread, threads); i < end; i += 16) v128.store(y + i, silu4(v128.load(a + i)));
}

export function gelu(command: usize, thread: i32, threads: i32): void {
  const a = address(command, 1), y = address(command, 3);
  const end = finish(command, thread, threads);
  for (let i = begin(command, thread, threads); i < end; i += 16) v128.store(y + i, gelu4(v128.load(a + i)));
}

/** silu(a) · b in one pass. */
export function siluMultiply(command: usize, thread: i32, threads: i32): void {
  const a = address(command, 1), b = address(command, 2), y = address(command, 3);
  const end = finish(command, thread, threads);
  for (let i = begin(command, thread, threads); i < end; i += 16) v128.store(y + i, f32x4.mul(silu4(v128.load(a + i)), v128.load(b + i)));
}

/** gelu(a) · b in one pass. */
export function geluMultiply(command: usize, thread: i32, threads: i32): void {
  const a = address(command, 1), b = address(command, 2), y = address(command, 3);
  const end = finish(command, thread, threads);
  for (let i = begin(command, thread, threads); i < end; i += 16) v128.store(y + i, f32x4.mul(gelu4(v128.load(a + i)), v128.load(b + i)));
}
