/**
 * Patches of bytes without a known structure: a GGUF header, a tokenizer, a matrix that grew. The new bytes are runs copied from
 * the old ones and bytes in between, deflated:
 *
 *     patch         deflate of [ instructions' length ][ instructions ][ literal bytes ]
 *     instruction   [ literal bytes ][ copied bytes ][ zigzag of where the copy begins minus where the last one ended ]
 *
 * All numbers are LEB128.
 */
import { EspalierError } from '../../core/errors.ts';
import { deflate, inflateAtMost } from './deflate.ts';
import { ByteReader, ByteWriter } from './varint.ts';

/** Bytes that are looked up in the old bytes; shorter copies are not found. */
const WINDOW = 16;
/** Every old window that begins at a multiple of this is indexed, so any copy of WINDOW + STRIDE bytes is found. */
const STRIDE = 4;

/** @returns a patch that `applyBytePatch` turns `before` into `after` with */
export async function encodeBytePatch(before: Uint8Array, after: Uint8Array): Promise<Uint8Array> {
  const instructions = new ByteWriter();
  const literals: Uint8Array[] = [];
  let copied = 0;
  let done = 0;
  for (const { at, from, length } of matches(before, after)) {
    instructions
      .unsigned(at - done)
      .unsigned(length)
      .signed(from - copied);
    literals.push(after.subarray(done, at));
    done = at + length;
    copied = from + length;
  }
  if (done < after.length) {
    instructions
      .unsigned(after.length - done)
      .unsigned(0)
      .signed(0);
    literals.push(after.subarray(done));
  }
  const head = new ByteWriter().unsigned(instructions.length);
  return deflate([head.bytes(), instructions.bytes(), ...literals]);
}

/** @param length bytes of the result @throws {EspalierError} BAD_DELTA if the patch is damaged or yields another length */
export async function applyBytePatch(before: Uint8Array, patch: Uint8Array, length: number): Promise<Uint8Array> {
  // an instruction takes 15 bytes at most, and each but the last copies a window of 16
  const plain = await inflateAtMost(patch, 2 * length + 64);
  const head = new ByteReader(plain);
  const instructionBytes = head.unsigned();
  if (instructionBytes > plain.length - head.at) throw damaged();
  const instructions = new ByteReader(plain.subarray(head.at, head.at + instructionBytes));
  const literals = plain.subarray(head.at + instructionBytes);
  const after = new Uint8Array(length);
  let [done, taken, copied] = [0, 0, 0];
  while (instructions.at < instructionBytes) {
    const literal = instructions.unsigned();
    const copy = instructions.unsigned();
    const from = copied + instructions.signed();
    const fits = taken + literal <= literals.length && done + literal + copy <= length;
    if (!fits || from < 0 || from + copy > before.length) throw damaged();
    after.set(literals.subarray(taken, taken + literal), done);
    after.set(before.subarray(from, from + copy), done + literal);
    taken += literal;
    done += literal + copy;
    copied = from + copy;
  }
  if (done !== length || taken !== literals.length) throw damaged();
  return after;
}

function damaged(): EspalierError {
  return new EspalierError('BAD_DELTA', 'the patch is damaged: its instructions do not fit its bytes');
}

interface Match {
  readonly at: number;
  readonly from: number;
  readonly length: number;
}

/** Runs of `after` that stand in `before`, in the order of `after`, greedily the first that the index finds. */
function* matches(before: Uint8Array, after: Uint8Array): Generator<Match> {
  const bits = Math.max(8, 32 - Math.clz32(before.length / STRIDE));
  const index = new Int32Array(1 << bits).fill(-1);
  const oldWords = new DataView(before.buffer, before.byteOffset, before.length);
  const newWords = new DataView(after.buffer, after.byteOffset, after.length);
  // backwards, so that the first of equal windows is found
  for (let from = Math.floor((before.length - WINDOW) / STRIDE) * STRIDE; from >= 0; from -= STRIDE)
    index[hash(oldWords, from) >>> (32 - bits)] = from;
  // first try the bytes after the last copy: most edits leave the rest unchanged
  let [done, expected] = [0, 0];
  for (let at = 0; at + WINDOW <= after.length; ) {
    const from = equal(oldWords, expected + at - done, newWords, at)
      ? expected + at - done
      : index[hash(newWords, at) >>> (32 - bits)];
    if (!equal(oldWords, from, newWords, at)) {
      at++;
      continue;
    }
    let back = 0;
    while (at - back > done && from - back > 0 && before[from - back - 1] === after[at - back - 1]) back++;
    let length = WINDOW;
    while (at + length < after.length && from + length < before.length && before[from + length] === after[at + length])
      length++;
    yield { at: at - back, from: from - back, length: length + back };
    at += length;
    done = at;
    expected = from + length;
  }
}

function hash(words: DataView, at: number): number {
  let sum = 0;
  for (let i = 0; i < WINDOW; i += 4) sum = Math.imul(sum ^ words.getUint32(at + i, true), 0x9e3779b1) ^ (sum >>> 15);
  return sum;
}

function equal(before: DataView, from: number, after: DataView, at: number): boolean {
  if (from < 0 || from + WINDOW > before.byteLength) return false;
  for (let i = 0; i < WINDOW; i += 4)
    if (before.getUint32(from + i, true) !== after.getUint32(at + i, true)) return false;
  return true;
}
