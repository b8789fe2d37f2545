/** Batches of sequences, as a training step takes them. */
import { mixture } from './mixture.ts';
import type { Sequence } from './packing.ts';
import type { Sequences } from './sequences.ts';
import type { TokenFile } from './tokenFile.ts';

/** B sequences of S tokens, one after another. */
export interface Batch {
  /** [B·S] ids. */
  readonly tokens: Int32Array;
  /** [B·S] the id that follows each token; −1 where that is not to be learned or there is none. */
  readonly targets: Int32Array;
  /** Targets that are not −1. */
  readonly learned: number;
  /** [B] 1 where teachers have a say in a sequence. */
  readonly taught: Uint8Array;
}

export interface BatchShape {
  /** S */
  readonly sequence: number;
  /** B */
  readonly batch: number;
}

/** A tokenized text and its sequences. */
export interface SequenceSource {
  readonly file: TokenFile;
  readonly sequences: Sequences;
  readonly weight: number;
  /** Whether teachers have a say in it. */
  readonly taught: boolean;
}

/** @returns the batch of a number (0, 1, …): step × accumulation + micro-step; a pure function of it and the seed */
export function trainingBatches(
  sources: readonly SequenceSource[],
  shape: BatchShape,
  seed: number,
): (index: number) => Promise<Batch> {
  const draw = mixture(
    sources.map(({ weight }) => weight),
    seed,
  );
  return (index) =>
    assemble(shape, (i) => {
      const { source, n } = draw(index * shape.batch + i);
      const { file, taught, sequences } = sources[source];
      return { file, taught, sequence: sequences.drawn(n) };
    });
}

/** Batches that are the same at every evaluation. */
export interface EvaluationBatches {
  readonly count: number;
  /** The last may hold fewer sequences, its other targets −1. */
  at(index: number): Promise<Batch>;
}

/** All sequences of a text, or where there are more than `most` batches hold, as many of them evenly spread. */
export function evaluationBatches(
  { file, taught, sequences }: SequenceSource,
  shape: BatchShape,
  most = Number.POSITIVE_INFINITY,
): EvaluationBatches {
  const total = sequences.count;
  const used = Math.min(total, most * shape.batch);
  return {
    count: Math.ceil(used / shape.batch),
    at: (index) =>
      assemble(shape, (i) => {
        const n = index * shape.batch + i;
        return n < used ? { file, taught, sequence: sequences.at(Math.floor((n * total) / used)) } : undefined;
      }),
  };
}

async function assemble(
  { sequence: length, batch }: BatchShape,
  sequenceOf: (i: number) => { file: TokenFile; taught: boolean; sequence: Sequence } | undefined,
): Promise<Batch> {
  const tokens = new Int32Array(batch * length);
  const targets = new Int32Array(batch * length).fill(-1);
  const taught = new Uint8Array(batch);
  let learned = 0;
  const row = new Int32Array(length + 1);
  const counts = new Uint8Array(length + 1);
  for (let i = 0; i < batch; i++) {
    const given = sequenceOf(i);
    if (!given) continue;
    taught[i] = given.taught ? 1 : 0;
    let filled = 0;
    for (const stretch of given.sequence) {
      const end = filled + stretch.length;
      await given.file.read(stretch.start, row.subarray(filled, end), counts.subarray(filled, end));
      filled = end;
    }
    tokens.set(row.subarray(0, Math.min(filled, length)), i * length);
    for (let at = 1; at < filled; at++) {
      if (counts[at] === 0) continue;
      targets[i * length + at - 1] = row[at];
      learned++;
    }
  }
  return { tokens, targets, learned, taught };
}
