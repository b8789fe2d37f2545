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
 *   smalls(), scales()    how many small integers (scales, then minima of sub-blocks), 0 or a multiple of 16, and how many of them are scales
 *   unpack(codes), pack(codes)                 codes in the order of elements, u8 each
 *   readSmalls(to), writeSmalls(from)          small integers, i8 each
 *   step(j, smalls), minimum(j, smalls)        of sub-block j
 */
import { decode16, decodeOne, list, SINGLE } from "./rans";
import { beginDecoding, beginEncoding, endDecoding, endEncoding } from "./stream";
import {
  decodeSigned, DIRECT, DIRECT_SIGNED, LAST_SHORT, listSigned, signedTokenOf, tokenOf, withRests16, withSignedRest, writeRest, zigzag,
} from "./tokens";

/** Contexts: 15 distances from the middle of a step; what the distances of a group add up to; then fields. */
const DISTANCES: u32 = 15;
const GROUP: u32 = 15;
const GROUPS: u32 = 14;
const HALF: u32 = 29;
const SIGN: u32 = 33;
const SMALL: u32 = 37;
/** Fields whose old value is zero, as all are in a new tensor: halves beside the block before, small integers as 6 bits and 2. */
const FRESH_HALF: u32 = 39;
const FRESH_SMALL: u32 = 43;
const FRESH_TOP: u32 = 45;

const oldCodes = memory.data(256);
const newCodes = memory.data(256);
const expected = memory.data(256);
/** Contexts of the codes, and masks of those whose difference is mirrored. */
const contexts = memory.data(256);
const mirrored = memory.data(256);
const groupContexts = memory.data(16);
/** 1 for each group with a code that differs from the expected one. */
const groupsDiffer = memory.data(16);
const smallContexts = memory.data(16);
const smallTokens = memory.data(16);
const tokens = memory.data(16);
const numbers = memory.data(32);
const oldSmalls = memory.data(64);
const newSmalls = memory.data(64);
/** Magnitudes of the halves of the block before, u16 each. */
const lastHalves = memory.data(8);

/** A half float's value. */
@inline export function halfAt(at: usize): f32 {
  const bits = <u32>load<u16>(at);
  return reinterpret<f32>((bits & 0x7fff) << 13 | (bits & 0x8000) << 16) * <f32>5.192296858534828e33;
}

@inline function as<F>(at: usize): F {
  return changetype<F>(at);
}

/** Values of 4 codes of the old block, in steps of the new one. */
@inline function place4(codes: v128, step: v128, bias: v128, minima: v128, perStep: v128): v128 {
  const value = f32x4.mul(step, f32x4.sub(codes, bias));
  const place = f32x4.add(f32x4.mul(f32x4.add(value, minima), perStep), bias);
  // not so where the new step is nothing, or a field is no number
  return v128.bitselect(place, codes, f32x4.lt(f32x4.abs(place), f32x4.splat(1e6)));
}

/** Whole numbers 0 … highest as integers: beside 2^23 they are the lowest bits of a float. */
@inline function whole4(nearest: v128, highest: v128): v128 {
  const within = f32x4.pmin(f32x4.pmax(nearest, f32x4.splat(0)), highest);
  return v128.and(f32x4.add(within, f32x4.splat(8388608)), i32x4.splat(255));
}

/** |off| in half octaves: twice its exponent, and the first bit behind. */
@inline function halfOctaves4(off: v128): v128 {
  return i32x4.shr_u(i32x4.shl(off, 1), 23);
}

/** Fills `expected`, `contexts`, `mirrored` and the group's context for 16 codes from `first` on. */
function expectGroup(first: usize, oldStep: f32, oldMinimum: f32, newStep: f32, newMinimum: f32, bias: f32, highest: f32): void {
  const step = f32x4.splat(oldStep), minima = f32x4.splat(newMinimum - oldMinimum);
  const perStep = f32x4.splat(1 / newStep), biases = f32x4.splat(bias), most = f32x4.splat(highest);
  const bytes = v128.load(oldCodes + first);
  const low = i16x8.extend_low_i8x16_u(bytes), high = i16x8.extend_high_i8x16_u(bytes);
  const p0 = place4(f32x4.convert_i32x4_u(i32x4.extend_low_i16x8_u(low)), step, biases, minima, perStep);
  const p1 = place4(f32x4.convert_i32x4_u(i32x4.extend_high_i16x8_u(low)), step, biases, minima, perStep);
  const p2 = place4(f32x4.convert_i32x4_u(i32x4.extend_low_i16x8_u(high)), step, biases, minima, perStep);
  const p3 = place4(f32x4.convert_i32x4_u(i32x4.extend_high_i16x8_u(high)), step, biases, minima, perStep);
  const n0 = f32x4.nearest(p0), n1 = f32x4.nearest(p1), n2 = f32x4.nearest(p2), n3 = f32x4.nearest(p3);
  v128.store(expected + first, i8x16.narrow_i16x8_u(
    i16x8.narrow_i32x4_s(whole4(n0, most), whole4(n1, most)), i16x8.narrow_i32x4_s(whole4(n2, most), whole4(n3, most))));
  const o0 = f32x4.sub(p0, n0), o1 = f32x4.sub(p1, n1), o2 = f32x4.sub(p2, n2), o3 = f32x4.sub(p3, n3);
  // 0.5 has 252 half octaves and becomes 14
  const nothing = i16x8.splat(252 - 14);
  const distances = i8x16.narrow_i16x8_u(
    i16x8.sub(i16x8.narrow_i32x4_s(halfOctaves4(o0), halfOctaves4(o1)), nothing),
    i16x8.sub(i16x8.narrow_i32x4_s(halfOctaves4(o2), halfOctaves4(o3)), nothing));
  v128.store(contexts + first, i8x16.min_u(distances, i8x16.splat(14)));
  const zero = f32x4.splat(0);
  v128.store(mirrored + first, i8x16.narrow_i16x8_s(
    i16x8.narrow_i32x4_s(f32x4.lt(o0, zero), f32x4.lt(o1, zero)), i16x8.narrow_i32x4_s(f32x4.lt(o2, zero), f32x4.lt(o3, zero))));
  const sum = f32x4.add(f32x4.add(f32x4.abs(o0), f32x4.abs(o1)), f32x4.add(f32x4.abs(o2), f32x4.abs(o3)));
  const all = f32x4.extract_lane(sum, 0) + f32x4.extract_lane(sum, 1) + f32x4.extract_lane(sum, 2) + f32x4.extract_lane(sum, 3);
  // octaves of the sum, at most 8: 2^-11 … 8
  store<u8>(groupContexts + (first >> 4), <u8>(GROUP + min<i32>(GROUPS - 1, max<i32>(0, (reinterpret<i32>(all) >> 23) - 116))));
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
@inline function halfContext(i: u32, was: u32): u32 {
  return was & 0x7fff ? HALF + 2 * i + (was >> 9 & 1) : FRESH_HALF + i;
}

/** Magnitude that a half is coded beside: its old one, or if that is zero the one of the block before. */
@inline function halfBefore(i: u32, was: u32): i32 {
  return was & 0x7fff ? <i32>(was & 0x7fff) : <i32>load<u16>(lastHalves + (i << 1));
}

/** Fills `smallContexts` for 16 small integers from `first` on, whose first `scales` are scales. @returns true lanes for old zeros */
@inline function smallContexts16(first: i32, scales: i32): v128 {
  const areFresh = i8x16.eq(v128.load(oldSmalls + <usize>first), i8x16.splat(0));
  const index = i8x16.add(i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), i8x16.splat(<i8>first));
  const kinds = v128.and(i8x16.ge_s(index, i8x16.splat(<i8>scales)), i8x16.splat(1));
  v128.store(smallContexts, i8x16.add(v128.bitselect(i8x16.splat(<i8>FRESH_SMALL), i8x16.splat(<i8>SMALL), areFresh), kinds));
  return areFresh;
}

/** 16 symbols, then what else their numbers need. */
function listSmalls16(first: i32, scales: i32): void {
  smallContexts16(first, scales);
  for (let i = 0; i < 16; i++) {
    const was = <i32>load<i8>(oldSmalls + first + i), is = <i32>load<i8>(newSmalls + first + i);
    list(load<u8>(smallContexts + i), was != 0 ? signedTokenOf(is - was) : is & 63, <u32>i);
  }
  for (let i = 0; i < 16; i++) {
    const was = <i32>load<i8>(oldSmalls + first + i), is = <i32>load<i8>(newSmalls + first + i);
    if (was != 0) writeRest(<u32>abs<i32>(is - was));
    else list(FRESH_TOP, <u32>is >> 6 & 3, SINGLE);
  }
}

function decodeSmalls16(first: i32, scales: i32): void {
  const areFresh = smallContexts16(first, scales);
  const found = decode16(smallContexts);
  const areLong = i8x16.ge_u(found, i8x16.splat(<u8>DIRECT_SIGNED));
  if (!v128.any_true(v128.or(areFresh, areLong))) {
    const negative = i8x16.neg(v128.and(found, i8x16.splat(1)));
    const off = i8x16.sub(v128.xor(i8x16.shr_u(found, 1), negative), negative);
    v128.store(newSmalls + first, i8x16.add(v128.load(oldSmalls + first), off));
    return;
  }
  v128.store(smallTokens, found);
  for (let i = 0; i < 16; i++) {
    const was = <i32>load<i8>(oldSmalls + first + i), token = <u32>load<u8>(smallTokens + i);
    store<i8>(newSmalls + first + i, <i8>(was != 0 ? was + withSignedRest(token) : decodeOne(FRESH_TOP) << 6 | token));
  }
}

/**
 * @param before, after addresses of `blocks` blocks each
 * @param to, toEnd where the coded bytes may go @param room, rest scratch, see beginEncoding
 * @returns bytes written; 0 if they do not fit
 */
export function encodeBlocks<F>(before: usize, after: usize, blocks: u32, to: usize, toEnd: usize, room: usize, rest: usize): usize {
  beginEncoding(room, rest);
  memory.fill(lastHalves, 0, 8);
  for (let b: u32 = 0; b < blocks; b++) {
    const old = as<F>(before), now = as<F>(after);
    for (let i = 0; i < now.halves(); i++) {
      const was = <u32>load<u16>(before + now.half(i)), is = <u32>load<u16>(after + now.half(i));
      list(SIGN + i, (was ^ is) >> 15, SINGLE);
      listSigned(halfContext(i, was), <i32>(is & 0x7fff) - halfBefore(i, was));
      store<u16>(lastHalves + (i << 1), <u16>(is & 0x7fff));
    }
    if (now.smalls() > 0) {
      old.readSmalls(oldSmalls);
      now.readSmalls(newSmalls);
      for (let first = 0; first < now.smalls(); first += 16) listSmalls16(first, now.scales());
    }
    old.unpack(oldCodes);
    now.unpack(newCodes);
    expectBlock<F>(old, now);
    const groups = now.codes() >> 4;
    for (let group = 0; group < groups; group++) {
      const differs = v128.any_true(v128.xor(v128.load(newCodes + (group << 4)), v128.load(expected + (group << 4))));
      store<u8>(groupsDiffer + group, differs);
      list(load<u8>(groupContexts + group), differs, groups == 16 ? <u32>group : SINGLE);
    }
    for (let first: usize = 0; first < <usize>now.codes(); first += 16) {
      if (!load<u8>(groupsDiffer + (first >> 4))) continue;
      for (let i: usize = 0; i < 16; i++) {
        const at = first + i;
        const off = <i32>load<u8>(newCodes + at) - <i32>load<u8>(expected + at);
        const value = zigzag(load<u8>(mirrored + at) ? -off : off);
        list(load<u8>(contexts + at), tokenOf(value), <u32>i);
        writeRest(value);
      }
    }
    before += now.bytes();
    after += now.bytes();
  }
  return endEncoding(to, toEnd, rest);
}

/** Differences of 8 numbers in zigzag, negated where `mask` is set. */
@inline function mirrored8(numbers: v128, mask: v128): v128 {
  const off = v128.xor(i16x8.shr_u(numbers, 1), i16x8.neg(v128.and(numbers, i16x8.splat(1))));
  return i16x8.sub(v128.xor(off, mask), mask);
}

/** @returns false for bytes that no encoder writes; what was decoded until then is worth nothing */
export function decodeBlocks<F>(before: usize, after: usize, blocks: u32, from: usize, fromEnd: usize): bool {
  if (!beginDecoding(from, fromEnd)) return false;
  memory.fill(lastHalves, 0, 8);
  for (let b: u32 = 0; b < blocks; b++) {
    const old = as<F>(before), now = as<F>(after);
    for (let i = 0; i < now.halves(); i++) {
      const was = <u32>load<u16>(before + now.half(i));
      const sign = decodeOne(SIGN + i) << 15;
      const magnitude = (halfBefore(i, was) + decodeSigned(halfContext(i, was))) & 0x7fff;
      store<u16>(after + now.half(i), <u16>((was & 0x8000 ^ sign) | magnitude));
      store<u16>(lastHalves + (i << 1), <u16>magnitude);
    }
    if (now.smalls() > 0) {
      old.readSmalls(oldSmalls);
      for (let first = 0; first < now.smalls(); first += 16) decodeSmalls16(first, now.scales());
      now.writeSmalls(newSmalls);
    }
    old.unpack(oldCodes);
    expectBlock<F>(old, now);
    if (now.codes() == 256) v128.store(groupsDiffer, decode16(groupContexts));
    else
      for (let group = 0; group < now.codes() >> 4; group++)
        store<u8>(groupsDiffer + group, <u8>decodeOne(load<u8>(groupContexts + group)));
    for (let first: usize = 0; first < <usize>now.codes(); first += 16) {
      const guess = v128.load(expected + first);
      if (!load<u8>(groupsDiffer + (first >> 4))) {
        v128.store(newCodes + first, guess);
        continue;
      }
      const found = decode16(contexts + first);
      if (!v128.any_true(i8x16.ge_u(found, i8x16.splat(<u8>DIRECT)))) {
        const mask = v128.load(mirrored + first);
        const off = v128.xor(i8x16.shr_u(found, 1), i8x16.neg(v128.and(found, i8x16.splat(1))));
        v128.store(newCodes + first, i8x16.add(guess, i8x16.sub(v128.xor(off, mask), mask)));
        continue;
      }
      // a damaged delta may have longer ones
      v128.store(tokens, i8x16.min_u(found, i8x16.splat(LAST_SHORT)));
      withRests16(tokens, numbers);
      const mask = v128.load(mirrored + first);
      const low = mirrored8(v128.load(numbers), i16x8.extend_low_i8x16_s(mask));
      const high = mirrored8(v128.load(numbers, 16), i16x8.extend_high_i8x16_s(mask));
      // the low bytes: codes are added modulo 256
      const off = i8x16.shuffle(low, high, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
      v128.store(newCodes + first, i8x16.add(guess, off));
    }
    now.pack(newCodes);
    before += now.bytes();
    after += now.bytes();
  }
  return endDecoding();
}
