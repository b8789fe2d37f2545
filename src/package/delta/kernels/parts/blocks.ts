/**
 * Quantized blocks, coded beside the block that stood in their place before. Of every block first its scales and minima are
 * coded as differences, then its codes: the old value, measured in the new steps, says which code to expect, and how far that value lies from
 * the middle of the step says how likely the expectation is. So a block whose scale moved costs little more than its scale,
 * and a scale that changed its sign costs nothing in its codes.
 *
 * A group of 16 codes that are all as expected is one symbol.
 *
 * A format is a class of these (all offsets in bytes):
 *   bytes()               of a block
 *   codes()               in a block, a multiple of 16
 *   subCodes()            codes of a sub-block, which share a step: 16 or 32
 *   bias(), highest()     value = step · (code − bias) − minimum, codes 0 … highest
 *   halves(), half(i)     how many half floats, and where
 *   smalls(), scales()    how many small integers (scales, then minima of sub-blocks), and how many of them are scales
 *   unpack(codes), pack(codes)                 codes in the order of elements, u8 each
 *   readSmalls(to), writeSmalls(from)          small integers, i8 each
 *   step(j, smalls), minimum(j, smalls)        of sub-block j
 */
import { decode16, decodeOne, list } from "./rans";
import { beginDecoding, beginEncoding, endDecoding, endEncoding } from "./stream";
import { decodeNumber, listNumber, tokenOf, unzigzag, withRest, writeRest, zigzag } from "./tokens";

/** Contexts: 15 distances from the middle of a step; what the distances of a group add up to; then fields. */
const DISTANCES: u32 = 15;
const GROUP: u32 = 15;
const GROUPS: u32 = 14;
const HALF: u32 = 29;
const SIGN: u32 = 33;
const SMALL: u32 = 37;

const oldCodes = memory.data(256);
const newCodes = memory.data(256);
const expected = memory.data(256);
/** Contexts of the codes, and masks of those whose difference is mirrored. */
const contexts = memory.data(256);
const mirrored = memory.data(256);
const groupContexts = memory.data(16);
const tokens = memory.data(16);
const oldSmalls = memory.data(64);
const newSmalls = memory.data(64);

/** A half float's value. */
@inline export function halfAt(at: usize): f32 {
  const bits = <u32>load<u16>(at);
  return reinterpret<f32>((bits & 0x7fff) << 13 | (bits & 0x8000) << 16) * <f32>5.192296858534828e33;
}

@inline function as<F>(at: usize): F {
  return changetype<F>(at);
}

/** Expected codes and contexts of 4 codes: their values in the old block, in steps of the new one. */
@inline function expect4(codes: v128, step: v128, bias: v128, minima: v128, perStep: v128, highest: v128, at: usize): v128 {
  const value = f32x4.mul(step, f32x4.sub(codes, bias));
  let place = f32x4.add(f32x4.mul(f32x4.add(value, minima), perStep), bias);
  // not so where the new step is nothing, or a field is no number
  const sane = f32x4.lt(f32x4.abs(place), f32x4.splat(1e6));
  place = v128.bitselect(place, codes, sane);
  const nearest = f32x4.nearest(place);
  const off = f32x4.sub(place, nearest);
  v128.store(at, f32x4.min(f32x4.max(nearest, f32x4.splat(0)), highest));
  return off;
}

/** Half octaves of |off|, 0.5 being 14. */
@inline function distance4(off: v128): v128 {
  const halfOctaves = i32x4.sub(i32x4.shr_s(v128.and(off, i32x4.splat(0x7fffffff)), 22), i32x4.splat(252 - 14));
  return i32x4.min_s(i32x4.max_s(halfOctaves, i32x4.splat(0)), i32x4.splat(14));
}

/** Fills `expected`, `contexts`, `mirrored` and the group's context for 16 codes from `first` on. */
function expectGroup(first: usize, oldStep: f32, oldMinimum: f32, newStep: f32, newMinimum: f32, bias: f32, highest: f32): void {
  const step = f32x4.splat(oldStep), minima = f32x4.splat(newMinimum - oldMinimum);
  const perStep = f32x4.splat(1 / newStep), biases = f32x4.splat(bias), most = f32x4.splat(highest);
  const bytes = v128.load(oldCodes + first);
  const low = i16x8.extend_low_i8x16_u(bytes), high = i16x8.extend_high_i8x16_u(bytes);
  const c0 = f32x4.convert_i32x4_u(i32x4.extend_low_i16x8_u(low)), c1 = f32x4.convert_i32x4_u(i32x4.extend_high_i16x8_u(low));
  const c2 = f32x4.convert_i32x4_u(i32x4.extend_low_i16x8_u(high)), c3 = f32x4.convert_i32x4_u(i32x4.extend_high_i16x8_u(high));
  const o0 = expect4(c0, step, biases, minima, perStep, most, nearest), o1 = expect4(c1, step, biases, minima, perStep, most, nearest + 16);
  const o2 = expect4(c2, step, biases, minima, perStep, most, nearest + 32), o3 = expect4(c3, step, biases, minima, perStep, most, nearest + 48);
  v128.store(expected + first, narrowed(
    i32x4.trunc_sat_f32x4_s(v128.load(nearest)), i32x4.trunc_sat_f32x4_s(v128.load(nearest, 16)),
    i32x4.trunc_sat_f32x4_s(v128.load(nearest, 32)), i32x4.trunc_sat_f32x4_s(v128.load(nearest, 48))));
  v128.store(contexts + first, narrowed(distance4(o0), distance4(o1), distance4(o2), distance4(o3)));
  const zero = f32x4.splat(0);
  v128.store(mirrored + first, i8x16.narrow_i16x8_s(
    i16x8.narrow_i32x4_s(f32x4.lt(o0, zero), f32x4.lt(o1, zero)), i16x8.narrow_i32x4_s(f32x4.lt(o2, zero), f32x4.lt(o3, zero))));
  const sum = f32x4.add(f32x4.add(f32x4.abs(o0), f32x4.abs(o1)), f32x4.add(f32x4.abs(o2), f32x4.abs(o3)));
  const all = f32x4.extract_lane(sum, 0) + f32x4.extract_lane(sum, 1) + f32x4.extract_lane(sum, 2) + f32x4.extract_lane(sum, 3);
  // octaves of the sum, at most 8: 2^-11 … 8
  store<u8>(groupContexts + (first >> 4), <u8>(GROUP + min<i32>(GROUPS - 1, max<i32>(0, (reinterpret<i32>(all) >> 23) - 116))));
}

const nearest = memory.data(64);

@inline function narrowed(a: v128, b: v128, c: v128, d: v128): v128 {
  return i8x16.narrow_i16x8_u(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d));
}

/** Expectations of all codes of a block, once the fields of the new one are known. */
@inline function expectBlock<F>(before: F, after: F): void {
  const subCodes = before.subCodes(), highest = <f32>before.highest(), bias = <f32>before.bias();
  for (let first = 0, j = 0; first < before.codes(); first += subCodes, j++) {
    const oldStep = before.step(j, oldSmalls), newStep = after.step(j, newSmalls);
    const oldMinimum = before.minimum(j, oldSmalls), newMinimum = after.minimum(j, newSmalls);
    for (let i = 0; i < subCodes; i += 16) expectGroup(first + i, oldStep, oldMinimum, newStep, newMinimum, bias, highest);
  }
}

/** Context of a half: which one, and in which half of its octave its old value lies. */
@inline function halfContext(i: u32, bits: u32): u32 {
  return HALF + 2 * i + (bits >> 9 & 1);
}

/**
 * @param before, after addresses of `blocks` blocks each
 * @param to, toEnd where the coded bytes may go @param room, rest scratch, see beginEncoding
 * @returns bytes written; 0 if they do not fit
 */
export function encodeBlocks<F>(before: usize, after: usize, blocks: u32, to: usize, toEnd: usize, room: usize, rest: usize): usize {
  beginEncoding(room, rest);
  for (let b: u32 = 0; b < blocks; b++) {
    const old = as<F>(before), now = as<F>(after);
    for (let i = 0; i < now.halves(); i++) {
      const was = <u32>load<u16>(before + now.half(i)), is = <u32>load<u16>(after + now.half(i));
      list(SIGN + i, (was ^ is) >> 15, 0);
      listNumber(halfContext(i, was), zigzag(<i32>(is & 0x7fff) - <i32>(was & 0x7fff)));
    }
    if (now.smalls() > 0) {
      old.readSmalls(oldSmalls);
      now.readSmalls(newSmalls);
      for (let i = 0; i < now.smalls(); i++)
        listNumber(i < now.scales() ? SMALL : SMALL + 1, zigzag(<i32>load<i8>(newSmalls + i) - <i32>load<i8>(oldSmalls + i)));
    }
    old.unpack(oldCodes);
    now.unpack(newCodes);
    expectBlock<F>(old, now);
    for (let first: usize = 0; first < <usize>now.codes(); first += 16) {
      const difference = i8x16.sub(v128.load(newCodes + first), v128.load(expected + first));
      const differs = v128.any_true(difference);
      list(load<u8>(groupContexts + (first >> 4)), differs ? 1 : 0, 0);
      if (!differs) continue;
      for (let i: usize = 0; i < 16; i++) {
        const at = first + i;
        const off = <i32>load<u8>(newCodes + at) - <i32>load<u8>(expected + at);
        const value = zigzag(load<u8>(mirrored + at) ? -off : off);
        list(load<u8>(contexts + at), tokenOf(value), <u32>i & 3);
        writeRest(value);
      }
    }
    before += now.bytes();
    after += now.bytes();
  }
  return endEncoding(to, toEnd, rest);
}

/** @returns false for bytes that no encoder writes; what was decoded until then is worth nothing */
export function decodeBlocks<F>(before: usize, after: usize, blocks: u32, from: usize, fromEnd: usize): bool {
  if (!beginDecoding(from, fromEnd)) return false;
  for (let b: u32 = 0; b < blocks; b++) {
    const old = as<F>(before), now = as<F>(after);
    for (let i = 0; i < now.halves(); i++) {
      const was = <u32>load<u16>(before + now.half(i));
      const sign = decodeOne(SIGN + i) << 15;
      const magnitude = <i32>(was & 0x7fff) + unzigzag(decodeNumber(halfContext(i, was)));
      store<u16>(after + now.half(i), <u16>((was & 0x8000 ^ sign) | (magnitude & 0x7fff)));
    }
    if (now.smalls() > 0) {
      old.readSmalls(oldSmalls);
      for (let i = 0; i < now.smalls(); i++) {
        const off = unzigzag(decodeNumber(i < now.scales() ? SMALL : SMALL + 1));
        store<i8>(newSmalls + i, <i8>(<i32>load<i8>(oldSmalls + i) + off));
      }
      now.writeSmalls(newSmalls);
    }
    old.unpack(oldCodes);
    expectBlock<F>(old, now);
    for (let first: usize = 0; first < <usize>now.codes(); first += 16) {
      const guess = v128.load(expected + first);
      if (decodeOne(load<u8>(groupContexts + (first >> 4))) == 0) {
        v128.store(newCodes + first, guess);
        continue;
      }
      decode16(contexts + first, tokens);
      const found = v128.load(tokens);
      if (!v128.any_true(i8x16.gt_u(found, i8x16.splat(7)))) {
        const mask = v128.load(mirrored + first);
        const off = v128.xor(i8x16.shr_u(found, 1), i8x16.neg(v128.and(found, i8x16.splat(1))));
        v128.store(newCodes + first, i8x16.add(guess, i8x16.sub(v128.xor(off, mask), mask)));
        continue;
      }
      for (let i: usize = 0; i < 16; i++) {
        const off = unzigzag(withRest(load<u8>(tokens + i)));
        const at = first + i;
        store<u8>(newCodes + at, <u8>(<i32>load<u8>(expected + at) + (load<u8>(mirrored + at) ? -off : off)));
      }
    }
    now.pack(newCodes);
    before += now.bytes();
    after += now.bytes();
  }
  return endDecoding();
}
