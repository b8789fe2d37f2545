/** Which stretches of tokens are trained on, and in which order. */
import { FormatError, grouped } from '../../core/errors.ts';
import { packDocuments, type Sequence, type Stretch } from './packing.ts';
import { randomAt, shuffled } from './randomAt.ts';
import type { TokenFile } from './tokenFile.ts';

export interface Sequences {
  /** How many there are when each part of the text comes once. */
  readonly count: number;
  /** The sequences in the order of the text (windows) or of their making (documents), 0 … count − 1. */
  at(index: number): Sequence;
  /** The n-th sequence of training, n = 0, 1, … without end: a pure function of the seed and n. */
  drawn(n: number): Sequence;
}

/** From which token on, and up to which. */
export interface TokenRange {
  readonly from: number;
  readonly to: number;
}

/**
 * Windows of S + 1 tokens anywhere in the range, document or not, as nanoGPT draws them: all offsets equally likely.
 * @param place numbers that the draw depends on: seed and source
 * @throws {FormatError} where the range is shorter than a window
 */
export function windows(
  file: TokenFile,
  { from, to }: TokenRange,
  length: number,
  place: readonly number[],
): Sequences {
  const offsets = to - from - length;
  if (offsets < 1) throw tooShort(file, to - from, length);
  const window = (offset: number): Sequence => [{ start: from + offset, length: length + 1 }];
  return {
    count: Math.floor((to - from - 1) / length),
    at: (index) => window(index * length),
    drawn: (n) => window(randomAt(...place, n).integer(offsets)),
  };
}

/**
 * Whole documents, as many to a sequence as fit; those that are longer are cut. Training sees each sequence once before
 * any again, in an order that is new each time.
 * @throws {FormatError} where the range has no document of two tokens
 */
export function documents(file: TokenFile, range: TokenRange, length: number, place: readonly number[]): Sequences {
  const sequences = packDocuments(stretches(file, range), length, randomAt(...place));
  const { count } = sequences;
  if (count === 0) throw tooShort(file, range.to - range.from, 1);
  let order: Uint32Array = new Uint32Array(0);
  let orderOf = -1;
  return {
    count,
    at: sequences.at,
    drawn(n) {
      const round = Math.floor(n / count);
      if (round !== orderOf) order = shuffled(count, randomAt(...place, round));
      orderOf = round;
      return sequences.at(order[n % count]);
    },
  };
}

function* stretches({ documentEnds }: TokenFile, { from, to }: TokenRange): Generator<Stretch> {
  let start = 0;
  for (const end of documentEnds) {
    if (start >= from && end <= to) yield { start, length: end - start };
    start = end;
  }
}

function tooShort({ name }: TokenFile, found: number, length: number): FormatError {
  const problem = `has ${grouped(found)} tokens where a sequence of ${grouped(length)} needs ${grouped(length + 1)}`;
  const advice = 'give it more text, shorten data.sequence, or change what is held out';
  return new FormatError(name, `${problem}: ${advice}`, { expected: length + 1, found });
}
