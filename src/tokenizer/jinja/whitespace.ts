/** Splitting and stripping of strings, as Python does. */
import { spend, spendText } from './limits.ts';

/**
 * White space as Python's \s and str.strip() have it, between brackets of a pattern; JavaScript's \s is another set.
 */
export const SPACE = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';

const SPACES = new RegExp(`[${SPACE}]+`, 'g');
const ONE_SPACE = new RegExp(`^[${SPACE}]$`);
/** Line ends of str.splitlines(). */
// biome-ignore lint/suspicious/noControlCharactersInRegex: file, group and record separators end lines
const LINE_ENDS = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/g;

type Side = 'both' | 'left' | 'right';

/** @param characters characters to remove; undefined: white space */
export function strip(text: string, characters: string | undefined, side: Side = 'both'): string {
  const set = characters === undefined ? undefined : new Set(characters);
  const isTaken = (character: string): boolean => (set ? set.has(character) : ONE_SPACE.test(character));
  let start = 0;
  let end = text.length;
  if (side !== 'right') {
    while (start < end) {
      const character = String.fromCodePoint(text.codePointAt(start)!);
      if (!isTaken(character)) break;
      start += character.length;
    }
  }
  if (side !== 'left') {
    while (end > start) {
      const character = lastCharacter(text, end);
      if (!isTaken(character)) break;
      end -= character.length;
    }
  }
  spendText(text.length - (end - start));
  return text.slice(start, end);
}

function lastCharacter(text: string, end: number): string {
  const unit = text.charCodeAt(end - 1);
  const isPair = unit >= 0xdc00 && unit <= 0xdfff && end > 1 && text.charCodeAt(end - 2) >> 10 === 0x36;
  return text.slice(end - (isPair ? 2 : 1), end);
}

/** @param limit of splits; negative: none */
export function split(text: string, separator: string | undefined, limit: number): string[] {
  spendText(text.length);
  const parts: string[] = [];
  if (separator === undefined) {
    const trimmed = strip(text, undefined, 'left');
    let start = 0;
    for (const { index, 0: spaces } of trimmed.matchAll(SPACES)) {
      if (parts.length === limit) break;
      parts.push(trimmed.slice(start, index));
      start = index + spaces.length;
    }
    // the unsplit rest keeps its inner and trailing spaces
    if (start < trimmed.length) parts.push(trimmed.slice(start));
    spend(parts.length);
    return parts;
  }
  let start = 0;
  for (let at = text.indexOf(separator); at >= 0 && parts.length !== limit; at = text.indexOf(separator, start)) {
    parts.push(text.slice(start, at));
    start = at + separator.length;
  }
  parts.push(text.slice(start));
  spend(parts.length);
  return parts;
}

/** The same from the right. */
export function splitRight(text: string, separator: string | undefined, limit: number): string[] {
  if (limit < 0) return split(text, separator, limit);
  spendText(text.length);
  const parts: string[] = [];
  if (separator === undefined) {
    let rest = strip(text, undefined, 'right');
    while (parts.length < limit && rest !== '') {
      let start = rest.length;
      while (start > 0 && !ONE_SPACE.test(rest[start - 1])) start--;
      parts.push(rest.slice(start));
      rest = strip(rest.slice(0, start), undefined, 'right');
    }
    if (rest !== '') parts.push(rest);
    return parts.reverse();
  }
  let end = text.length;
  while (parts.length < limit) {
    const at = end < separator.length ? -1 : text.lastIndexOf(separator, end - separator.length);
    if (at < 0) break;
    parts.push(text.slice(at + separator.length, end));
    end = at;
  }
  parts.push(text.slice(0, end));
  return parts.reverse();
}

export function splitLines(text: string, keepEnds = false): string[] {
  spendText(text.length);
  const lines: string[] = [];
  let start = 0;
  for (const { index, 0: lineEnd } of text.matchAll(LINE_ENDS)) {
    const next = index + lineEnd.length;
    lines.push(text.slice(start, keepEnds ? next : index));
    start = next;
  }
  if (start < text.length) lines.push(text.slice(start));
  spend(lines.length);
  return lines;
}
