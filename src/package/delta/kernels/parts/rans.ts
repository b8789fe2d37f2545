/**
 * Range coding with asymmetric numeral systems (rANS, Duda 2013): 32-bit states renormalized by 16 bits, probabilities of
 * 12 bits, and a table of frequencies per context that is sent in front. Four states take turns within a group of codes, so that their
 * chains of dependent instructions overlap.
 *
 * The encoder collects all symbols of a piece in the order of decoding, counts them, and encodes them backwards.
 */
import { readBits, readGamma, writeBits, writeGamma } from "./bits";

export const CONTEXTS: i32 = 64;
export const TOKENS: i32 = 64;
const PRECISION: u32 = 12;
const TOTAL: u32 = 1 << PRECISION;
const LEAST: u32 = 1 << 16;

/** Decoder: the token of every slot of every context. A byte each, so that the tables of all codes stay near the processor. */
const slotTokens = memory.data(CONTEXTS * TOTAL);
/** Decoder: a token's frequency (low 16 bits) and first slot (high 16 bits), per context. */
const entries = memory.data(CONTEXTS * TOKENS * 4);
/** Encoder: per context and token how often it occurs, then its frequency of TOTAL; and its first slot. */
const frequencies = memory.data(CONTEXTS * TOKENS * 4);
const starts = memory.data(CONTEXTS * TOKENS * 4);

/** The four states. */
const states = memory.data(16);
let next: usize = 0;
let wordsEnd: usize = 0;

/** Next free place of the list of symbols. */
let listed: usize = 0;
let listStart: usize = 0;

export function openList(at: usize): void {
  memory.fill(frequencies, 0, CONTEXTS * TOKENS * 4);
  listed = listStart = at;
}

/** Adds a symbol to be coded with state 0 … 3. */
@inline export function list(context: u32, token: u32, state: u32): void {
  store<u16>(listed, <u16>(context << 8 | token << 2 | state));
  listed += 2;
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
    const table = slotTokens + (<usize>c << PRECISION);
    // what no encoder lists decodes to what an earlier table says, within bounds: the hash of the result is wrong then
    if (tokens == 0) continue;
    if (tokens > <u32>TOKENS) return false;
    const most = readBits(6);
    if (most >= tokens) return false;
    let left: i32 = TOTAL;
    const row = entries + <usize>(c * TOKENS * 4);
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
      memory.fill(table + slot, <u8>t, frequency);
      store<u32>(row + (t << 2), frequency | slot << 16);
      slot += frequency;
    }
  }
  return true;
}

/**
 * Encodes the list backwards into the bytes that end at `end`.
 * @returns where they begin: four states, then words in the order of decoding
 */
export function writeWords(end: usize): usize {
  for (let i: usize = 0; i < 16; i += 4) store<u32>(states + i, LEAST);
  let at = end;
  for (let symbol = listed; symbol > listStart; ) {
    symbol -= 2;
    const packed = <u32>load<u16>(symbol);
    const entry = <usize>((packed >> 8) * TOKENS + ((packed >> 2) & 63)) << 2;
    const state = states + <usize>((packed & 3) << 2);
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
  at -= 16;
  memory.copy(at, states, 16);
  return at;
}

/** @returns false if the states are missing */
export function openWords(from: usize, to: usize): bool {
  if (from + 16 > to) return false;
  memory.copy(states, from, 16);
  next = from + 16;
  wordsEnd = to;
  return true;
}

@inline function tokenAt(x: u32, context: usize): u32 {
  return load<u8>(slotTokens + (context << PRECISION) + <usize>(x & (TOTAL - 1)));
}

@inline function advanced(x: u32, context: usize, token: u32): u32 {
  const entry = load<u32>(entries + ((context * TOKENS + token) << 2));
  return (entry & 0xffff) * (x >> PRECISION) + (x & (TOTAL - 1)) - (entry >> 16);
}

/** Decodes one symbol of state 0. Reads zeros after the last word. */
export function decodeOne(context: u32): u32 {
  let x = load<u32>(states);
  const token = tokenAt(x, context);
  x = advanced(x, context, token);
  if (x < LEAST) {
    x = x << 16 | word(next);
    next += 2;
  }
  store<u32>(states, x);
  return token;
}

/** 16 symbols with the contexts at `contexts` (u8 each) into `tokens` (u8 each), state i mod 4 for symbol i. */
export function decode16(contexts: usize, tokens: usize): void {
  let a = load<u32>(states), b = load<u32>(states, 4), c = load<u32>(states, 8), d = load<u32>(states, 12);
  let at = next;
  // 16 symbols read 32 bytes at most
  const whole = at + 32 <= wordsEnd;
  for (let i: usize = 0; i < 16; i += 4) {
    const ca = <usize>load<u8>(contexts + i), cb = <usize>load<u8>(contexts + i, 1);
    const cc = <usize>load<u8>(contexts + i, 2), cd = <usize>load<u8>(contexts + i, 3);
    const ta = tokenAt(a, ca), tb = tokenAt(b, cb), tc = tokenAt(c, cc), td = tokenAt(d, cd);
    store<u32>(tokens + i, ta | tb << 8 | tc << 16 | td << 24);
    a = advanced(a, ca, ta);
    b = advanced(b, cb, tb);
    c = advanced(c, cc, tc);
    d = advanced(d, cd, td);
    if (whole) {
      // without branches: whether a word follows cannot be predicted
      const na = <u32>(a < LEAST);
      a = a << (na << 4) | <u32>load<u16>(at) & (0 - na);
      at += na << 1;
      const nb = <u32>(b < LEAST);
      b = b << (nb << 4) | <u32>load<u16>(at) & (0 - nb);
      at += nb << 1;
      const nc = <u32>(c < LEAST);
      c = c << (nc << 4) | <u32>load<u16>(at) & (0 - nc);
      at += nc << 1;
      const nd = <u32>(d < LEAST);
      d = d << (nd << 4) | <u32>load<u16>(at) & (0 - nd);
      at += nd << 1;
    } else {
      if (a < LEAST) { a = a << 16 | word(at); at += 2; }
      if (b < LEAST) { b = b << 16 | word(at); at += 2; }
      if (c < LEAST) { c = c << 16 | word(at); at += 2; }
      if (d < LEAST) { d = d << 16 | word(at); at += 2; }
    }
  }
  store<u32>(states, a);
  store<u32>(states, b, 4);
  store<u32>(states, c, 8);
  store<u32>(states, d, 12);
  next = at;
}

function word(at: usize): u32 {
  return at + 2 <= wordsEnd ? <u32>load<u16>(at) : 0;
}

/** True if all words are used up and every state equals the encoder's initial state. */
export function wordsEndWell(): bool {
  for (let i: usize = 0; i < 16; i += 4) if (load<u32>(states + i) != LEAST) return false;
  return next == wordsEnd;
}
