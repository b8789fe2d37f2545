/** Splits text into the words that merges do not cross, stage by stage. */

import { UnsupportedError } from '../core/errors.ts';
import { toByteLetters } from './byteAlphabet.ts';
import { compilePattern } from './pattern/pattern.ts';
import { preTokenizers } from './preTokenizers.ts';
import type { SplitStage } from './spec.ts';

export interface PreTokenizer {
  /** Words in order; in the byte alphabet if a stage is 'bytes'. */
  split(text: string): readonly string[];
  /** One stage is 'bytes': words are in the byte alphabet already. */
  readonly writesBytes: boolean;
}

/** @throws {UnsupportedError} for an unknown name (the error lists the known ones) or pattern */
export function createPreTokenizer(given: string | readonly SplitStage[] | undefined): PreTokenizer {
  const stages: readonly SplitStage[] =
    typeof given === 'string' ? namedPreTokenizer(given).patterns.map((pattern) => ({ pattern })) : (given ?? []);
  const steps = stages.map((stage) => (stage === 'bytes' ? toLetters : splitter(stage)));
  return {
    split: (text) => steps.reduce((pieces: readonly string[], step) => step(pieces), [text]),
    writesBytes: stages.includes('bytes'),
  };
}

/** @throws {UnsupportedError} for an unknown name; the error lists the known ones */
export function namedPreTokenizer(name: string) {
  const found = preTokenizers.get(name);
  if (found === undefined) throw new UnsupportedError('pre-tokenizer', name, [...preTokenizers.keys()]);
  return found;
}

function toLetters(pieces: readonly string[]): readonly string[] {
  return pieces.map(toByteLetters);
}

function splitter(stage: Exclude<SplitStage, 'bytes'>): (pieces: readonly string[]) => readonly string[] {
  const pattern = compilePattern(stage.pattern);
  const { behavior = 'isolated', invert = false } = stage;
  return (pieces) => {
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
    for (piece of pieces) {
      last = 0;
      heldDelimiter = false;
      pattern.forEachMatch(piece, onMatch);
      if (last < piece.length) add(piece.slice(last), invert);
      flush();
    }
    return words;
  };
}
