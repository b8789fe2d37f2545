/** Settings of an embedding model in its files: pooling, projection, normalization and prompts. */
import { FormatError, UnsupportedError } from '../core/errors.ts';

/** Pooling of a text's token outputs. 'meanSqrtLength': sum divided by the square root of the number of tokens. */
export const POOLINGS = ['mean', 'cls', 'last', 'max', 'meanSqrtLength', 'weightedMean'] as const;
export type Pooling = (typeof POOLINGS)[number];

/** A dense layer after pooling: y = activation(W·x + b). */
export interface DenseLayer {
  readonly inputs: number;
  readonly outputs: number;
  /** W in row order, [outputs, inputs]. */
  readonly weight: Float32Array;
  /** b, [outputs]. */
  readonly bias?: Float32Array;
  readonly activation: 'identity' | 'tanh';
}

export interface EmbeddingSettings {
  readonly pooling?: Pooling;
  /** True if the file says that token outputs are not pooled, so that the caller must choose a pooling. */
  readonly unpooled?: boolean;
  /** The embedding is scaled to length 1. */
  readonly normalize?: boolean;
  /** Named prefixes for texts, e.g. 'query' → 'search_query: '. */
  readonly prompts?: Readonly<Record<string, string>>;
  /** Name of the default prompt. */
  readonly defaultPrompt?: string;
  /** False to exclude the prompt's tokens from pooling. Default: true. */
  readonly promptCounts?: boolean;
  /** Texts are read in lower case. */
  readonly lowercase?: boolean;
  /** Maximum tokens of a text, including special tokens. */
  readonly maxLength?: number;
  readonly dense?: readonly DenseLayer[];
  /** Template by which a reranker reads a query and a document. Default: both texts with the tokenizer's tokens for pairs. */
  readonly ranking?: RankingSettings;
}

export interface RankingSettings {
  /** Text that the model reads, with {query} and {document} in place of the texts. */
  readonly template?: string;
  /** True if the classifier's outputs are for the answers yes and no, in this order. */
  readonly yesOrNo?: boolean;
}

/** GGUF's `pooling_type`: 1 to 3. */
const GGUF_POOLINGS: readonly (Pooling | undefined)[] = [undefined, 'mean', 'cls', 'last'];
const NONE = 0;
/** llama.cpp's −1, which it writes for models that state none. */
const UNSPECIFIED = 0xffffffff;
const RANK = 4;

/**
 * Reads the settings of a GGUF file. Embeddings are scaled to length 1, as in llama.cpp.
 * @param file name for error messages @throws {UnsupportedError} for an unknown pooling
 */
export function embeddingFromGguf(metadata: ReadonlyMap<string, unknown>, file: string): EmbeddingSettings | undefined {
  const prefix = String(metadata.get('general.architecture'));
  const own = (key: string) => metadata.get(`${prefix}.${key}`);
  const type = own('pooling_type');
  if (type === RANK)
    return { pooling: own('attention.causal') === false ? 'cls' : 'last', ranking: rankingFromGguf(metadata, own) };
  if (type === undefined || type === UNSPECIFIED || type === -1) return undefined;
  if (type === NONE) return { unpooled: true, normalize: true };
  const pooling = typeof type === 'number' ? GGUF_POOLINGS[type] : undefined;
  if (pooling) return { pooling, normalize: true };
  const known = ['0 (none)', '1 (mean)', '2 (cls)', '3 (last)', '4 (rank)'];
  throw new UnsupportedError(`${file}: metadata ${prefix}.pooling_type`, String(type).slice(0, 40), known);
}

/** Shape of a dense layer, before its weights are read. */
export interface DenseShape {
  /** Name for error messages. */
  readonly name: string;
  readonly inputs: number;
  readonly outputs: number;
  /** Length of the bias, if there is one. */
  readonly bias?: number;
}

/**
 * Checks that each dense layer takes what the one before it, or pooling, returns.
 * @param width of the pooled vector @throws {FormatError}
 */
export function checkDense(layers: readonly DenseShape[], width: number, file: string): void {
  let before = width;
  for (const { name, inputs, outputs, bias = outputs } of layers) {
    const wrong = (what: string, found: number, expected: number): FormatError =>
      new FormatError(file, `the dense layer ${name} has ${found} ${what}, expected ${expected}`, {
        name,
        found,
        expected,
      });
    if (inputs !== before) throw wrong('inputs', inputs, before);
    if (bias !== outputs) throw wrong('numbers in its bias', bias, outputs);
    before = outputs;
  }
}

function rankingFromGguf(metadata: ReadonlyMap<string, unknown>, own: (key: string) => unknown): RankingSettings {
  const template = metadata.get('tokenizer.chat_template.rerank');
  const labels = own('classifier.output_labels');
  return {
    ...(typeof template === 'string' ? { template } : {}),
    yesOrNo: Array.isArray(labels) && labels.length === 2 && labels[0] === 'yes' && labels[1] === 'no',
  };
}
