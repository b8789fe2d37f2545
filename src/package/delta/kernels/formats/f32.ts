/** F32: 23 bits of mantissa. */
import { decodeFloats, encodeFloats } from "../parts/floats";

export function encode_F32(before: usize, after: usize, count: u32, to: usize, toEnd: usize, room: usize, rest: usize): usize {
  return encodeFloats<u32>(23, before, after, count, to, toEnd, room, rest);
}
export function decode_F32(before: usize, after: usize, count: u32, from: usize, fromEnd: usize): bool {
  return decodeFloats<u32>(23, before, after, count, from, fromEnd);
}
