/**
 * Packs documents into sequences with little padding: best-fit decreasing (Ding et al. 2024, "Fewer Truncations Improve
 * Language Modeling", arXiv 2404.10830).
 */
import type { Random } from '../../core/random.ts';
import { shuffled } from './randomAt.ts';

/** Tokens `start` … `start + length − 1` of a file. */
export interface Span {
  readonly start: number;
  readonly length: number;
}

/** Spans of a sequence, together at most S + 1 tokens: S inputs and, shifted by one, their targets. */
export type Sequence = readonly Span[];

export interface PackedDocuments {
  readonly count: number;
  at(index: number): Sequence;
}

/**
 * @param length S; a sequence has room for S + 1 tokens. Longer documents are split into spans that share one token, so
 *   that each token but the first is a target
 * @param random orders documents of equal length, and the documents within a sequence
 */
export function packDocuments(documents: Iterable<Span>, length: number, random: Random): PackedDocuments {
  const room = length + 1;
  const pieces: Span[] = [];
  for (const { start, length: size } of documents) {
    for (let at = 0; at + 1 < size; at += length) pieces.push({ start: start + at, length: Math.min(room, size - at) });
  }
  const order = shuffled(pieces.length, random).sort((a, b) => pieces[b].length - pieces[a].length);

  const sequences: Span[][] = [];
  /** open[n]: the sequences with n free tokens. */
  const open: number[][] = Array.from({ length: room + 1 }, () => []);
  for (const piece of order) {
    const span = pieces[piece];
    let free = span.length;
    while (free < room && open[free].length === 0) free++;
    const sequence = open[free].pop() ?? sequences.push([]) - 1;
    sequences[sequence].push(span);
    open[free - span.length].push(sequence);
  }
  for (const sequence of sequences) {
    const own = shuffled(sequence.length, random);
    sequence.splice(0, sequence.length, ...Array.from(own, (i) => sequence[i]));
  }
  return { count: sequences.length, at: (index) => sequences[index] };
}
