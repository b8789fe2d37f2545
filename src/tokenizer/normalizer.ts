/** Changes a text before it is split: the steps of a file's normalizer in their order. */
import { OptionError } from '../core/errors.ts';
import { toByteLetters } from './byteAlphabet.ts';
import { createCharacterMap } from './characterMap.ts';
import { compilePattern } from './pattern/pattern.ts';
import type { NormalizerStep } from './spec.ts';
import { lowercase, marks, nonspacingMarks, normalize, others, whiteSpace } from './unicode/unicode.ts';

/** Maximum growth of a text, in characters. NFKD makes 18 of one; files of replacements that feed each other have no limit of their own. */
const MOST_GROWTH = 64;

export type Normalizer = (text: string) => string;

/** @throws {UnsupportedError} for a pattern that is not supported; {FormatError} for a broken character map */
export function createNormalizer(steps: readonly NormalizerStep[] = []): Normalizer {
  const functions = steps.map(createStep);
  return (text) => {
    const most = MOST_GROWTH * (text.length + 1024);
    return functions.reduce((result, step) => {
      const next = step(result);
      if (next.length > most)
        throw new OptionError('text', `${next.length} characters after its normalization`, `at most ${most}`);
      return next;
    }, text);
  };
}

function createStep(step: NormalizerStep): Normalizer {
  switch (step.type) {
    case 'form':
      return (text) => normalize(text, step.form);
    case 'prepend':
      return (text) => (text === '' ? '' : step.text + text);
    case 'replace':
      return replacer(step.pattern, step.content);
    case 'lowercase':
      return lowercase;
    case 'stripAccents':
      return (text) => without(text, (codePoint) => marks().has(codePoint));
    case 'nmt':
      return normalizeForTranslation;
    case 'bytes':
      return toByteLetters;
    case 'strip':
      return (text) => strip(text, step.left, step.right);
    case 'bert':
      return bertNormalizer(step);
    case 'characterMap':
      return createCharacterMap(step.map, step.longest);
  }
}

/** Replaces all matches of a pattern. */
export function replacer(pattern: string, content: string): (text: string) => string {
  const compiled = compilePattern(pattern);
  return (text) => {
    let result = '';
    let last = 0;
    compiled.forEachMatch(text, (start, end) => {
      result += text.slice(last, start) + content;
      last = end;
      if (result.length > MOST_GROWTH * (text.length + 1024))
        throw new OptionError('text', 'replaced by one that is too long', `at most ${MOST_GROWTH} times its length`);
    });
    return last === 0 ? text : result + text.slice(last);
  };
}

function without(text: string, drop: (codePoint: number) => boolean): string {
  let result = '';
  for (const character of text) if (!drop(character.codePointAt(0)!)) result += character;
  return result;
}

function strip(text: string, left: boolean, right: boolean): string {
  let start = 0;
  let end = text.length;
  if (left) while (start < end && whiteSpace.has(text.charCodeAt(start))) start++;
  if (right) while (end > start && whiteSpace.has(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

/** SentencePiece's `nmt_nfkc` without NFKC: removes control characters, and replaces special white space by spaces. */
function normalizeForTranslation(text: string): string {
  const isControl = (code: number): boolean =>
    (code >= 1 && code <= 8) || code === 0xb || (code >= 0xe && code <= 0x1f) || [0x7f, 0x8f, 0x9f].includes(code);
  return without(text, isControl).replace(/[\t\n\f\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]/g, ' ');
}

function bertNormalizer(step: Extract<NormalizerStep, { type: 'bert' }>): Normalizer {
  return (text) => {
    let result = text;
    if (step.cleanText) result = cleanText(result);
    if (step.chineseCharacters) result = spaceChinese(result);
    if (step.stripAccents) result = without(normalize(result, 'NFD'), (codePoint) => nonspacingMarks().has(codePoint));
    return step.lowercase ? lowercase(result) : result;
  };
}

/** Removes control characters, and replaces white space by spaces. */
function cleanText(text: string): string {
  let result = '';
  for (const character of text) {
    const codePoint = character.codePointAt(0)!;
    const kept = codePoint === 9 || codePoint === 10 || codePoint === 13;
    if (!kept && (codePoint === 0 || codePoint === 0xfffd || others().has(codePoint))) continue;
    result += whiteSpace.has(codePoint) ? ' ' : character;
  }
  return result;
}

/** Puts spaces around each Chinese character. */
function spaceChinese(text: string): string {
  return text.replace(
    /[\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}]/gu,
    ' $& ',
  );
}
