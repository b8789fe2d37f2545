/**
 * Range coding with asymmetric numeral systems (rANS, Duda 2013): 32-bit states renormalized by 16 bits, probabilities of
 * 11 bits, and a table of frequencies per context that is sent in front. Groups of codes have sixteen states in four vectors, single symbols one
 * more, so that their chains of dependent instructions overlap (as in ryg_rans by Giesen).
 *
 * The encoder collects all symbols of a piece in the order of decoding, counts them, and encodes them backwards.
 */
import { readBits, readGamma, writeBits, writeGamma } from "./bits";

export const CONTEXTS: i32 = 64;
export const TOKENS: i32 = 64;
const PRECISION: u32 = 11;
const TOTAL: u32 = 1 << PRECISION;
const LEAST: u32 = 1 << 16;

/** Decoder: per context and slot the token (6 bits) | its frequency (13) | slot minus the token's first slot (13). Filled 4 slots at a time. */
const slots = memory.data((CONTEXTS * TOTAL + 4) * 4);
/** Encoder: per context and token how often it occurs, then its frequency of TOTAL; and its first slot. */
const frequencies = memory.data(CONTEXTS * TOKENS * 4);
const starts = memory.data(CONTEXTS * TOKENS * 4);

/** State of single symbols, and states of the groups. */
export const SINGLE: u32 = 16;
const STATES: i32 = 17;
const states = memory.data(STATES * 4);
/** For each set of 4 states that need a word: where its bytes lie in the next 8, and how many they are. */
const spreads = memory.data(256);
const taken = memory.data(16);
for (let set: usize = 0; set < 16; set++) {
  let words: u8 = 0;
  for (let lane: usize = 0; lane < 4; lane++) {
    const isTaken = (set >> lane & 1) != 0;
    const at = spreads + (set << 4) + (lane << 2);
    // an index beyond the vector is a zero
    store<u32>(at, isTaken ? 0x80800000 | <u32>(2 * words + 1) << 8 | <u32>(2 * words) : 0x80808080);
    if (isTaken) words++;
  }
  store<u8>(taken + set, 2 * words);
}
let next: usize = 0;
let wordsEnd: usize = 0;

/** Next free place of the list of symbols. */
let listed: usize = 0;
let listStart: usize = 0;

export function openList(at: usize): void {
  memory.fill(frequencies, 0, CONTEXTS * TOKENS * 4);
  listed = listStart = at;
}

/** Adds a symbol to be coded with state 0 … 15 of a group, or SINGLE. */
@inline export function list(context: u32, token: u32, state: u32): void {
  store<u32>(listed, context << 16 | token << 8 | state);
  listed += 4;
  const count = frequencies + (<usize>(context * TOKENS + token) << 2);
  store<u32>(count, load<u32>(count) + 1);
}

/** Scales the counts of every context to TOTAL and writes them as bits. */
export function writeTables(): void {
  for (let c = 0; c < CONTEXTS; c++) {
    const row = frequencies + <usize>(c * TOKENS * 4);
    let sum: u64 = 0, most = 0, tokens = 0;
    for (let t = 0; t < TOKENS; t++) {
      const count = load<u32>(row + (<usize>t << 2));
      sum += count;
      if (count > 0) tokens = t + 1;
      if (count > load<u32>(row + (<usize>most << 2))) most = t;
    }
    writeGamma(tokens + 1);
    if (tokens == 0) continue;
    let left: i32 = TOTAL;
    for (let t = 0; t < tokens; t++) {
      const at = row + (<usize>t << 2), count = load<u32>(at);
      if (t == most || count == 0) continue;
      const scaled = max<u32>(1, <u32>((<u64>count * TOTAL + (sum >> 1)) / sum));
      store<u32>(at, scaled);
      left -= scaled;
    }
    // rounding up to 1 may have taken too much: the frequent ones give it back
    while (left < 1) {
      let greatest = most == 0 ? 1 : 0;
      for (let t = 0; t < tokens; t++) if (t != most && load<u32>(row + (<usize>t << 2)) > load<u32>(row + (<usize>greatest << 2))) greatest = t;
      const at = row + (<usize>greatest << 2);
      store<u32>(at, load<u32>(at) - 1);
      left++;
    }
    store<u32>(row + (<usize>most << 2), left);
    writeBits(most, 6);
    let start: u32 = 0;
    for (let t = 0; t < tokens; t++) {
      const frequency = load<u32>(row + (<usize>t << 2));
      if (t != most) writeGamma(frequency + 1);
      store<u32>(starts + (<usize>(c * TOKENS + t) << 2), start);
      start += frequency;
    }
  }
}

/** @returns false for tables that no encoder writes */
export function readTables(): bool {
  for (let c = 0; c < CONTEXTS; c++) {
    const tokens = readGamma() - 1;
    const table = slots + (<usize>c << (PRECISION + 2));
    // what no encoder lists decodes to what an earlier table says, within bounds: the hash of the result is wrong then
    if (tokens == 0) continue;
    if (tokens > <u32>TOKENS) return false;
    const most = readBits(6);
    if (most >= tokens) return false;
    let left: i32 = TOTAL;
    const row = frequencies + <usize>(c * TOKENS * 4);
    for (let t: u32 = 0; t < tokens; t++) {
      if (t == most) continue;
      const frequency = readGamma() - 1;
      if (frequency > TOTAL) return false;
      store<u32>(row + (t << 2), frequency);
      left -= frequency;
    }
    if (left < 1) return false;
    store<u32>(row + (most << 2), left);
    let slot: u32 = 0;
    for (let t: u32 = 0; t < tokens; t++) {
      const frequency = load<u32>(row + (t << 2));
      // up to 3 slots too many, which the next token or table overwrites
      let four = i32x4.add(i32x4.splat(t << 26 | frequency << 13), i32x4(0, 1, 2, 3));
      for (let i: u32 = 0; i < frequency; i += 4) {
        v128.store(table + <usize>(slot + i << 2), four);
        four = i32x4.add(four, i32x4.splat(4));
      }
      slot += frequency;
    }
  }
  return true;
}

/**
 * Encodes the list backwards into the bytes that end at `end`.
 * @returns where they begin: the states, then words in the order of decoding
 */
export function writeWords(end: usize): usize {
  for (let i = 0; i < STATES; i++) store<u32>(states + (<usize>i << 2), LEAST);
  let at = end;
  for (let symbol = listed; symbol > listStart; ) {
    symbol -= 4;
    const packed = load<u32>(symbol);
    const entry = <usize>((packed >> 16) * TOKENS + (packed >> 8 & 255)) << 2;
    const state = states + <usize>((packed & 255) << 2);
    const frequency = load<u32>(frequencies + entry);
    let x = load<u32>(state);
    // as u64: with the whole range of frequencies the limit is 2^32
    if (<u64>x >= <u64>frequency << (32 - PRECISION)) {
      at -= 2;
      store<u16>(at, <u16>x);
      x >>= 16;
    }
    store<u32>(state, (x / frequency << PRECISION) + x % frequency + load<u32>(starts + entry));
  }
  at -= STATES * 4;
  memory.copy(at, states, STATES * 4);
  return at;
}

/** @returns false if the states are missing */
export function openWords(from: usize, to: usize): bool {
  if (from + STATES * 4 > to) return false;
  memory.copy(states, from, STATES * 4);
  next = from + STATES * 4;
  wordsEnd = to;
  return true;
}

/** Decodes one symbol. Reads zeros after the last word. */
@inline function decodeWith(at: usize, context: u32): u32 {
  let x = load<u32>(at);
  const entry = load<u32>(slots + (<usize>context << (PRECISION + 2)) + <usize>((x & (TOTAL - 1)) << 2));
  x = ((entry >> 13) & 0x1fff) * (x >> PRECISION) + (entry & 0x1fff);
  if (x < LEAST) {
    x = x << 16 | word(next);
    next += 2;
  }
  store<u32>(at, x);
  return entry >> 26;
}

/** Decodes a single symbol. */
export function decodeOne(context: u32): u32 {
  return decodeWith(states + SINGLE * 4, context);
}

/** Table entries of 4 states. @param tables offsets of their contexts' tables */
@inline function entries4(x: v128, tables: v128): v128 {
  const places = v128.or(tables, i32x4.shl(v128.and(x, i32x4.splat(TOTAL - 1)), 2));
  const e0 = v128.load32_zero(slots + <usize>i32x4.extract_lane(places, 0));
  const e1 = v128.load32_lane(slots + <usize>i32x4.extract_lane(places, 1), e0, 1);
  const e2 = v128.load32_lane(slots + <usize>i32x4.extract_lane(places, 2), e1, 2);
  return v128.load32_lane(slots + <usize>i32x4.extract_lane(places, 3), e2, 3);
}

@inline function advanced4(x: v128, entries: v128): v128 {
  const low = i32x4.splat(0x1fff);
  const frequencies = v128.and(i32x4.shr_u(entries, 13), low);
  return i32x4.add(i32x4.mul(frequencies, i32x4.shr_u(x, PRECISION)), v128.and(entries, low));
}

/** True lanes for states that need a word. */
@inline function areSmall(x: v128): v128 {
  return i32x4.eq(i32x4.shr_u(x, 16), i32x4.splat(0));
}

/** Gives the states of `small` (bits in `set`) the next words. */
@inline function refilled(x: v128, small: v128, set: usize, at: usize): v128 {
  const words = i8x16.swizzle(v128.load64_zero(at), v128.load(spreads + (set << 4)));
  return v128.bitselect(v128.or(i32x4.shl(x, 16), words), x, small);
}

/** Decodes 16 symbols with the contexts at `contexts` (u8 each), state i for symbol i. @returns their tokens, u8 each */
export function decode16(contexts: usize): v128 {
  // 16 symbols read 32 bytes at most
  if (next + 32 > wordsEnd) return decodeLast16(contexts);
  const all = v128.load(contexts);
  const low = i16x8.extend_low_i8x16_u(all), high = i16x8.extend_high_i8x16_u(all);
  const x0 = v128.load(states), x1 = v128.load(states, 16), x2 = v128.load(states, 32), x3 = v128.load(states, 48);
  const e0 = entries4(x0, i32x4.shl(i32x4.extend_low_i16x8_u(low), PRECISION + 2));
  const e1 = entries4(x1, i32x4.shl(i32x4.extend_high_i16x8_u(low), PRECISION + 2));
  const e2 = entries4(x2, i32x4.shl(i32x4.extend_low_i16x8_u(high), PRECISION + 2));
  const e3 = entries4(x3, i32x4.shl(i32x4.extend_high_i16x8_u(high), PRECISION + 2));
  const a0 = advanced4(x0, e0), a1 = advanced4(x1, e1), a2 = advanced4(x2, e2), a3 = advanced4(x3, e3);
  const small0 = areSmall(a0), small1 = areSmall(a1), small2 = areSmall(a2), small3 = areSmall(a3);
  const set0 = <usize>i32x4.bitmask(small0), set1 = <usize>i32x4.bitmask(small1);
  const set2 = <usize>i32x4.bitmask(small2), set3 = <usize>i32x4.bitmask(small3);
  const at0 = next, at1 = at0 + load<u8>(taken + set0), at2 = at1 + load<u8>(taken + set1), at3 = at2 + load<u8>(taken + set2);
  v128.store(states, refilled(a0, small0, set0, at0));
  v128.store(states, refilled(a1, small1, set1, at1), 16);
  v128.store(states, refilled(a2, small2, set2, at2), 32);
  v128.store(states, refilled(a3, small3, set3, at3), 48);
  next = at3 + load<u8>(taken + set3);
  return i8x16.narrow_i16x8_u(
    i16x8.narrow_i32x4_s(i32x4.shr_u(e0, 26), i32x4.shr_u(e1, 26)), i16x8.narrow_i32x4_s(i32x4.shr_u(e2, 26), i32x4.shr_u(e3, 26)));
}

const last = memory.data(16);

/** The same at the end of the words. */
function decodeLast16(contexts: usize): v128 {
  for (let i: usize = 0; i < 16; i++)
    store<u8>(last + i, <u8>decodeWith(states + (i << 2), load<u8>(contexts + i)));
  return v128.load(last);
}

function word(at: usize): u32 {
  return at + 2 <= wordsEnd ? <u32>load<u16>(at) : 0;
}

/** True if all words are used up and every state equals the encoder's initial state. */
export function wordsEndWell(): bool {
  for (let i = 0; i < STATES; i++) if (load<u32>(states + (<usize>i << 2)) != LEAST) return false;
  return next == wordsEnd;
}
