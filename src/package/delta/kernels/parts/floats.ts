/**
 * Encodes floats relative to the old ones: the difference of their bits as ordered integers, with the old exponent as context,
 * because a small weight changes by more units in the last place than a large one.
 */
import { beginDecoding, beginEncoding, endDecoding, endEncoding } from "./stream";
import { decodeNumber, listNumber, unzigzag, zigzag } from "./tokens";

/** A float's bits as an integer that grows with its value. */
@inline function rankOf<T>(bits: u32): i32 {
  const top: u32 = 1 << (8 * sizeof<T>() - 1);
  return bits & top ? -1 - <i32>(bits & (top - 1)) : <i32>bits;
}

@inline function bitsOf<T>(rank: i32): u32 {
  const top: u32 = 1 << (8 * sizeof<T>() - 1);
  return rank < 0 ? <u32>(-1 - rank) | top : <u32>rank;
}

/** @param mantissa its bits in a float; the other parameters are those of encodeBlocks */
export function encodeFloats<T>(
  mantissa: u32, before: usize, after: usize, count: u32, to: usize, toEnd: usize, room: usize, rest: usize,
): usize {
  beginEncoding(room, rest);
  for (let i: u32 = 0; i < count; i++) {
    const was = <u32>load<T>(before), is = <u32>load<T>(after);
    listNumber(was >> mantissa & 31, zigzag(rankOf<T>(is) - rankOf<T>(was)));
    before += sizeof<T>();
    after += sizeof<T>();
  }
  return endEncoding(to, toEnd, rest);
}

export function decodeFloats<T>(mantissa: u32, before: usize, after: usize, count: u32, from: usize, fromEnd: usize): bool {
  if (!beginDecoding(from, fromEnd)) return false;
  for (let i: u32 = 0; i < count; i++) {
    const was = <u32>load<T>(before);
    store<T>(after, <T>bitsOf<T>(rankOf<T>(was) + unzigzag(decodeNumber(was >> mantissa & 31))));
    before += sizeof<T>();
    after += sizeof<T>();
  }
  return endDecoding();
}
