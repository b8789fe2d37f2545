/** Sizes that all decoder models have, by GGUF keys. */
import { FormatError } from '../../core/errors.ts';
import type { ModelBuilder } from '../architecture.ts';

export interface Dimensions {
  readonly layers: number;
  readonly width: number;
  readonly ffn: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly vocabulary: number;
}

/** @throws {FormatError} if a size is missing or sizes do not fit together */
export function readDimensions(model: ModelBuilder): Dimensions {
  const { metadata } = model;
  if (metadata.count('expert_count', 0, 0) > 0)
    throw new FormatError(metadata.file, 'it is a mixture of experts, which this architecture does not support yet');
  const width = metadata.count('embedding_length');
  const heads = metadata.count('attention.head_count');
  const kvHeads = metadata.count('attention.head_count_kv', heads);
  if (heads % kvHeads !== 0) {
    const problem = `${heads} attention heads are not a multiple of ${kvHeads} key heads`;
    throw new FormatError(metadata.file, problem, { heads, kvHeads });
  }
  const headSize = metadata.count('attention.key_length', Math.floor(width / heads));
  const embedding = model.weight('token_embd.weight', undefined, width);
  return {
    layers: metadata.count('block_count'),
    width,
    ffn: metadata.count('feed_forward_length', 4 * width),
    heads,
    kvHeads,
    headSize,
    vocabulary: Number(embedding.shape[0]),
  };
}
