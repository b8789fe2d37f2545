/**
 * Numbers as a token and raw bits: 0 … 7 are tokens themselves; up to 255 the token says the position of the leading bit and the
 * bit behind it, from 256 on the position alone, and the bits below follow as they are (after the hybrid integers of JPEG XL).
 */
import { readBits, readBits16, writeBits } from "./bits";
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

/** Adds a signed number to encode with state 0. Its sign is part of the token: it costs nothing where all have the same. */
export function listSigned(context: u32, value: i32): void {
  const magnitude = <u32>(value < 0 ? -value : value);
  list(context, tokenOf(magnitude) << 1 | <u32>(value < 0), 0);
  writeRest(magnitude);
}

export function decodeSigned(context: u32): i32 {
  const token = decodeOne(context);
  const magnitude = <i32>withRest(token >> 1);
  return token & 1 ? -magnitude : magnitude;
}

/** The last token with at most 8 raw bits: numbers below 512. */
export const LAST_SHORT: u8 = 18;
/** Raw bits that follow the tokens 0 … LAST_SHORT, and the numbers of those tokens without them. */
const rawBits = memory.data<u8>([0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 8]);
const bases = memory.data<u16>([0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256]);

/** Reads the raw bits of 16 tokens up to LAST_SHORT (u8 each). @param numbers u16 each */
export function withRests16(tokens: usize, numbers: usize): void {
  readBits16(tokens, rawBits, bases, numbers);
}
