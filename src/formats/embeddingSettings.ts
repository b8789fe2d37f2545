/** How a model's outputs become the embedding of a text, as its files say. */

/** Which outputs of a text's tokens count; 'meanSqrtLength': their sum over the root of their number. */
export const POOLINGS = ['mean', 'cls', 'last', 'max', 'meanSqrtLength', 'weightedMean'] as const;
export type Pooling = (typeof POOLINGS)[number];

/** A layer behind the pooling: y = activation(W·x + b). */
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
  /** Texts by name to put before a text, such as 'query' → 'search_query: '. */
  readonly prompts?: Readonly<Record<string, string>>;
  /** Name of the prompt that is used without another. */
  readonly defaultPrompt?: string;
  /** False if the tokens of the prompt do not count in the pooling. Default: true. */
  readonly promptCounts?: boolean;
  /** Maximum tokens of a text, with special tokens. */
  readonly maxLength?: number;
  readonly dense?: readonly DenseLayer[];
}

/** GGUF's `pooling_type`; 0 is none, 4 a classifier on the first token. */
const GGUF_POOLINGS: readonly (Pooling | undefined)[] = [undefined, 'mean', 'cls', 'last', 'cls'];

/** What a GGUF file says; llama.cpp scales embeddings to length 1. */
export function embeddingFromGguf(metadata: ReadonlyMap<string, unknown>): EmbeddingSettings | undefined {
  const type = metadata.get(`${String(metadata.get('general.architecture'))}.pooling_type`);
  if (typeof type !== 'number') return undefined;
  const pooling = GGUF_POOLINGS[type];
  return pooling ? { pooling, normalize: true } : undefined;
}
