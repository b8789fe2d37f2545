/**
 * Nested bits: a file that is read at 4 bits or at 8. A matrix W is the sum of two planes. The high plane is an ordinary tensor
 * `<name>.weight` in Q4_0. The low plane `<name>.low` refines it: one nibble per element, in steps of the block's scale / STEPS.
 *
 *     4 bits: W ≈ d · h                      d, h of the Q4_0 block
 *     8 bits: W ≈ d · h + d / STEPS · l      l in −8..7
 *
 *     low plane: I8 [rows, columns / 2], 16 bytes for 32 elements: nibbles in the order of a Q4_0 block
 *
 * The low plane has no scales of its own, so both planes together take the bytes of Q8_0. As it is read, it gets the scales of the
 * high plane and is a matrix in Q4_0 too; the product with W is the sum of two products. So every backend can read nested bits.
 */
import { FormatError, UnsupportedError } from '../core/errors.ts';
import type { Checkpoint, CheckpointTensor } from '../formats/checkpoint.ts';
import { productOf } from '../graph/graph.ts';
import { readHalf, writeHalf } from '../tensor/quant/fields.ts';
import { Q4_0 } from '../tensor/quant/q4_0.ts';
import { buildModel } from './buildModel.ts';

/** Steps of the low plane in one of the high plane. */
export const STEPS = 10;
/** Maximum distance of an integer of the high plane from its weight, in steps of the high plane: the range of the low plane. */
export const REACH = 7.5 / STEPS;

const { blockSize, blockBytes } = Q4_0;
const NIBBLES = blockSize / 2;

/** Name of the low plane of a matrix. */
export const lowPlane = (tensor: string): string => tensor.replace(/\.weight$/, '.low');

const isLowPlane = (tensor: string): boolean => tensor.endsWith('.low');

/** True if the file has low planes. */
export function hasNestedBits({ kind, tensors }: Checkpoint): boolean {
  return kind === 'gguf' && [...tensors.keys()].some(isLowPlane);
}

/**
 * A file with nested bits as it is read at 4 or 8 bits; its length is that of what is read. Other files are returned as they are.
 * @param checkpoint closed by `close` of the result @throws {FormatError} if a low plane does not fit its high plane
 */
export function atBits(checkpoint: Checkpoint, bits: 4 | 8): Checkpoint {
  if (!hasNestedBits(checkpoint)) return checkpoint;
  const tensors = new Map<string, CheckpointTensor>();
  let { byteLength } = checkpoint;
  for (const [name, tensor] of checkpoint.tensors)
    if (!isLowPlane(name)) tensors.set(name, tensor);
    else if (bits === 8) tensors.set(name, lowMatrix(checkpoint, tensor));
    else byteLength -= tensor.byteLength;
  const { name, kind, metadata, tokenizer, embedding, chatTemplate } = checkpoint;
  return {
    ...{ name, kind, metadata, tensors, tokenizer, embedding, chatTemplate, byteLength },
    finish: async (signal) => checkpoint.finish?.(signal),
    close: () => checkpoint.close(),
  };
}

/** @throws {UnsupportedError} for tools that change single tensors, as both planes would have to change together */
export function refuseNestedBits(checkpoint: Checkpoint): void {
  if (hasNestedBits(checkpoint))
    throw new UnsupportedError(`${checkpoint.name}: changing the tensors of a file with`, 'nested bits', [
      'the file that it was made from',
    ]);
}

/** Names of the matrices that a low plane can refine: those of plain products, but the output matrix. */
export function plainProducts(checkpoint: Checkpoint): Set<string> {
  const found = new Set<string>();
  for (const node of buildModel(checkpoint).graph.live()) {
    const product = productOf(node);
    if (product && !product.experts && node.label !== 'output') found.add(`${node.label}.weight`);
  }
  return found;
}

/** A low plane as a matrix in Q4_0. */
function lowMatrix({ name: file, tensors }: Checkpoint, low: CheckpointTensor): CheckpointTensor {
  const { name, shape } = low;
  const high = tensors.get(name.replace(/\.low$/, '.weight'));
  const rows = shape[0];
  const columns = 2 * shape.at(-1)!;
  const fits =
    high?.format.name === Q4_0.name && shape.length === 2 && high.shape[0] === rows && high.shape.at(-1) === columns;
  if (!fits || low.format.name !== 'I8') {
    const expected = high ? `I8 beside [${high.shape.join(', ')}] in Q4_0` : 'a matrix in Q4_0 beside it';
    const found = `${low.format.name} [${shape.join(', ')}]`;
    throw new FormatError(
      file,
      `low plane ${name} is ${found}${high ? `, the matrix ${high.format.name}` : ''}, expected ${expected}`,
      {
        tensor: name,
        expected,
        found,
      },
    );
  }
  return {
    name,
    format: Q4_0,
    shape: high.shape,
    byteLength: high.byteLength,
    // only whole rows are read, and these are whole blocks
    async read(offset, into, signal) {
      const [first, count] = [offset / blockBytes, into.length / blockBytes];
      const scales = new Uint8Array(into.length);
      const nibbles = new Uint8Array(count * NIBBLES);
      await high.read(offset, scales, signal);
      await low.read(first * NIBBLES, nibbles, signal);
      for (let block = 0, at = 0; block < count; block++, at += blockBytes) {
        // the target may be shared memory
        writeHalf(into, at, lowStep(readHalf(scales, at)));
        into.set(nibbles.subarray(block * NIBBLES, (block + 1) * NIBBLES), at + blockBytes - NIBBLES);
      }
    },
  };
}

/** Step of the low plane in a block of the high plane, before it is rounded to a half float. @param d scale of the block */
export const lowStep = (d: number): number => d / STEPS;
