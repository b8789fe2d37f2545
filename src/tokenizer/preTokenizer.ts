/** Splits text into the words that the model turns into tokens, step by step. */
import { UnsupportedError } from '../core/errors.ts';
import { toByteLetters } from './byteAlphabet.ts';
import { compilePattern, type Pattern } from './pattern/pattern.ts';
import { type NamedPreTokenizer, preTokenizers } from './preTokenizers.ts';
import type { PreTokenizerStep, SplitBehavior } from './spec.ts';
import { numbers, punctuation, whiteSpace } from './unicode/unicode.ts';

export interface PreTokenizer {
  /** @param atStart the text begins where the whole input begins @returns words in order; in the byte alphabet if `writesBytes` */
  split(text: string, atStart?: boolean): readonly string[];
  readonly writesBytes: boolean;
}

/** Returns pieces of the text. The first may be the start of the input. */
interface Pieces {
  readonly texts: readonly string[];
  readonly atStart: boolean;
}

type Step = (pieces: Pieces) => Pieces;

/** @throws {UnsupportedError} for an unknown name (the error lists the known ones) or pattern */
export function createPreTokenizer(given: string | readonly PreTokenizerStep[] | undefined): PreTokenizer {
  return splitBy(stepsOf(given));
}

/** Returns the same words before conversion to the byte alphabet. */
export function createWordSplitter(given: string | readonly PreTokenizerStep[] | undefined): PreTokenizer {
  return splitBy(stepsOf(given).filter((step) => step !== 'bytes'));
}

function stepsOf(given: string | readonly PreTokenizerStep[] | undefined): readonly PreTokenizerStep[] {
  if (typeof given !== 'string') return given ?? [];
  return [...namedPreTokenizer(given).patterns.map((pattern) => ({ pattern })), 'bytes'];
}

function splitBy(steps: readonly PreTokenizerStep[]): PreTokenizer {
  const functions = steps.map(createStep);
  return {
    split: (text, atStart = true) =>
      functions.reduce((pieces, step) => step(pieces), { texts: text === '' ? [] : [text], atStart } as Pieces).texts,
    writesBytes: steps.includes('bytes'),
  };
}

/** @throws {UnsupportedError} for an unknown name; the error lists the known ones */
export function namedPreTokenizer(name: string): NamedPreTokenizer {
  const found = preTokenizers.get(name);
  if (found === undefined) throw new UnsupportedError('pre-tokenizer', name, [...preTokenizers.keys()]);
  return found;
}

function createStep(step: PreTokenizerStep): Step {
  if (step === 'bytes') return ({ texts, atStart }) => ({ texts: texts.map(toByteLetters), atStart });
  if ('pattern' in step)
    return splitter(compilePattern(step.pattern), step.behavior ?? 'isolated', step.invert ?? false);
  if ('characters' in step) return splitter(characterPattern(step.characters), step.behavior, false);
  if ('spacePrefix' in step)
    return ({ texts, atStart }) => ({
      texts: texts.map((text) => (text.startsWith(' ') ? text : ` ${text}`)),
      atStart,
    });
  if ('length' in step)
    return ({ texts, atStart }) => ({ texts: texts.flatMap((text) => chunks(text, step.length)), atStart });
  return metaspace(step);
}

function metaspace({ metaspace: mark, prepend, split }: Extract<PreTokenizerStep, { metaspace: string }>): Step {
  const cut = splitter(literal(mark), 'merged-with-next', false);
  return ({ texts, atStart }) => {
    const marked = texts.map((text, index) => {
      const replaced = text.replaceAll(' ', mark);
      const wanted = prepend === 'always' || (prepend === 'first' && atStart && index === 0);
      return wanted && !replaced.startsWith(mark) ? mark + replaced : replaced;
    });
    const pieces = { texts: marked, atStart };
    return split ? cut(pieces) : pieces;
  };
}

function chunks(text: string, length: number): string[] {
  const characters = Array.from(text);
  const result: string[] = [];
  for (let at = 0; at < characters.length; at += length) result.push(characters.slice(at, at + length).join(''));
  return result;
}

/** Matches one text. */
function literal(wanted: string): Pattern {
  return {
    forEachMatch(text, onMatch) {
      if (wanted === '') return;
      for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length))
        onMatch(at, at + wanted.length);
    },
  };
}

/** Matches each character of a set. */
function characterPattern(name: 'whiteSpace' | 'numbers' | 'punctuation'): Pattern {
  const set = name === 'whiteSpace' ? whiteSpace : name === 'numbers' ? numbers() : punctuation();
  return {
    forEachMatch(text, onMatch) {
      let at = 0;
      for (const character of text) {
        if (set.has(character.codePointAt(0)!)) onMatch(at, at + character.length);
        at += character.length;
      }
    },
  };
}

function splitter(pattern: Pattern, behavior: SplitBehavior, invert: boolean): Step {
  return ({ texts, atStart }) => {
    const words: string[] = [];
    let held = '';
    let heldDelimiter = false;
    const flush = (): void => {
      if (held.length > 0) words.push(held);
      held = '';
    };
    const add = (text: string, delimiter: boolean): void => {
      const joins =
        (behavior === 'contiguous' && delimiter === heldDelimiter) ||
        (behavior === 'merged-with-previous' && delimiter && !heldDelimiter) ||
        (behavior === 'merged-with-next' && heldDelimiter && !delimiter);
      if (!joins) flush();
      if (!(behavior === 'removed' && delimiter)) held += text;
      heldDelimiter = delimiter;
    };
    let piece = '';
    let last = 0;
    const onMatch = (start: number, end: number): void => {
      if (start > last) add(piece.slice(last, start), invert);
      add(piece.slice(start, end), !invert);
      last = end;
    };
    for (piece of texts) {
      last = 0;
      heldDelimiter = false;
      pattern.forEachMatch(piece, onMatch);
      if (last < piece.length) add(piece.slice(last), invert);
      flush();
    }
    // after a removed match, the text no longer starts the input
    return { texts: words, atStart: atStart && words.length > 0 && texts[0].startsWith(words[0]) };
  };
}
