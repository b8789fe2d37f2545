/** Settings of an embedding model in its files: pooling, projection, normalization and prompts. */

/** Pooling of a text's token outputs. 'meanSqrtLength': sum divided by the square root of the number of tokens. */
export const POOLINGS = ['mean', 'cls', 'last', 'max', 'meanSqrtLength', 'weightedMean'] as const;
export type Pooling = (typeof POOLINGS)[number];

/** A dense layer after pooling: y = activation(W·x + b). */
export interface DenseLayer {
  /** W in row order, [outputs, inputs]. */
  readonly weight: Float32Array;
  readonly bias?: Float32Array;
  readonly activation: 'identity' | 'tanh';
}

export interface EmbeddingSettings {
  readonly pooling?: Pooling;
  /** The embedding is scaled to length 1. */
  readonly normalize?: boolean;
  /** Named prefixes for texts, e.g. 'query' → 'search_query: '. */
  readonly prompts?: Readonly<Record<string, string>>;
  /** Name of the default prompt. */
  readonly defaultPrompt?: string;
  /** False to exclude the prompt's tokens from pooling. Default: true. */
  readonly promptCounts?: boolean;
  /** Maximum tokens of a text, including special tokens. */
  readonly maxLength?: number;
  readonly dense?: readonly DenseLayer[];
}

/** GGUF's `pooling_type`; 0 is none, 4 a classifier on the first token. */
const GGUF_POOLINGS: readonly (Pooling | undefined)[] = [undefined, 'mean', 'cls', 'last', 'cls'];

/** Reads the settings of a GGUF file. Embeddings are scaled to length 1, as in llama.cpp. */
export function embeddingFromGguf(metadata: ReadonlyMap<string, unknown>): EmbeddingSettings | undefined {
  const type = metadata.get(`${String(metadata.get('general.architecture'))}.pooling_type`);
  if (typeof type !== 'number') return undefined;
  const pooling = GGUF_POOLINGS[type];
  return pooling ? { pooling, normalize: true } : undefined;
}
