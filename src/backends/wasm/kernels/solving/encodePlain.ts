/**
 * Quantizes blocks of 32 elements with one scale without a search, byte for byte as tensor/quant/plainBlock.ts and ggml's
 * reference encoders do. The bytes of a block are its scale, its minimum if it has one, the fifth bits if there are any, and the
 * integers: as nibbles (elements 16 … 31 are the high ones), or as bytes.
 */
import { address, argument, claim, piecesOf, shareFrom, shareTo } from "../parts/control";
import { hasOffset, highest, lowest } from "../parts/search";
import { max4, toHalf } from "../parts/simd";
import { floatBytes, take32 } from "../parts/storedFloats";

/** Bytes of scratch per thread: a block in F32. */
export function encodePlainScratch(): i32 { return 128; }

/**
 * Arguments: 0 grid, 1 kind of the floats (parts/storedFloats.ts), 2 floats, 3 result, 4 address of a word that becomes 1 if a float is
 * not finite, 5 number of blocks, 6 bytes of a block, 7 scratch, 8 scratch bytes per thread.
 */
export function encodePlain(command: usize, thread: i32, threads: i32): void {
  const grid = address(command, 0), kind = argument(command, 1), blocks = argument(command, 5), size = address(command, 6);
  const own = address(command, 7) + <usize>thread * address(command, 8);
  const stored: usize = floatBytes(kind) << 5;
  const range = highest(grid) - lowest(grid), isRange = hasOffset(grid);
  const pieces = piecesOf(blocks, threads);
  let special = i32x4.splat(0);
  for (let piece = claim(command, pieces, threads); piece >= 0; piece = claim(command, pieces, threads)) {
    const first: usize = shareFrom(blocks, piece, pieces), end: usize = shareTo(blocks, piece, pieces);
    let from = address(command, 2) + first * stored, to = address(command, 3) + first * size;
    for (let block = first; block < end; block++) {
      special = v128.or(special, take32(kind, from, own));
      const x = kind == 0 ? from : own;
      if (range == 255) encodeBytes(x, to);
      else if (isRange) encodeRange(x, to, range);
      else encodeAgainstExtreme(x, to, range);
      from += stored;
      to += size;
    }
  }
  if (v128.any_true(special)) store<i32>(address(command, 4), 1);
}

/** The element of greatest magnitude; of equal ones the first. */
@inline function extremeOf(x: usize): f32 {
  let most = v128.load(x), least = most;
  for (let at: usize = 16; at < 128; at += 16) {
    const v = v128.load(x + at);
    most = f32x4.pmax(most, v);
    least = f32x4.pmin(least, v);
  }
  const high = max4(most), low = -max4(f32x4.neg(least));
  return high == -low ? firstOf(x, high) : high > -low ? high : low;
}

/** The first element of a magnitude. */
function firstOf(x: usize, magnitude: f32): f32 {
  if (magnitude == 0) return 0;
  for (let at: usize = 0; at < 128; at += 4) if (abs<f32>(load<f32>(x + at)) == magnitude) return load<f32>(x + at);
  return magnitude;
}

/** x ≈ d · (q − half): the element of greatest magnitude becomes q = 0. */
@inline function encodeAgainstExtreme(x: usize, to: usize, range: i32): void {
  const half = <f32>(range + 1) / 2;
  const d = extremeOf(x) / -half;
  store<u16>(to, toHalf(d));
  packCodes(x, to + 2, range, 0, d == 0 ? 0 : 1 / d, half + 0.5);
}

/** x ≈ scale · q + least */
@inline function encodeRange(x: usize, to: usize, range: i32): void {
  let least4 = v128.load(x), most4 = least4;
  for (let at: usize = 16; at < 128; at += 16) {
    const v = v128.load(x + at);
    // unlike pmin, it takes −0 for less than 0
    least4 = f32x4.min(least4, v);
    most4 = f32x4.pmax(most4, v);
  }
  const least = min<f32>(
    min<f32>(f32x4.extract_lane(least4, 0), f32x4.extract_lane(least4, 1)),
    min<f32>(f32x4.extract_lane(least4, 2), f32x4.extract_lane(least4, 3)),
  );
  const scale = (max4(most4) - least) / <f32>range;
  store<u16>(to, toHalf(scale));
  store<u16>(to, toHalf(least), 2);
  packCodes(x, to + 4, range, least, scale == 0 ? 0 : 1 / scale, 0.5);
}

/** Rounds towards 0. Values beyond the range of integers become arbitrary negative ones or 0; NaN too. */
@inline function truncated(x: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i32x4.relaxed_trunc_f32x4_s(x);
  return i32x4.trunc_sat_f32x4_s(x);
}

@inline function code4(x: usize, shift: v128, factor: v128, addend: v128, most: v128): v128 {
  return truncated(f32x4.pmin(f32x4.add(f32x4.mul(f32x4.sub(v128.load(x), shift), factor), addend), most));
}

/** 16 codes as bytes. */
@inline function code16(x: usize, shift: v128, factor: v128, addend: v128, most: v128): v128 {
  const a = code4(x, shift, factor, addend, most), b = code4(x + 16, shift, factor, addend, most);
  const c = code4(x + 32, shift, factor, addend, most), d = code4(x + 48, shift, factor, addend, most);
  return i8x16.narrow_i16x8_u(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d));
}

/** Writes trunc((x − shift) · factor + addend), at most `range`: 15 takes nibbles, 31 the fifth bits before them. */
@inline function packCodes(x: usize, to: usize, range: i32, shift: f32, factor: f32, addend: f32): void {
  const shift4 = f32x4.splat(shift), factor4 = f32x4.splat(factor), addend4 = f32x4.splat(addend), most = f32x4.splat(<f32>range);
  const low = code16(x, shift4, factor4, addend4, most), high = code16(x + 64, shift4, factor4, addend4, most);
  if (range == 31) {
    // the fifth bit becomes the byte's sign
    store<u16>(to, <u16>i8x16.bitmask(i16x8.shl(low, 3)));
    store<u16>(to, <u16>i8x16.bitmask(i16x8.shl(high, 3)), 2);
    to += 4;
  }
  const nibble = i8x16.splat(15);
  v128.store(to, v128.or(v128.and(low, nibble), i16x8.shl(v128.and(high, nibble), 4)));
}

/** x ≈ d · q, q in −127 … 127, halves rounded away from 0. */
@inline function encodeBytes(x: usize, to: usize): void {
  const d = abs<f32>(extremeOf(x)) / 127;
  store<u16>(to, toHalf(d));
  const inverse: f32 = d == 0 ? 0 : 1 / d;
  if (inverse == <f32>Infinity) {
    // the scale is stored as 0, and the integers are what plainBlock.ts makes of infinity
    memory.fill(to + 2, 0x80, 32);
    return;
  }
  const factor = f32x4.splat(inverse);
  v128.store(to, signed16(x, factor), 2);
  v128.store(to, signed16(x + 64, factor), 18);
}

@inline function signed16(x: usize, factor: v128): v128 {
  const a = signed4(x, factor), b = signed4(x + 16, factor), c = signed4(x + 32, factor), d = signed4(x + 48, factor);
  return i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d));
}

@inline function signed4(x: usize, factor: v128): v128 {
  const v = f32x4.mul(v128.load(x), factor), a = f32x4.abs(v), whole = f32x4.trunc(a);
  const up = v128.and(f32x4.ge(f32x4.sub(a, whole), f32x4.splat(0.5)), f32x4.splat(1));
  return truncated(v128.or(f32x4.add(whole, up), v128.and(v, i32x4.splat(0x80000000))));
}
