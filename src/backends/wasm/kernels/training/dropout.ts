/** Dropout by a hash of seed, salt, row and column, as in graph/ops/dropout.ts. */
import { address, argument, number, rowsOf, shareFrom, shareTo } from "../parts/control";

@inline function mix(x: u32): u32 {
  let z = (x ^ (x >> 16)) * 0x21f0aaad;
  z = (z ^ (z >> 15)) * 0x735a2d97;
  return z ^ (z >> 15);
}

@inline function mix4(x: v128): v128 {
  let z = i32x4.mul(v128.xor(x, i32x4.shr_u(x, 16)), i32x4.splat(0x21f0aaad));
  z = i32x4.mul(v128.xor(z, i32x4.shr_u(z, 15)), i32x4.splat(0x735a2d97));
  return v128.xor(z, i32x4.shr_u(z, 15));
}

const STEP: u32 = 0x9e3779b9;

/** Arguments: 0 rows kind, 1 x, 2 seed (i32), 3 output, 4 width, 5 salt, 6 threshold (u32), 7 1 − rate. */
export function dropout(command: usize, thread: i32, threads: i32): void {
  const rows = rowsOf(argument(command, 0));
  const width: usize = argument(command, 4);
  const seed = load<i32>(address(command, 2));
  const threshold: u32 = seed < 0 ? 0 : argument(command, 6);
  const kept: f32 = seed < 0 ? 1 : number(command, 7);
  const ofStep = mix(mix(seed) ^ argument(command, 5));
  for (let row = shareFrom(rows, thread, threads); row < shareTo(rows, thread, threads); row++) {
    const bits = mix(ofStep ^ row);
    let x = address(command, 1) + <usize>row * width * 4, y = address(command, 3) + <usize>row * width * 4;
    let column: u32 = 1;
    const four = i32x4.splat(bits);
    let hashed = i32x4.mul(i32x4(1, 2, 3, 4), i32x4.splat(STEP));
    for (; column + 3 <= <u32>width; column += 4) {
      const dropped = i32x4.lt_u(mix4(v128.xor(four, hashed)), i32x4.splat(threshold));
      v128.store(y, v128.andnot(f32x4.div(v128.load(x), f32x4.splat(kept)), dropped));
      hashed = i32x4.add(hashed, i32x4.splat(4 * STEP));
      x += 16;
      y += 16;
    }
    for (; column <= <u32>width; column++) {
      store<f32>(y, mix(bits ^ (column * STEP)) < threshold ? 0 : load<f32>(x) / kept);
      x += 4;
      y += 4;
    }
  }
}
