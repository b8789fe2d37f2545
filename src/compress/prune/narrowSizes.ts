/** Sizes of a model before and after neurons and heads are removed: of its tensors, and in its metadata. */
import { OptionError, UnsupportedError } from '../../core/errors.ts';
import type { Checkpoint, CheckpointTensor } from '../../formats/checkpoint.ts';

export interface NarrowSizes {
  /** Neurons of a block's feed-forward part, before and after. */
  readonly neurons: readonly [before: number, after: number];
  /** Key-value heads, before and after. */
  readonly heads: readonly [before: number, after: number];
  /** Queries of a key-value head, and the sizes of a head. */
  readonly groupSize: number;
  readonly keySize: number;
  readonly valueSize: number;
  /** Metadata of the result. */
  readonly metadata: ReadonlyMap<string, unknown>;
  /** Shape of a tensor in the result. */
  shapeOf(tensor: CheckpointTensor): readonly number[];
  /** Rows that are kept of a part, e.g. 'attn_q.weight'; undefined: all. */
  rowsOf(part: string, kept: { readonly neurons: Int32Array; readonly heads: Int32Array }): Int32Array | undefined;
}

export interface Shares {
  readonly keep?: number;
  readonly keepNeurons?: number;
  readonly keepHeads?: number;
}

/** Neurons come in multiples of this, the size of a block of most formats. */
const NEURONS = 32;
/** Parts of a block whose channels are known; all others are refused. */
const ROWS_OF_NEURONS = /^ffn_(gate|up)\.(weight|bias)$/;
const KNOWN = /^(attn_(q|k|v|output)|ffn_(gate|up|down))\.(weight|bias)$/;
/** Vectors of the residual stream, or of one head. */
const UNCHANGED = /^(attn_norm|ffn_norm|post_attention_norm|post_ffw_norm|attn_q_norm|attn_k_norm)\.(weight|bias)$/;

/** @throws {OptionError} for a share that keeps all or nothing @throws {UnsupportedError} for an unknown part of a block */
export function narrowSizes({ name, metadata, tensors }: Checkpoint, shares: Shares): NarrowSizes {
  const architecture = String(metadata.get('general.architecture'));
  const key = (part: string) => `${architecture}.${part}`;
  const number = (part: string, otherwise?: number): number => {
    const value = metadata.get(key(part)) ?? otherwise;
    if (typeof value === 'number') return value;
    const found = value === undefined ? 'missing' : 'a list with a number for each block';
    throw new UnsupportedError(`${name}: removing neurons or heads of a model whose ${key(part)} is`, found);
  };
  const width = number('embedding_length');
  const queries = number('attention.head_count');
  const heads = number('attention.head_count_kv', queries);
  const keySize = number('attention.key_length', width / queries);
  const valueSize = number('attention.value_length', width / queries);
  const groupSize = queries / heads;
  const neurons = number('feed_forward_length');
  for (const tensor of tensors.values()) refuseUnknown(name, tensor, keySize);
  const kept = (share: number | undefined, label: string, count: number, unit: number): number => {
    if (share === undefined) return count;
    if (!(share > 0 && share <= 1)) throw new OptionError(label, share, 'a share above 0, at most 1');
    return Math.min(count, Math.max(unit, Math.round((share * count) / unit) * unit));
  };
  const keptNeurons = kept(shares.keepNeurons ?? shares.keep, 'keepNeurons', neurons, Math.min(NEURONS, neurons));
  const keptHeads = kept(shares.keepHeads ?? shares.keep, 'keepHeads', heads, 1);
  if (keptNeurons === neurons && keptHeads === heads)
    throw new OptionError(
      'keep',
      shares.keep ?? 'missing',
      `a share that keeps fewer than ${neurons} neurons or ${heads} heads`,
    );
  const changed = new Map(metadata);
  for (const [part, value] of [
    ['feed_forward_length', keptNeurons],
    ['attention.head_count', keptHeads * groupSize],
    ['attention.head_count_kv', keptHeads],
    ['attention.key_length', keySize],
    ['attention.value_length', valueSize],
    // its default is the width by the number of heads
    ['rope.dimension_count', number('rope.dimension_count', keySize)],
  ] as const)
    changed.set(key(part), value);
  for (const own of changed.keys()) if (own.startsWith('split.')) changed.delete(own);
  const headSizes: Readonly<Record<string, number>> = { q: groupSize * keySize, k: keySize, v: valueSize };
  const sizeOfHead = (part: string) => headSizes[/^attn_([qkv])\./.exec(part)?.[1] ?? ''];
  return {
    neurons: [neurons, keptNeurons],
    heads: [heads, keptHeads],
    ...{ groupSize, keySize, valueSize, metadata: changed },
    shapeOf({ name: tensor, shape }) {
      const part = partOf(tensor);
      if (part === undefined) return shape;
      if (ROWS_OF_NEURONS.test(part)) return [keptNeurons, ...shape.slice(1)];
      if (part === 'ffn_down.weight') return [shape[0], keptNeurons];
      if (part === 'attn_output.weight') return [shape[0], keptHeads * groupSize * valueSize];
      const size = sizeOfHead(part);
      return size === undefined ? shape : [keptHeads * size, ...shape.slice(1)];
    },
    rowsOf(part, own) {
      if (ROWS_OF_NEURONS.test(part)) return own.neurons;
      const size = sizeOfHead(part);
      if (size === undefined) return undefined;
      return Int32Array.from(
        { length: own.heads.length * size },
        (_, i) => own.heads[Math.floor(i / size)] * size + (i % size),
      );
    },
  };
}

const partOf = (tensor: string): string | undefined => /^blk\.\d+\.(.*)$/.exec(tensor)?.[1];

function refuseUnknown(file: string, { name, format, shape }: CheckpointTensor, keySize: number): void {
  const part = partOf(name);
  if (part === undefined) return;
  if (KNOWN.test(part)) {
    if (format.blockSize === 1) return;
    const formats = ['F32', 'F16', 'BF16'];
    throw new UnsupportedError(`${file}: removing neurons or heads of a model with tensors in`, format.name, formats);
  }
  const isOfAllHeads = /^attn_[qk]_norm/.test(part) && shape[0] !== keySize;
  if (UNCHANGED.test(part) && !isOfAllHeads) return;
  throw new UnsupportedError(`${file}: removing neurons or heads of a model whose blocks have`, name);
}
