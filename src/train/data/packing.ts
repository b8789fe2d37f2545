/**
 * Packs documents into sequences with little room left over: best fit, the longest first (Ding et al. 2024, "Fewer
 * Truncations Improve Language Modeling", arXiv 2404.10830).
 */
import type { Random } from '../../core/random.ts';
import { shuffled } from './randomAt.ts';

/** Tokens `start` to `start + length` of a file. */
export interface Stretch {
  readonly start: number;
  readonly length: number;
}

/** Tokens that a sequence is made of, S + 1 at most together: S inputs and, one later, their targets. */
export type Sequence = readonly Stretch[];

export interface PackedDocuments {
  readonly count: number;
  at(index: number): Sequence;
}

/**
 * @param length S: a sequence has room for S + 1 tokens. A longer document is cut into stretches that share one token, so
 *   that each of its tokens but the first is a target
 * @param random says which of equally long documents goes first and how those of one sequence are ordered
 */
export function packDocuments(documents: Iterable<Stretch>, length: number, random: Random): PackedDocuments {
  const room = length + 1;
  const pieces: Stretch[] = [];
  for (const { start, length: size } of documents) {
    for (let at = 0; at + 1 < size; at += length) pieces.push({ start: start + at, length: Math.min(room, size - at) });
  }
  const order = shuffled(pieces.length, random).sort((a, b) => pieces[b].length - pieces[a].length);

  const sequences: Stretch[][] = [];
  /** Of each number of free tokens, the sequences that have it. */
  const open: number[][] = Array.from({ length: room + 1 }, () => []);
  for (const piece of order) {
    const stretch = pieces[piece];
    let free = stretch.length;
    while (free < room && open[free].length === 0) free++;
    const sequence = open[free].pop() ?? sequences.push([]) - 1;
    sequences[sequence].push(stretch);
    open[free - stretch.length].push(sequence);
  }
  for (const sequence of sequences) {
    const own = shuffled(sequence.length, random);
    sequence.splice(0, sequence.length, ...Array.from(own, (i) => sequence[i]));
  }
  return { count: sequences.length, at: (index) => sequences[index] };
}
