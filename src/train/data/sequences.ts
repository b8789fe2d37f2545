/** Selects the token spans of each training sequence. */
import { FormatError, grouped } from '../../core/errors.ts';
import { packDocuments, type Sequence, type Span } from './packing.ts';
import { randomAt, shuffled } from './randomAt.ts';
import type { TokenFile } from './tokenFile.ts';

export interface Sequences {
  /** Number of sequences in one pass over the text. */
  readonly count: number;
  /** Returns a sequence by index, 0 … count − 1, in the order of the text (windows) or of packing (documents). */
  at(index: number): Sequence;
  /** Returns the n-th training sequence, n = 0, 1, … without end. A pure function of the seed and n. */
  trainingSequence(n: number): Sequence;
}

/** Tokens `from` … `to − 1` of a file. */
export interface TokenRange {
  readonly from: number;
  readonly to: number;
}

/**
 * Random windows of S + 1 tokens, across document boundaries, as in nanoGPT. All offsets are equally likely.
 * @param position seed and index of the source, for `randomAt`
 * @throws {FormatError} if the range is shorter than a window
 */
export function windows(
  file: TokenFile,
  { from, to }: TokenRange,
  length: number,
  position: readonly number[],
): Sequences {
  const offsets = to - from - length;
  if (offsets < 1) throw tooShort(file, to - from, length);
  const window = (offset: number): Sequence => [{ start: from + offset, length: length + 1 }];
  return {
    count: Math.floor((to - from - 1) / length),
    at: (index) => window(index * length),
    trainingSequence: (n) => window(randomAt(...position, n).integer(offsets)),
  };
}

/**
 * Whole documents, packed into sequences; longer documents are split. Training uses each sequence once per epoch, in a new
 * order each time.
 * @throws {FormatError} if the range has no document of at least two tokens
 */
export function documents(file: TokenFile, range: TokenRange, length: number, position: readonly number[]): Sequences {
  const sequences = packDocuments(documentSpans(file, range), length, randomAt(...position));
  const { count } = sequences;
  if (count === 0) throw tooShort(file, range.to - range.from, 1);
  let order: Uint32Array = new Uint32Array(0);
  let orderOf = -1;
  return {
    count,
    at: sequences.at,
    trainingSequence(n) {
      const epoch = Math.floor(n / count);
      if (epoch !== orderOf) order = shuffled(count, randomAt(...position, epoch));
      orderOf = epoch;
      return sequences.at(order[n % count]);
    },
  };
}

function* documentSpans({ documentEnds }: TokenFile, { from, to }: TokenRange): Generator<Span> {
  let start = 0;
  for (const end of documentEnds) {
    if (start >= from && end <= to) yield { start, length: end - start };
    start = end;
  }
}

function tooShort({ name }: TokenFile, found: number, length: number): FormatError {
  const problem = `has ${grouped(found)} tokens, but a sequence of ${grouped(length)} needs ${grouped(length + 1)}`;
  const advice = 'add text, reduce data.sequence, or hold out less';
  return new FormatError(name, `${problem}: ${advice}`, { expected: length + 1, found });
}
