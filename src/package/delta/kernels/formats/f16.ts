/** F16: 10 bits of mantissa. */
import { decodeFloats, encodeFloats } from "../parts/floats";

export function encode_F16(before: usize, after: usize, count: u32, to: usize, toEnd: usize, room: usize, rest: usize): usize {
  return encodeFloats<u16>(10, before, after, count, to, toEnd, room, rest);
}
export function decode_F16(before: usize, after: usize, count: u32, from: usize, fromEnd: usize): bool {
  return decodeFloats<u16>(10, before, after, count, from, fromEnd);
}
