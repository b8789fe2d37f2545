/**
 * Sets of characters, lower case and normalization in fixed versions of Unicode (tables.ts), so that tokens do not depend
 * on the JavaScript engine.
 */
import { type CharSet, ranges, union } from '../pattern/charSet.ts';
import {
  assigned9,
  categories16,
  formats8,
  lowercase17,
  marks9,
  nonspacingMarks8,
  numbers17,
  punctuation8,
  wordSymbols16,
} from './tables.ts';

function once<T>(make: () => T): () => T {
  let value: T | undefined;
  return () => (value ??= make());
}

function unpack(packed: string): CharSet {
  const numbers = packed.split(' ').map((number) => Number.parseInt(number, 36));
  const pairs: [number, number][] = [];
  let next = 0;
  for (let i = 0; i < numbers.length; i += 2) {
    const start = next + numbers[i];
    next = start + numbers[i + 1] + 1;
    pairs.push([start, next - 1]);
  }
  return ranges(...pairs);
}

/** Caches the membership of a set in pages of 256 characters, which are computed on first use. */
function cached(set: CharSet): CharSet {
  const pages: Int8Array[] = [];
  return {
    has(codePoint) {
      const page = (pages[codePoint >>> 8] ??= new Int8Array(256));
      const known = page[codePoint & 255];
      if (known !== 0) return known > 0;
      const answer = set.has(codePoint);
      page[codePoint & 255] = answer ? 1 : -1;
      return answer;
    },
  };
}

const lazySet = (packed: string): (() => CharSet) => once(() => cached(unpack(packed)));

/** Unicode's White_Space, which has not changed since 2012. */
export const whiteSpace: CharSet = ranges(
  [0x9, 0xd],
  [0x20, 0x20],
  [0x85, 0x85],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
);

/** A general category of Unicode 16 by its short name ('L', 'Lu'), or undefined. */
export function category(name: string): CharSet | undefined {
  const parts = Object.keys(categories16).filter((key) => key === name || (name.length === 1 && key.startsWith(name)));
  // surrogates, private and unassigned characters are not in the table
  if (parts.length === 0 || name === 'C') return undefined;
  return union(parts.map((key) => unpack(categories16[key])));
}

export const script = (packed: string): CharSet => unpack(packed);

/** \w of Rust's and Oniguruma's patterns. */
export const wordCharacters = once(() =>
  cached(
    union([category('L')!, category('M')!, category('Nd')!, category('Nl')!, category('Pc')!, unpack(wordSymbols16)]),
  ),
);
export const joiners: CharSet = ranges([0x200c, 0x200d]);
/** Numbers of Unicode 17, as Rust's `char::is_numeric`. */
export const numbers = lazySet(numbers17);
/** Punctuation of Unicode 8 and of ASCII, as in BERT's tokenizers. */
export const punctuation = once(() =>
  cached(union([unpack(punctuation8), ranges([0x21, 0x2f], [0x3a, 0x40], [0x5b, 0x60], [0x7b, 0x7e])])),
);
export const nonspacingMarks = lazySet(nonspacingMarks8);
export const marks = lazySet(marks9);
/** Control, format and private-use characters, as in BERT's tokenizers. */
export const others = once(() =>
  cached(
    union([
      unpack(formats8),
      ranges([0, 0x1f], [0x7f, 0x9f], [0xe000, 0xf8ff], [0xf0000, 0xffffd], [0x100000, 0x10fffd]),
    ]),
  ),
);

const assigned = lazySet(assigned9);
const newLowercase = once(() => {
  const numbers = lowercase17.split(' ').map((number) => Number.parseInt(number, 36));
  return new Map(numbers.flatMap((from, i) => (i % 2 === 0 ? [[from, numbers[i + 1]] as const] : [])));
});

export function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 0x7f) return false;
  return true;
}

/** Lower case character by character, without rules that depend on neighbours. */
export function lowercase(text: string): string {
  if (isAscii(text)) return text.toLowerCase();
  let result = '';
  for (const character of text) {
    const known = newLowercase().get(character.codePointAt(0)!);
    result += known === undefined ? character.toLowerCase() : String.fromCodePoint(known);
  }
  return result;
}

export type NormalizationForm = 'NFC' | 'NFD' | 'NFKC' | 'NFKD';

/**
 * Normalization as in Unicode 9. Characters added by later versions stay unchanged. The rest is left to the engine, because
 * the normalization of existing characters never changes, and new ones neither reorder nor compose with them.
 */
export function normalize(text: string, form: NormalizationForm): string {
  if (isAscii(text)) return text;
  let result = '';
  let known = '';
  for (const character of text) {
    if (assigned().has(character.codePointAt(0)!)) known += character;
    else {
      result += known.normalize(form) + character;
      known = '';
    }
  }
  return result + known.normalize(form);
}
