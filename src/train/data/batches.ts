/** Batches of sequences for training and evaluation. */
import { mixture } from './mixture.ts';
import type { Sequence } from './packing.ts';
import type { Sequences } from './sequences.ts';
import type { TokenFile } from './tokenFile.ts';

/** B sequences of S tokens, concatenated. */
export interface Batch {
  /** [B·S] ids. */
  readonly tokens: Int32Array;
  /** [B·S] id of the next token, or −1 if it is not trained on or does not exist. */
  readonly targets: Int32Array;
  /** Number of targets that are not −1. */
  readonly learned: number;
  /** [B] 1 for sequences that teachers are asked about. */
  readonly distilled: Uint8Array;
}

export interface BatchShape {
  /** S, tokens per sequence. */
  readonly sequence: number;
  /** B, sequences per batch. */
  readonly batch: number;
}

/** A tokenized text and its sequences. */
export interface SequenceSource {
  readonly file: TokenFile;
  readonly sequences: Sequences;
  readonly weight: number;
  /** True if teachers are asked about the text. */
  readonly distill: boolean;
}

/** @returns a function from batch index (step × accumulation + micro-step) to batch; a pure function of index and seed */
export function trainingBatches(
  sources: readonly SequenceSource[],
  shape: BatchShape,
  seed: number,
): (index: number) => Promise<Batch> {
  const pick = mixture(
    sources.map(({ weight }) => weight),
    seed,
  );
  return (index) =>
    assemble(shape, (i) => {
      const { source, index: n } = pick(index * shape.batch + i);
      const { file, distill, sequences } = sources[source];
      return { file, distill, sequence: sequences.trainingSequence(n) };
    });
}

/** The same batches at every evaluation. */
export interface EvaluationBatches {
  readonly count: number;
  /** The last batch may have fewer sequences; the unused rows have targets −1. */
  at(index: number): Promise<Batch>;
}

/** Batches of all sequences of a text. If there are more than `limit` batches, uses evenly spaced sequences. */
export function evaluationBatches(
  { file, distill, sequences }: SequenceSource,
  shape: BatchShape,
  limit = Number.POSITIVE_INFINITY,
): EvaluationBatches {
  const total = sequences.count;
  const used = Math.min(total, limit * shape.batch);
  return {
    count: Math.ceil(used / shape.batch),
    at: (index) =>
      assemble(shape, (i) => {
        const n = index * shape.batch + i;
        return n < used ? { file, distill, sequence: sequences.at(Math.floor((n * total) / used)) } : undefined;
      }),
  };
}

async function assemble(
  { sequence: length, batch }: BatchShape,
  sequenceOf: (i: number) => { file: TokenFile; distill: boolean; sequence: Sequence } | undefined,
): Promise<Batch> {
  const tokens = new Int32Array(batch * length);
  const targets = new Int32Array(batch * length).fill(-1);
  const distilled = new Uint8Array(batch);
  let learned = 0;
  const row = new Int32Array(length + 1);
  const counts = new Uint8Array(length + 1);
  for (let i = 0; i < batch; i++) {
    const given = sequenceOf(i);
    if (!given) continue;
    distilled[i] = given.distill ? 1 : 0;
    let filled = 0;
    for (const span of given.sequence) {
      const end = filled + span.length;
      await given.file.read(span.start, row.subarray(filled, end), counts.subarray(filled, end));
      filled = end;
    }
    tokens.set(row.subarray(0, Math.min(filled, length)), i * length);
    for (let at = 1; at < filled; at++) {
      if (counts[at] === 0) continue;
      targets[i * length + at - 1] = row[at];
      learned++;
    }
  }
  return { tokens, targets, learned, distilled };
}
