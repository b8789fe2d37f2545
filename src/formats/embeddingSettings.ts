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
  /** Template by which a reranker reads a query and a document. Default: both texts with the tokenizer's tokens for pairs. */
  readonly ranking?: RankingSettings;
}

export interface RankingSettings {
  /** Text that the model reads, with {query} and {document} in place of the texts. */
  readonly template?: string;
  /** True if the classifier's outputs are for the answers yes and no, in this order. */
  readonly yesOrNo?: boolean;
}

/** GGUF's `pooling_type`; 0 is none, 4 a classifier. */
const GGUF_POOLINGS: readonly (Pooling | undefined)[] = [undefined, 'mean', 'cls', 'last'];
const RANK = 4;

/** Reads the settings of a GGUF file. Embeddings are scaled to length 1, as in llama.cpp. */
export function embeddingFromGguf(metadata: ReadonlyMap<string, unknown>): EmbeddingSettings | undefined {
  const own = (key: string) => metadata.get(`${String(metadata.get('general.architecture'))}.${key}`);
  const type = own('pooling_type');
  if (type === RANK)
    return { pooling: own('attention.causal') === false ? 'cls' : 'last', ranking: rankingFromGguf(metadata, own) };
  const pooling = typeof type === 'number' ? GGUF_POOLINGS[type] : undefined;
  return pooling ? { pooling, normalize: true } : undefined;
}

function rankingFromGguf(metadata: ReadonlyMap<string, unknown>, own: (key: string) => unknown): RankingSettings {
  const template = metadata.get('tokenizer.chat_template.rerank');
  const labels = own('classifier.output_labels');
  return {
    ...(typeof template === 'string' ? { template } : {}),
    yesOrNo: Array.isArray(labels) && labels.length === 2 && labels[0] === 'yes' && labels[1] === 'no',
  };
}
