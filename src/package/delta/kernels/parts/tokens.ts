/**
 * Numbers as a token and raw bits: 0 … 15 are tokens themselves; up to 255 the token says the position of the leading bit and the
 * bit behind it, from 256 on the position alone, and the bits below follow as they are (after the hybrid integers of JPEG XL).
 */
import { readBits, readBits16, writeBits } from "./bits";
import { decodeOne, list, SINGLE } from "./rans";

/** Numbers below are tokens without raw bits. */
export const DIRECT: u32 = 16;

/** 0, −1, 1, −2, 2 … as 0, 1, 2, 3, 4 … */
@inline export function zigzag(value: i32): u32 {
  return <u32>(value << 1 ^ value >> 31);
}

@inline export function unzigzag(value: u32): i32 {
  return <i32>(value >> 1) ^ -<i32>(value & 1);
}

export function tokenOf(value: u32): u32 {
  if (value < DIRECT) return value;
  const length = 31 - clz(value);
  return length < 8 ? DIRECT + (length - 4) * 2 + (value >> (length - 1) & 1) : length + 16;
}

/** Number of raw bits that follow a token. */
@inline function restBits(length: u32): u32 {
  return length < 8 ? length - 1 : length;
}

export function writeRest(value: u32): void {
  if (value < DIRECT) return;
  const bits = restBits(31 - clz(value));
  writeBits(value & ((1 << bits) - 1), bits);
}

/** Decodes the number of a token by reading its raw bits. */
export function withRest(token: u32): u32 {
  if (token < DIRECT) return token;
  if (token >= 24) {
    const length = min<u32>(31, token - 16);
    return 1 << length | readBits(length);
  }
  const bits = restBits((token - DIRECT >> 1) + 4);
  return (2 | (token & 1)) << bits | readBits(bits);
}

/** Adds a number to encode by itself. */
export function listNumber(context: u32, value: u32): void {
  list(context, tokenOf(value), SINGLE);
  writeRest(value);
}

export function decodeNumber(context: u32): u32 {
  return withRest(decodeOne(context));
}

/** Signed tokens below stand for numbers without raw bits: magnitude · 2 + sign. */
export const DIRECT_SIGNED: u32 = 2 * DIRECT;

/** Token of a signed number, whose magnitude's rest follows. The sign is part of it: it costs nothing where all have the same. */
export function signedTokenOf(value: i32): u32 {
  return tokenOf(<u32>abs<i32>(value)) << 1 | <u32>(value < 0);
}

/** Decodes the number of a signed token by reading its raw bits. */
export function withSignedRest(token: u32): i32 {
  const magnitude = <i32>withRest(token >> 1);
  return token & 1 ? -magnitude : magnitude;
}

/** Adds a signed number to encode by itself. */
export function listSigned(context: u32, value: i32): void {
  list(context, signedTokenOf(value), SINGLE);
  writeRest(<u32>abs<i32>(value));
}

export function decodeSigned(context: u32): i32 {
  return withSignedRest(decodeOne(context));
}

/** The last token with at most 8 raw bits: numbers below 512. */
export const LAST_SHORT: u8 = 24;
/** Raw bits that follow the tokens 0 … LAST_SHORT, and the numbers of those tokens without them. */
const rawBits = memory.data<u8>([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 3, 4, 4, 5, 5, 6, 6, 8]);
const bases = memory.data<u16>([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 24, 32, 48, 64, 96, 128, 192, 256]);

/** Reads the raw bits of 16 tokens up to LAST_SHORT (u8 each). @param numbers u16 each */
export function withRests16(tokens: usize, numbers: usize): void {
  readBits16(tokens, rawBits, bases, numbers);
}
