/**
 * Removes the rows of the vocabulary that a text never uses, from the embedding, the output matrix and the tokenizer. The result is a smaller
 * model in the source's formats. For texts of kept tokens it has the same tokens, and the logits of the kept rows are the same.
 */
import { OptionError, UnsupportedError } from '../../core/errors.ts';
import type { OnProgress } from '../../core/progress.ts';
import { type Checkpoint, type CheckpointTensor, lent } from '../../formats/checkpoint.ts';
import type { GgufValue } from '../../formats/gguf/write.ts';
import { type CheckpointSource, openCheckpoint } from '../../formats/open.ts';
import { tokenizerFromGguf } from '../../formats/tokenizerFromGguf.ts';
import { inGgufTerms } from '../../models/inGgufTerms.ts';
import type { CalibrationOptions } from '../calibration.ts';
import { finiteBytes } from '../finiteValues.ts';
import { writeFile } from '../writeFile.ts';
import { MERGES, type VocabularyCut, vocabularyCut } from './vocabularyCut.ts';

export interface CutVocabularyOptions {
  /** Texts whose tokens are kept. All of the text counts; it is not cut into windows. */
  readonly calibration: Pick<CalibrationOptions, 'text'>;
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
}

export interface CutVocabularyResult {
  /** Number of tokens before and after. */
  readonly tokens: readonly [before: number, after: number];
  readonly bytes: number;
}

/** Tensors with a row for each token, and others that may have as many rows by chance. */
const ROWS =
  /^(token_embd|output|per_layer_token_embd)\.(weight|bias)$|\.nextn\.(embed_tokens|shared_head_head)\.weight$/;
const NO_TOKENS = /^(blk\.|position_embd\.|token_types\.|rope_)|norm\.(weight|bias)$/;

/**
 * @param output path of the GGUF file; it is complete or not there
 * @throws {UnsupportedError} for a tokenizer that is not made of merges, and for other tensors with a row for each token
 * @throws {OptionError} if the text uses all tokens @throws {FormatError} @throws {SourceError} e.g. if the disk is full
 */
export async function cutVocabulary(
  source: CheckpointSource,
  output: string,
  options: CutVocabularyOptions,
): Promise<CutVocabularyResult> {
  if (source === output) throw new OptionError('the output', output, 'another file than the source');
  const { signal, calibration } = options;
  const opened = await openCheckpoint(source, options);
  try {
    const checkpoint = inGgufTerms(opened);
    const { cut, result } = withCutVocabulary(checkpoint, calibration.text);
    const tensors = [...result.tensors].map(([name, { shape, format }]) => {
      const own = checkpoint.tensors.get(name)!;
      const data = async () => {
        signal?.throwIfAborted();
        const bytes = await finiteBytes(checkpoint, own);
        return ROWS.test(name) ? rowsOf(bytes, own, cut.kept) : bytes;
      };
      return { name, shape, format, data };
    });
    // a list of merges may be empty, so its type is said
    const metadata = [...result.metadata].map(([key, value]) => [
      key,
      key === MERGES ? { type: 'string[]', value } : value,
    ]) as [string, GgufValue][];
    await writeFile(output, { metadata, tensors }, options);
    await opened.finish?.(signal);
    const bytes = [...result.tensors.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
    return { tokens: [cut.before, cut.kept.length], bytes };
  } finally {
    await opened.close();
  }
}

/** The model after the cut. Its tensors have new shapes; the values of those that were cut cannot be read. */
export function withCutVocabulary(
  checkpoint: Checkpoint,
  text: string,
): { readonly cut: VocabularyCut; readonly result: Checkpoint } {
  const { name } = checkpoint;
  const cut = vocabularyCut(checkpoint, text);
  if (cut.kept.length === cut.before)
    throw new OptionError(
      'the vocabulary',
      `${cut.before} tokens, all of which are used or needed`,
      'tokens to remove',
    );
  const tensors = new Map([...checkpoint.tensors].map(([key, tensor]) => [key, cutTensor(name, tensor, cut)]));
  const { metadata } = cut;
  const tokenizer = tokenizerFromGguf(metadata, name);
  return { cut, result: { ...lent(checkpoint), metadata, tensors, tokenizer } };
}

function cutTensor(file: string, tensor: CheckpointTensor, { kept, before }: VocabularyCut): CheckpointTensor {
  const { name, shape, byteLength } = tensor;
  if (!ROWS.test(name)) {
    if (!NO_TOKENS.test(name) && shape[0] === before)
      throw new UnsupportedError(`${file}: cutting the vocabulary of a model with the tensor`, name);
    return tensor;
  }
  if (shape[0] < before)
    throw new UnsupportedError(`${file}: cutting a vocabulary of ${before} tokens with ${shape[0]} rows in`, name);
  const read = () => Promise.reject(new Error(`${name} is planned, it has no values`));
  return {
    ...tensor,
    name,
    shape: [kept.length, ...shape.slice(1)],
    byteLength: (byteLength / shape[0]) * kept.length,
    read,
  };
}

function rowsOf(all: Uint8Array, { shape }: CheckpointTensor, rows: Int32Array): Uint8Array {
  const size = all.length / shape[0];
  const chosen = new Uint8Array(rows.length * size);
  for (const [i, row] of rows.entries()) chosen.set(all.subarray(row * size, (row + 1) * size), i * size);
  return chosen;
}
