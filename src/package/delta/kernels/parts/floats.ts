/**
 * Encodes floats relative to the old ones: the difference of their bits as ordered integers, with the old exponent as context,
 * because a small weight changes by more units in the last place than a large one. Beside an old zero, as all are in a new
 * tensor, sign and exponent are coded, and the mantissa follows as it is.
 */
import { readBits, writeBits } from "./bits";
import { decodeOne, list, SINGLE } from "./rans";
import { beginDecoding, beginEncoding, endDecoding, endEncoding } from "./stream";
import { decodeNumber, listNumber, unzigzag, zigzag } from "./tokens";

/** Contexts: 32 old exponents; beside a zero the sign with the exponent's upper 5 bits, and by those its lower 3 bits; zero or denormal. */
const FRESH: u32 = 32;
const FRESH_LOW: u32 = 33;
const FRESH_NONE: u32 = 49;

/** A float's bits as an integer that grows with its value. */
@inline function rankOf<T>(bits: u32): i32 {
  const top: u32 = 1 << (8 * sizeof<T>() - 1);
  return bits & top ? -1 - <i32>(bits & (top - 1)) : <i32>bits;
}

@inline function bitsOf<T>(rank: i32): u32 {
  const top: u32 = 1 << (8 * sizeof<T>() - 1);
  return rank < 0 ? <u32>(-1 - rank) | top : <u32>rank;
}

/** Bits of the exponent that the token of the sign has no room for. */
@inline function lowBits<T>(mantissa: u32): u32 {
  return 8 * sizeof<T>() - 1 - mantissa - 5;
}

@inline function listFresh<T>(mantissa: u32, bits: u32): void {
  const low = lowBits<T>(mantissa), top = bits >> (mantissa + low);
  list(FRESH, top, SINGLE);
  if (low > 0) list(FRESH_LOW + (top & 15), bits >> mantissa & ((1 << low) - 1), SINGLE);
  const fraction = bits & ((1 << mantissa) - 1);
  // an exponent of 0
  if ((bits >> mantissa & ((32 << low) - 1)) == 0) {
    list(FRESH_NONE, fraction != 0 ? 1 : 0, SINGLE);
    if (fraction == 0) return;
  }
  writeBits(fraction, mantissa);
}

@inline function decodeFresh<T>(mantissa: u32): u32 {
  const low = lowBits<T>(mantissa), top = decodeOne(FRESH);
  let exponent = top << low;
  if (low > 0) exponent |= decodeOne(FRESH_LOW + (top & 15)) & ((1 << low) - 1);
  if ((exponent & ((32 << low) - 1)) == 0 && decodeOne(FRESH_NONE) == 0) return exponent << mantissa;
  return exponent << mantissa | readBits(mantissa);
}

/** @param mantissa its bits in a float; the other parameters are those of encodeBlocks */
export function encodeFloats<T>(
  mantissa: u32, before: usize, after: usize, count: u32, to: usize, toEnd: usize, room: usize, rest: usize,
): usize {
  beginEncoding(room, rest);
  for (let i: u32 = 0; i < count; i++) {
    const was = <u32>load<T>(before), is = <u32>load<T>(after);
    if (was == 0) listFresh<T>(mantissa, is);
    else listNumber(was >> mantissa & 31, zigzag(rankOf<T>(is) - rankOf<T>(was)));
    before += sizeof<T>();
    after += sizeof<T>();
  }
  return endEncoding(to, toEnd, rest);
}

export function decodeFloats<T>(mantissa: u32, before: usize, after: usize, count: u32, from: usize, fromEnd: usize): bool {
  if (!beginDecoding(from, fromEnd)) return false;
  for (let i: u32 = 0; i < count; i++) {
    const was = <u32>load<T>(before);
    const is = was == 0 ? decodeFresh<T>(mantissa) : bitsOf<T>(rankOf<T>(was) + unzigzag(decodeNumber(was >> mantissa & 31)));
    store<T>(after, <T>is);
    before += sizeof<T>();
    after += sizeof<T>();
  }
  return endDecoding();
}
