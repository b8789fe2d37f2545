/** A model of which some blocks are left out or in other formats: a view of its checkpoint, which is read as any other. */

import { isQuantizable } from '../../compress/mixture.ts';
import { blockCount, refuseOtherBlocks, without } from '../../compress/prune/dropLayers.ts';
import { OptionError } from '../../core/errors.ts';
import type { Checkpoint, CheckpointTensor } from '../../formats/checkpoint.ts';
import { type BlockFormat, bytesOf } from '../../tensor/blockFormat.ts';
import { formatByName } from '../../tensor/formats.ts';

/** A block that is left out. */
export const DROPPED = 'dropped';
/** A block in the formats of its file. */
export const SOURCE = 'source';

/**
 * @param base with GGUF names @param levels of each block: `DROPPED`, `SOURCE`, or the name of a block format for its matrices
 * @returns closed with `base` @throws {UnsupportedError} if a kept block would compute something else @throws {OptionError}
 */
export function variantOf(base: Checkpoint, levels: readonly string[]): Checkpoint {
  const count = blockCount(base);
  if (levels.length !== count) throw new OptionError('levels', levels.length, `${count}, one for each block`);
  const dropped = [...levels.keys()].filter((block) => levels[block] === DROPPED);
  if (dropped.length === count) throw new OptionError('levels', 'all dropped', 'at least one block');
  const tensors = new Map<string, CheckpointTensor>();
  for (const [name, tensor] of base.tensors) {
    const level = levels[Number(/^blk\.(\d+)\./.exec(name)?.[1] ?? -1)] ?? SOURCE;
    const isOther = level !== SOURCE && level !== DROPPED && isQuantizable(tensor);
    tensors.set(name, isOther ? transcoded(tensor, formatByName(level)) : tensor);
  }
  const { name, kind, metadata, byteLength, tokenizer, chatTemplate } = base;
  const view: Checkpoint = {
    name,
    kind,
    metadata,
    tensors,
    byteLength,
    tokenizer,
    chatTemplate,
    close: async () => undefined,
  };
  if (dropped.length === 0) return view;
  const result = without(view, dropped, count);
  refuseOtherBlocks(view, result, dropped, count);
  return { ...result, tokenizer, chatTemplate };
}

/** A matrix in another format, encoded while it is read. A row that the blocks do not fill keeps its format. */
function transcoded(tensor: CheckpointTensor, format: BlockFormat): CheckpointTensor {
  const { name, shape, format: from } = tensor;
  const width = shape.at(-1)!;
  if (from === format || width % format.blockSize !== 0) return tensor;
  const rowBytes = { from: bytesOf(from, width), to: bytesOf(format, width) };
  const elements = (tensor.byteLength / from.blockBytes) * from.blockSize;
  return {
    name,
    shape,
    format,
    byteLength: bytesOf(format, elements),
    // only whole rows are read
    async read(offset, into, signal) {
      const [first, rows] = [offset / rowBytes.to, into.length / rowBytes.to];
      const stored = new Uint8Array(rows * rowBytes.from);
      await tensor.read(first * rowBytes.from, stored, signal);
      const values = new Float32Array(rows * width);
      from.decode(stored, 0, values, 0, values.length / from.blockSize);
      // `into` may be shared memory, which encoders are not made for
      const bytes = new Uint8Array(into.length);
      format.encode(values, 0, bytes, 0, values.length / format.blockSize);
      into.set(bytes);
    },
  };
}
