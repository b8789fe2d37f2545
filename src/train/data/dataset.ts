/** The texts of a recipe, tokenized, split and mixed: what the trainer asks for batches. */
import type { OnProgress } from '../../core/progress.ts';
import type { CacheStore } from '../../formats/download/cacheStore.ts';
import type { TokenizerSpec } from '../../tokenizer/spec.ts';
import {
  type Batch,
  type BatchShape,
  type EvaluationBatches,
  evaluationBatches,
  type SequenceSource,
  trainingBatches,
} from './batches.ts';
import { documents, type TokenRange, windows } from './sequences.ts';
import type { TokenFile } from './tokenFile.ts';
import { sha256Of, type TextSource, type TokenizedText, tokenize } from './tokenize.ts';

export interface WeightedText extends TextSource {
  /** How often it is drawn from beside the others. */
  readonly weight: number;
  /** Whether teachers have a say in it; default: they have. */
  readonly taught?: boolean;
}

export interface DatasetOptions extends BatchShape {
  readonly texts: readonly WeightedText[];
  /** 'windows': stretches from anywhere. 'documents': whole ones, packed. */
  readonly draw: 'windows' | 'documents';
  /** What is kept from training to evaluate on: the last part of every text, or texts of their own; absent: nothing. */
  readonly heldOut?: number | readonly WeightedText[];
  /** Batches of an evaluation, per held-out text; absent: all that there are. */
  readonly evaluationBatches?: number;
  readonly tokenizer: TokenizerSpec;
  readonly store: CacheStore;
  readonly seed: number;
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
}

export interface HeldOutText {
  /** The text's, as errors name it. */
  readonly name: string;
  /** Of its loss in the mean of all. */
  readonly weight: number;
  readonly batches: EvaluationBatches;
}

export interface Dataset {
  /** The batch of a number: step × accumulation + micro-step. */
  batch(index: number): Promise<Batch>;
  readonly heldOut: readonly HeldOutText[];
  /** Tokens that are trained on, each counted once. */
  readonly tokens: number;
  /** Bytes of text per token, to tell losses per byte. */
  readonly bytesPerToken: number;
  /** Of texts, tokenizer and rules: a run may only go on with the data that it began with. */
  readonly fingerprint: string;
  close(): Promise<void>;
}

/**
 * @throws {FormatError|SourceError} for a text that is empty, not UTF-8, too short for a sequence, or cannot be had; each
 *   says what to do
 */
export async function openDataset(options: DatasetOptions): Promise<Dataset> {
  const { texts, heldOut, seed, signal } = options;
  const files: TokenizedText[] = [];
  const opened = async (text: TextSource): Promise<TokenFile> => {
    signal?.throwIfAborted();
    const file = await tokenize(text, options);
    files.push(file);
    return file;
  };
  const close = async () => {
    await Promise.all(files.map((file) => file.close()));
  };
  try {
    const training: SequenceSource[] = [];
    const evaluation: SequenceSource[] = [];
    const add = (
      into: SequenceSource[],
      file: TokenFile,
      { weight, taught = true }: WeightedText,
      range: TokenRange,
    ) => {
      const make = options.draw === 'windows' ? windows : documents;
      into.push({ file, weight, taught, sequences: make(file, range, options.sequence, [seed, into.length]) });
    };
    let tokens = 0;
    let bytes = 0;
    for (const text of texts) {
      const file = await opened(text);
      const split = typeof heldOut === 'number' ? splitAt(file, heldOut, options.draw) : file.tokens;
      add(training, file, text, { from: 0, to: split });
      if (split < file.tokens) add(evaluation, file, text, { from: split, to: file.tokens });
      tokens += split;
      bytes += file.textBytes * (split / file.tokens);
    }
    for (const text of typeof heldOut === 'object' ? heldOut : []) {
      const file = await opened(text);
      add(evaluation, file, text, { from: 0, to: file.tokens });
    }
    return {
      batch: trainingBatches(training, options, seed),
      heldOut: evaluation.map((source) => ({
        name: source.file.name,
        weight: source.weight,
        batches: evaluationBatches(source, options, options.evaluationBatches),
      })),
      tokens,
      bytesPerToken: bytes / tokens,
      fingerprint: sha256Of(files.map(({ key }) => key).join()),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Where the held-out part of a file begins, in tokens: nanoGPT's int(0.9 · n), or the document that begins before it. */
function splitAt({ tokens, documentEnds }: TokenFile, fraction: number, draw: DatasetOptions['draw']): number {
  const split = Math.floor(tokens * (1 - fraction));
  if (draw === 'windows') return split;
  return documentEnds.findLast((end) => end <= split) ?? 0;
}
