/**
 * SentencePiece's precompiled character map: a table of text → replacement, such as "ﬁ" → "fi".
 *
 *     u32 bytes of the trie │ trie: u32 units of a double array (darts-clone) │ replacements, each ends with a zero byte
 *
 * SentencePiece replaces the longest entry at each position. `tokenizers` replaces a grapheme cluster of less than 6 bytes as
 * a whole if the trie has it, otherwise each character. It uses the shortest matching entry.
 * Source: https://github.com/google/sentencepiece/blob/master/src/normalizer.cc
 */
import { FormatError } from '../core/errors.ts';
import { isAscii } from './unicode/unicode.ts';

const encoder = new TextEncoder();

/** @throws {FormatError} if the trie is longer than the map */
export function createCharacterMap(map: Uint8Array, longest = false): (text: string) => string {
  if (map.length < 4) return (text) => text;
  const view = new DataView(map.buffer, map.byteOffset, map.byteLength);
  const trieBytes = view.getUint32(0, true);
  if (trieBytes % 4 !== 0 || 4 + trieBytes > map.length)
    throw new FormatError(
      'tokenizer',
      `the character map's trie has ${trieBytes} bytes, expected at most ${map.length - 4}`,
      {
        found: trieBytes,
        expected: map.length - 4,
      },
    );
  const units = Uint32Array.from({ length: trieBytes / 4 }, (_, i) => view.getUint32(4 + 4 * i, true));
  const replacements = map.subarray(4 + trieBytes);
  const known = new Map<string, string | undefined>();

  const replacementAt = (start: number): string => {
    let end = start;
    while (end < replacements.length && replacements[end] !== 0) end++;
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(replacements.subarray(start, end));
  };
  /** Calls `onEntry` for each entry that is a prefix of the bytes, shortest first, until it returns true. */
  const forEachEntry = (bytes: Uint8Array, from: number, onEntry: (end: number, start: number) => boolean): void => {
    let position = offsetOf(units[0] ?? 0);
    for (let at = from; at < bytes.length; at++) {
      const byte = bytes[at];
      if (byte === 0) return;
      position ^= byte;
      const unit = units[position];
      if (unit === undefined || (unit & 0x800000ff) >>> 0 !== byte) return;
      position ^= offsetOf(unit);
      if (((unit >>> 8) & 1) === 1 && onEntry(at + 1, (units[position] ?? 0) & 0x7fffffff)) return;
    }
  };
  if (longest) return (text) => replaceLongest(text, forEachEntry, replacementAt);

  const lookUp = (part: string): string | undefined => {
    let found: string | undefined;
    forEachEntry(encoder.encode(part), 0, (_, start) => {
      found = replacementAt(start);
      return true;
    });
    return found;
  };
  const replacementOf = (part: string): string | undefined => {
    if (known.has(part)) return known.get(part);
    const found = lookUp(part);
    if (known.size < 1 << 14) known.set(part, found);
    return found;
  };
  const eachCharacter = (text: string): string => {
    let result = '';
    for (const character of text) result += replacementOf(character) ?? character;
    return result;
  };

  return (text) => {
    // ASCII characters are separate clusters, except CR LF
    if (isAscii(text) && !text.includes('\r')) return eachCharacter(text);
    let result = '';
    for (const { segment } of segmenter().segment(text)) {
      const short = segment.length < 6 && encoder.encode(segment).length < 6;
      result += (short ? replacementOf(segment) : undefined) ?? eachCharacter(segment);
    }
    return result;
  };
}

function replaceLongest(
  text: string,
  forEachEntry: (bytes: Uint8Array, from: number, onEntry: (end: number, start: number) => boolean) => void,
  replacementAt: (start: number) => string,
): string {
  const bytes = encoder.encode(text);
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let result = '';
  let kept = 0;
  for (let at = 0; at < bytes.length; ) {
    let end = 0;
    let found = 0;
    forEachEntry(bytes, at, (entryEnd, start) => {
      end = entryEnd;
      found = start;
      return false;
    });
    if (end === 0) {
      at++;
      while (at < bytes.length && bytes[at] >> 6 === 2) at++;
      continue;
    }
    result += decoder.decode(bytes.subarray(kept, at)) + replacementAt(found);
    at = end;
    kept = end;
  }
  return result + decoder.decode(bytes.subarray(kept));
}

/** Offset of a unit's children, relative to the unit. */
function offsetOf(unit: number): number {
  return ((unit >>> 10) << ((unit & 0x200) >>> 6)) >>> 0;
}

let shared: Intl.Segmenter | undefined;
function segmenter(): Intl.Segmenter {
  return (shared ??= new Intl.Segmenter('und', { granularity: 'grapheme' }));
}
