/** The dataset of a recipe: tokenizes, splits and mixes its texts and serves batches. */
import { FormatError } from '../../core/errors.ts';
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
  /** Sampling weight relative to the other texts. In held-out texts, the weight of their loss. */
  readonly weight: number;
  /** Ask the teachers about this text. Default: true. */
  readonly distill?: boolean;
}

export interface DatasetOptions extends BatchShape {
  readonly texts: readonly WeightedText[];
  /** 'windows': random windows of the text. 'documents': whole documents, packed into sequences. */
  readonly sampling: 'windows' | 'documents';
  /** Held-out data for evaluation: a fraction at the end of every text, or separate texts. Default: none. */
  readonly heldOut?: number | readonly WeightedText[];
  /** Maximum number of batches per held-out text. Default: all. */
  readonly evaluationBatches?: number;
  readonly tokenizer: TokenizerSpec;
  readonly store: CacheStore;
  readonly seed: number;
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
}

export interface HeldOutText {
  /** File name for error messages. */
  readonly name: string;
  /** Weight of this text's loss in the mean. */
  readonly weight: number;
  readonly batches: EvaluationBatches;
}

export interface Dataset {
  /** Returns a batch by its index: step × accumulation + micro-step. */
  batch(index: number): Promise<Batch>;
  readonly heldOut: readonly HeldOutText[];
  /** Number of training tokens, each counted once. */
  readonly tokens: number;
  /** Mean bytes of text per token, to convert losses to nats per byte. */
  readonly bytesPerToken: number;
  /** Hash of texts, tokenizer and rules. A run can only be resumed with the same data. */
  readonly fingerprint: string;
  close(): Promise<void>;
}

/**
 * Opens and tokenizes the texts.
 * @throws {FormatError|SourceError} if a text is empty, not UTF-8, too short for a sequence, or cannot be read
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
      target: SequenceSource[],
      file: TokenFile,
      { weight, distill = true }: WeightedText,
      range: TokenRange,
    ) => {
      const make = options.sampling === 'windows' ? windows : documents;
      target.push({ file, weight, distill, sequences: make(file, range, options.sequence, [seed, target.length]) });
    };
    let tokens = 0;
    let bytes = 0;
    for (const text of texts) {
      const file = await opened(text);
      if (typeof heldOut === 'number' && options.sampling === 'documents') checkSeparator(file, text);
      const split = typeof heldOut === 'number' ? splitAt(file, heldOut, options.sampling) : file.tokens;
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

/** @throws {FormatError} if no document can be held out because the separator does not occur */
function checkSeparator({ name, documentEnds }: TokenFile, { separator }: TextSource): void {
  if (separator === undefined || documentEnds.length > 1) return;
  const problem = `is a single document, since its separator ${JSON.stringify(separator)} does not occur: no document can be held out`;
  throw new FormatError(name, problem, { separator });
}

/** First held-out token of a file: nanoGPT's int(0.9 · n), or the start of the document at that place. */
function splitAt({ tokens, documentEnds }: TokenFile, fraction: number, sampling: DatasetOptions['sampling']): number {
  const split = Math.floor(tokens * (1 - fraction));
  if (sampling === 'windows') return split;
  return documentEnds.findLast((end) => end <= split) ?? 0;
}
