/** A stream of raw bits, least significant first, for values that are too random to model. */

let buffer: u64 = 0;
let filled: u32 = 0;
let at: usize = 0;
let end: usize = 0;

export function openWriter(to: usize): void {
  buffer = 0;
  filled = 0;
  at = to;
}

/** @param count 0 … 32 */
export function writeBits(value: u32, count: u32): void {
  buffer |= <u64>value << filled;
  filled += count;
  while (filled >= 8) {
    store<u8>(at++, <u8>buffer);
    buffer >>= 8;
    filled -= 8;
  }
}

/** Elias gamma code of a number ≥ 1. */
export function writeGamma(value: u32): void {
  const length = 31 - clz(value);
  writeBits(0, length);
  writeBits(1, 1);
  writeBits(value & ((1 << length) - 1), length);
}

/** Fills up the last byte. @returns the byte after it */
export function closeWriter(): usize {
  if (filled > 0) store<u8>(at++, <u8>buffer);
  filled = 0;
  return at;
}

export function openReader(from: usize, to: usize): void {
  buffer = 0;
  filled = 0;
  at = from;
  end = to;
}

/** Reads bits; zeros after the end. @param count 0 … 32 */
export function readBits(count: u32): u32 {
  while (filled < count) {
    if (at < end) buffer |= <u64>load<u8>(at) << filled;
    at++;
    filled += 8;
  }
  const value = <u32>(buffer & ((<u64>1 << count) - 1));
  buffer >>= count;
  filled -= count;
  return value;
}

/**
 * Reads 16 numbers of 0 … 8 bits each and adds them to bases: `values[i] = bases[tokens[i]] + bits`, u16 each.
 * @param tokens u8 each @param lengths of the tokens in bits, u8 each @param bases of the tokens, u16 each
 */
export function readBits16(tokens: usize, lengths: usize, bases: usize, values: usize): void {
  let bits = buffer, have = filled, from = at;
  for (let i: usize = 0; i < 16; i += 4) {
    // four numbers take 32 bits at most
    if (have < 32) {
      if (from + 8 <= end) {
        // bits of a byte that is read in part are the same when it is read again
        bits |= load<u64>(from) << have;
        const bytes = (63 - have) >> 3;
        from += bytes;
        have += bytes << 3;
      } else {
        for (; have < 32; have += 8, from++) if (from < end) bits |= <u64>load<u8>(from) << have;
      }
    }
    for (let j: usize = i; j < i + 4; j++) {
      const token = <usize>load<u8>(tokens + j), length = <u32>load<u8>(lengths + token);
      store<u16>(values + (j << 1), <u16>(load<u16>(bases + (token << 1)) + <u32>(bits & ((<u64>1 << length) - 1))));
      bits >>= length;
      have -= length;
    }
  }
  buffer = bits;
  filled = have;
  at = from;
}

export function readGamma(): u32 {
  let length: u32 = 0;
  while (readBits(1) == 0) if (++length > 31) return 1;
  return (1 << length) | readBits(length);
}

/** Address of the first unread byte. */
export function readerAt(): usize {
  return at - (filled >> 3);
}
