/** A tensor that is contiguous in a file, and the checks for files of such tensors. */
import { FormatError, grouped } from '../core/errors.ts';
import { type BlockFormat, bytesOf } from '../tensor/blockFormat.ts';
import type { ByteSource } from './byteSource.ts';
import type { CheckpointTensor } from './checkpoint.ts';

export class SourceTensor implements CheckpointTensor {
  readonly byteLength: number;
  constructor(
    readonly source: ByteSource,
    readonly name: string,
    readonly format: BlockFormat,
    readonly shape: readonly number[],
    /** Offset in the file, in bytes. */
    readonly offset: number,
  ) {
    this.byteLength = bytesOf(format, elementCount(source.name, name, shape));
  }

  get isLocal(): boolean | undefined {
    return this.source.isLocal;
  }

  async read(offset: number, into: Uint8Array, signal?: AbortSignal): Promise<void> {
    if (offset < 0 || offset + into.length > this.byteLength) {
      const asked = `bytes ${grouped(offset)} to ${grouped(offset + into.length)} were asked for`;
      throw new RangeError(`tensor ${this.name}: ${asked} but it has ${grouped(this.byteLength)}`);
    }
    await this.source.read(this.offset + offset, into.length, into, signal);
  }
}

/** Number of elements of a shape. @throws {FormatError} if a dimension or the product exceeds exact numbers */
export function elementCount(file: string, tensor: string, shape: readonly number[]): number {
  let count = 1;
  let largest = 0;
  for (const size of shape) {
    count *= size;
    largest = Math.max(largest, size);
  }
  // also the largest dimension alone, which a dimension of 0 would hide
  if (!(Math.max(count, largest) <= Number.MAX_SAFE_INTEGER)) {
    const listed = shape.slice(0, 8).join(', ');
    const problem = `tensor ${tensor} has the shape [${listed}], more elements than any file holds`;
    throw new FormatError(file, problem, { tensor, found: listed });
  }
  return count;
}

/** @throws {FormatError} if a tensor exceeds the file or overlaps another */
export function checkLayout(source: ByteSource, tensors: Iterable<SourceTensor>): void {
  let before: SourceTensor | undefined;
  for (const tensor of [...tensors].sort((a, b) => a.offset - b.offset || a.byteLength - b.byteLength)) {
    const end = tensor.offset + tensor.byteLength;
    if (end > source.size) {
      const problem = `tensor ${tensor.name} ends at byte ${grouped(end)} but the file has ${grouped(source.size)}: it is truncated`;
      throw new FormatError(source.name, problem, {
        tensor: tensor.name,
        offset: tensor.offset,
        expected: end,
        found: source.size,
      });
    }
    if (before && before.offset + before.byteLength > tensor.offset) {
      const expected = before.offset + before.byteLength;
      const problem = `tensor ${tensor.name} starts at byte ${grouped(tensor.offset)} but ${before.name} ends at ${grouped(expected)}: they overlap`;
      throw new FormatError(source.name, problem, {
        tensor: tensor.name,
        offset: tensor.offset,
        expected,
        found: tensor.offset,
      });
    }
    before = tensor;
  }
}
