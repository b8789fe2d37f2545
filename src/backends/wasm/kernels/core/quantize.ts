/**
 * Quantizes f32 activations for the matrix products (see unsigned.ts and signed.ts). More than one row
 * is interleaved in tiles of 4; rows beyond the last are zero.
 * Arguments of both: 0 rows kind, 1 x [rows, K], 2 codes, 3 sums or scales, 4 K.
 */
import { address, argument, rowsOf, shareFrom, shareTo } from "../parts/control";
import { max4 } from "../parts/simd";

/** Maximum magnitude of 32 columns. */
@inline function peak(p: usize): f32 {
  let m = f32x4.abs(v128.load(p));
  m = f32x4.pmax(m, f32x4.abs(v128.load(p, 16)));
  m = f32x4.pmax(m, f32x4.abs(v128.load(p, 32)));
  m = f32x4.pmax(m, f32x4.abs(v128.load(p, 48)));
  m = f32x4.pmax(m, f32x4.abs(v128.load(p, 64)));
  m = f32x4.pmax(m, f32x4.abs(v128.load(p, 80)));
  m = f32x4.pmax(m, f32x4.abs(v128.load(p, 96)));
  m = f32x4.pmax(m, f32x4.abs(v128.load(p, 112)));
  return max4(m);
}

@inline function round(p: usize, inverse: v128): v128 {
  return i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(p), inverse)));
}

/**
 * 32 columns → 8 quads of int8, `step` bytes apart, and a record or two (see unsigned.ts), whose words are `step` bytes
 * apart, for weights with one scale or two per 32 columns.
 */
@inline function block8(x: usize, codes: usize, step: usize, records: usize, parts: i32): void {
  const most = peak(x);
  const d = most / 127;
  const inverse = f32x4.splat(most > 0 ? 127 / most : 0);
  let low = i32x4.splat(0), high = low;
  for (let i: usize = 0; i < 4; i++) {
    const a = round(x + 16 * i, inverse);
    const b = round(x + 64 + 16 * i, inverse);
    low = i32x4.add(low, a);
    high = i32x4.add(high, b);
    const narrow = i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(a, b), i16x8.splat(0));
    v128.store32_lane(codes + step * i, narrow, 0);
    v128.store32_lane(codes + step * (i + 4), narrow, 1);
  }
  if (parts == 2) {
    record(records, step, d, low);
    record(records + 3 * step, step, d, high);
  } else record(records, step, d, i32x4.add(low, high));
}

/** @param sums of the codes at columns 4i, 4i+1, 4i+2, 4i+3 */
@inline function record(to: usize, step: usize, d: f32, sums: v128): void {
  const a = i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 1);
  const b = i32x4.extract_lane(sums, 2) + i32x4.extract_lane(sums, 3);
  store<f32>(to, d);
  store<f32>(to + step, d * <f32>(a + b));
  store<u32>(to + 2 * step, (a & 0xffff) | b << 16);
}

/** int8 with records, for unsigned weights. Argument 5: parts, scales per 32 columns of the weights. */
export function quantize8(command: usize, thread: i32, threads: i32): void {
  const parts = argument(command, 5);
  const rows = rowsOf(argument(command, 0));
  const columns = argument(command, 4);
  const blocks = columns >> 5;
  if (rows == 1) {
    const to = shareTo(blocks, thread, threads);
    for (let block: usize = shareFrom(blocks, thread, threads); block < <usize>to; block++)
      block8(address(command, 1) + 128 * block, address(command, 2) + 32 * block, 4, address(command, 3) + 12 * parts * block, parts);
    return;
  }
  const tiles = (rows + 3) >> 2, count: usize = rows, stride: usize = 48 * parts;
  for (let tile: usize = shareFrom(tiles, thread, threads); tile < <usize>shareTo(tiles, thread, threads); tile++) {
    for (let lane: usize = 0; lane < 4; lane++) {
      const row: usize = 4 * tile + lane;
      const codes = address(command, 2) + tile * columns * 4 + 4 * lane;
      const records = address(command, 3) + tile * blocks * stride + 4 * lane;
      if (row < count) {
        const x = address(command, 1) + row * columns * 4;
        for (let block: usize = 0; block < <usize>blocks; block++) block8(x + 128 * block, codes + 128 * block, 16, records + stride * block, parts);
      } else {
        for (let quad: usize = 0; quad < <usize>blocks * 8; quad++) store<u32>(codes + 16 * quad, 0);
        for (let word: usize = 0; word < <usize>blocks * 3 * parts; word++) store<u32>(records + 16 * word, 0);
      }
    }
  }
}

/** 32 columns → 16 pairs of int16, `step` bytes apart, and their scale. */
@inline function block16(x: usize, codes: usize, step: usize, scale: usize): void {
  const most = peak(x);
  store<f32>(scale, most / 32767);
  const inverse = f32x4.splat(most > 0 ? 32767 / most : 0);
  for (let i: usize = 0; i < 4; i++) {
    const narrow = i16x8.narrow_i32x4_s(round(x + 32 * i, inverse), round(x + 32 * i + 16, inverse));
    const to = codes + 4 * step * i;
    v128.store32_lane(to, narrow, 0);
    v128.store32_lane(to + step, narrow, 1);
    v128.store32_lane(to + 2 * step, narrow, 2);
    v128.store32_lane(to + 3 * step, narrow, 3);
  }
}

/** int16, for signed weights: as exact as f32 sums of 32 products are. */
export function quantize16(command: usize, thread: i32, threads: i32): void {
  const rows = rowsOf(argument(command, 0));
  const columns = argument(command, 4);
  const blocks = columns >> 5;
  if (rows == 1) {
    const to = shareTo(blocks, thread, threads);
    for (let block: usize = shareFrom(blocks, thread, threads); block < <usize>to; block++)
      block16(address(command, 1) + 128 * block, address(command, 2) + 64 * block, 4, address(command, 3) + 4 * block);
    return;
  }
  const tiles = (rows + 3) >> 2, count: usize = rows;
  for (let tile: usize = shareFrom(tiles, thread, threads); tile < <usize>shareTo(tiles, thread, threads); tile++) {
    for (let lane: usize = 0; lane < 4; lane++) {
      const row: usize = 4 * tile + lane;
      const codes = address(command, 2) + tile * columns * 8 + 4 * lane;
      const scales = address(command, 3) + tile * blocks * 16 + 4 * lane;
      if (row < count) {
        const x = address(command, 1) + row * columns * 4;
        for (let block: usize = 0; block < <usize>blocks; block++) block16(x + 128 * block, codes + 256 * block, 16, scales + 16 * block);
      } else {
        for (let pair: usize = 0; pair < <usize>blocks * 16; pair++) store<u32>(codes + 16 * pair, 0);
        for (let block: usize = 0; block < <usize>blocks; block++) store<f32>(scales + 16 * block, 0);
      }
    }
  }
}
