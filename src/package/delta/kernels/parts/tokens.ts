/**
 * Numbers as a token and raw bits: 0 … 7 are tokens themselves; up to 255 the token says the position of the leading bit and the
 * bit behind it, from 256 on the position alone, and the bits below follow as they are (after the hybrid integers of JPEG XL).
 */
import { readBits, writeBits } from "./bits";
import { decodeOne, list } from "./rans";

/** 0, −1, 1, −2, 2 … as 0, 1, 2, 3, 4 … */
@inline export function zigzag(value: i32): u32 {
  return <u32>(value << 1 ^ value >> 31);
}

@inline export function unzigzag(value: u32): i32 {
  return <i32>(value >> 1) ^ -<i32>(value & 1);
}

export function tokenOf(value: u32): u32 {
  if (value < 8) return value;
  const length = 31 - clz(value);
  return length < 8 ? 8 + (length - 3) * 2 + (value >> (length - 1) & 1) : length + 10;
}

/** Number of raw bits that follow a token. */
@inline function restBits(length: u32): u32 {
  return length < 8 ? length - 1 : length;
}

export function writeRest(value: u32): void {
  if (value < 8) return;
  const bits = restBits(31 - clz(value));
  writeBits(value & ((1 << bits) - 1), bits);
}

/** Decodes the number of a token by reading its raw bits. */
export function withRest(token: u32): u32 {
  if (token < 8) return token;
  if (token >= 18) {
    const length = min<u32>(31, token - 10);
    return 1 << length | readBits(length);
  }
  const bits = restBits((token - 8 >> 1) + 3);
  return (2 | (token & 1)) << bits | readBits(bits);
}

/** Adds a number to encode with state 0. */
export function listNumber(context: u32, value: u32): void {
  list(context, tokenOf(value), 0);
  writeRest(value);
}

export function decodeNumber(context: u32): u32 {
  return withRest(decodeOne(context));
}
