/** Reads the sizes of decoders from GGUF keys. Numbers of heads and feed-forward widths may differ between layers. */
import { FormatError, UnsupportedError } from '../../core/errors.ts';
import { MOST_HEAD_SIZE, MOST_HEADS, MOST_LAYERS } from '../limits.ts';
import type { ModelBuilder } from '../modelBuilder.ts';

export interface Dimensions {
  /** Number of blocks, without those at the end that only predict several tokens at a time (MTP). */
  readonly layers: number;
  readonly width: number;
  readonly headSize: number;
  /** Heads per layer. A layer with 0 heads has no attention. */
  readonly heads: readonly number[];
  readonly kvHeads: readonly number[];
  /** Feed-forward width per layer. A layer of width 0 has no feed-forward part. */
  readonly ffn: readonly number[];
}

/** @throws {FormatError} if a size is missing or the sizes do not fit each other; {UnsupportedError} for mixtures of experts */
/** @param localHeads true if local layers may have heads of another size, which the caller reads */
export function readDimensions(model: ModelBuilder, { localHeads = false } = {}): Dimensions {
  const { metadata } = model;
  const blocks = metadata.count('block_count', undefined, 1, MOST_LAYERS);
  const layers = blocks - metadata.count('nextn_predict_layers', 0, 0, blocks - 1);
  const width = metadata.count('embedding_length');
  const heads = metadata.counts('attention.head_count', layers, undefined, 0, MOST_HEADS);
  const kvHeads = metadata.counts('attention.head_count_kv', layers, heads, 0, MOST_HEADS);
  for (const [layer, count] of heads.entries()) {
    const shared = kvHeads[layer];
    if (count === 0 || shared === 0 || count % shared === 0) continue;
    const problem = `${count} attention heads cannot share ${shared} key heads evenly`;
    throw new FormatError(metadata.file, problem, { heads: count, kvHeads: shared, layer });
  }
  const headSize = headSizeOf(model);
  for (const key of ['attention.value_length', 'attention.key_length_swa', 'attention.value_length_swa']) {
    const expected =
      localHeads && key.endsWith('_swa') ? metadata.count('attention.key_length_swa', headSize, 0) : headSize;
    const found = metadata.count(key, expected, 0);
    if (found !== expected && found !== 0)
      throw new UnsupportedError(`${metadata.file}: a ${key} other than attention.key_length,`, String(found));
  }
  const ffn = metadata.counts('feed_forward_length', layers, 4 * width, 0);
  return { layers, width, headSize, heads, kvHeads, ffn };
}

export function headSizeOf({ metadata }: ModelBuilder): number {
  const [heads] = metadata.counts('attention.head_count', 1, undefined, 0, MOST_HEADS);
  const evenly = Math.floor(metadata.count('embedding_length') / Math.max(1, heads));
  return metadata.count('attention.key_length', evenly, 1, MOST_HEAD_SIZE);
}
