/** Letter case and character classes of Python's str methods. */
import { SPACE } from './whitespace.ts';

const TITLE_OF: Readonly<Record<string, string>> = {
  ǆ: 'ǅ',
  Ǆ: 'ǅ',
  ǅ: 'ǅ',
  ǉ: 'ǈ',
  Ǉ: 'ǈ',
  ǈ: 'ǈ',
  ǌ: 'ǋ',
  Ǌ: 'ǋ',
  ǋ: 'ǋ',
  ǳ: 'ǲ',
  Ǳ: 'ǲ',
  ǲ: 'ǲ',
};
/** Greek letters with iota below, whose title case is one letter where their upper case is two. */
const IOTA = /[\u1f80-\u1faf\u1fb3\u1fbc\u1fc3\u1fcc\u1ff3\u1ffc]/u;
const GEORGIAN = /[\u10d0-\u10ff]/u;

const CASED = /[\p{Lowercase}\p{Uppercase}\p{Lt}]/u;
const LOWER = /\p{Lowercase}/u;
const UPPER = /[\p{Uppercase}\p{Lt}]/u;
const HAS_TITLE = /\p{Lt}/u;

/** The first letter of a word: of 'ß' it is 'Ss', where upper case is 'SS'. */
export function titleCharacter(character: string): string {
  if (Object.hasOwn(TITLE_OF, character)) return TITLE_OF[character];
  if (GEORGIAN.test(character)) return character;
  if (IOTA.test(character)) {
    const code = character.charCodeAt(0);
    if (code < 0x1fb0) return String.fromCharCode(code | 8);
    return String.fromCharCode([0x1fb3, 0x1fc3, 0x1ff3].includes(code) ? code + 9 : code);
  }
  const upper = character.toUpperCase();
  const [first, ...others] = Array.from(upper);
  return others.length === 0 ? upper : first + others.join('').toLowerCase();
}

export function capitalize(text: string): string {
  const [first = ''] = text;
  return titleCharacter(first) + lowerRest(text, first.length);
}

/** Lower case of what is behind `start`; a final sigma depends on what is before it. */
function lowerRest(text: string, start: number): string {
  const rest = text.slice(start);
  if (!rest.includes('Σ')) return rest.toLowerCase();
  const before = text.slice(0, start);
  return text.toLowerCase().slice(before.toLowerCase().length);
}

/** str.title(): the first letter of each run of cased letters becomes title case. */
export function title(text: string): string {
  let result = '';
  let inWord = false;
  let at = 0;
  for (const character of text) {
    if (!inWord) result += titleCharacter(character);
    else result += character === 'Σ' ? lowerSigma(text, at) : character.toLowerCase();
    inWord = CASED.test(character);
    at += character.length;
  }
  return result;
}

function lowerSigma(text: string, at: number): string {
  return text
    .slice(Math.max(0, at - 8), at + 8)
    .toLowerCase()
    .charAt(Math.min(8, at));
}

export function swapCase(text: string): string {
  let result = '';
  let at = 0;
  for (const character of text) {
    if (/\p{Uppercase}/u.test(character)) result += character === 'Σ' ? lowerSigma(text, at) : character.toLowerCase();
    else result += LOWER.test(character) ? character.toUpperCase() : character;
    at += character.length;
  }
  return result;
}

export function caseFold(text: string): string {
  // letters whose folded form is not their lower case
  return text
    .replace(/[ßẞ]/gu, 'ss')
    .toLowerCase()
    .replace(/[ςſµẛŉǰΐΰևẖẗẘẙẚﬀ-ﬆﬓ-ﬗ]/gu, (character) =>
      character === 'ŉ' ? 'ʼn' : character.toUpperCase().toLowerCase(),
    )
    .replaceAll('ς', 'σ');
}

/** True if at least one letter has this case, and none has the other. */
export function isUpper(text: string): boolean {
  return /\p{Uppercase}/u.test(text) && !/[\p{Lowercase}\p{Lt}]/u.test(text);
}

export function isLower(text: string): boolean {
  return LOWER.test(text) && !UPPER.test(text);
}

export function isTitle(text: string): boolean {
  let inWord = false;
  let found = false;
  for (const character of text) {
    const begins = /\p{Uppercase}/u.test(character) || HAS_TITLE.test(character);
    if (begins ? inWord : LOWER.test(character) && !inWord) return false;
    inWord = CASED.test(character);
    found ||= inWord;
  }
  return found;
}

/** Superscripts and the like, which are digits and not decimals. */
const DIGIT = '\\p{Nd}²³¹⁰⁴-⁹₀-₉①-⑨⑴-⑼⒈-⒐⓪⓵-⓽⓿❶-❾➀-➈➊-➒፩-፱';
const NUMERIC = '\\p{N}〇一二三四五六七八九十百千万億兆零壹贰叁肆伍陆柒捌玖拾佰仟';

export const kinds: ReadonlyMap<string, (text: string) => boolean> = new Map([
  ['isalpha', everyCharacter('\\p{L}')],
  ['isalnum', everyCharacter('\\p{L}\\p{N}')],
  ['isdigit', everyCharacter(DIGIT)],
  ['isdecimal', everyCharacter('\\p{Nd}')],
  ['isnumeric', everyCharacter(NUMERIC)],
  ['isspace', everyCharacter(SPACE)],
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII is all of them
  ['isascii', (text: string) => /^[\x00-\x7f]*$/.test(text)],
  ['isidentifier', (text: string) => /^[\p{XID_Start}_][\p{XID_Continue}]*$/u.test(text)],
  ['isprintable', (text: string) => !/(?! )[\p{C}\p{Z}]/u.test(text)],
  ['isupper', isUpper],
  ['islower', isLower],
  ['istitle', isTitle],
]);

function everyCharacter(kind: string): (text: string) => boolean {
  const pattern = new RegExp(`^[${kind}]+$`, 'u');
  return (text) => pattern.test(text);
}
