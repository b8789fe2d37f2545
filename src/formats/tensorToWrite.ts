/** A tensor to write into a file of any format. */

import { FormatError, grouped, OptionError } from '../core/errors.ts';
import { type BlockFormat, bytesOf } from '../tensor/blockFormat.ts';
import type { ByteSink } from './byteSink.ts';
import type { CheckpointTensor } from './checkpoint.ts';
import { readTensor } from './readTensor.ts';

export interface TensorToWrite {
  readonly name: string;
  readonly format: BlockFormat;
  /** Slowest dimension first. */
  readonly shape: readonly number[];
  /** The bytes, or a function that returns them, whole or in parts, when the writer reaches this tensor. */
  readonly data: Uint8Array | (() => Uint8Array | Promise<Uint8Array> | AsyncIterable<Uint8Array>);
}

/** Number of bytes of a tensor. @throws {OptionError} if its rows are not whole blocks */
export function byteLengthOf({ name, format, shape }: TensorToWrite): number {
  const row = shape.at(-1) ?? 1;
  if (row % format.blockSize !== 0) {
    throw new OptionError(
      `row length of ${name}`,
      row,
      `a multiple of ${format.blockSize}, the block of ${format.name}`,
    );
  }
  return bytesOf(
    format,
    shape.reduce((product, size) => product * size, 1),
  );
}

/** Writes a tensor's bytes to the sink. @throws {FormatError} if they are not exactly `byteLengthOf` bytes */
export async function writeTensorData(tensor: TensorToWrite, sink: ByteSink, signal?: AbortSignal): Promise<void> {
  const expected = byteLengthOf(tensor);
  let found = 0;
  const data = typeof tensor.data === 'function' ? await tensor.data() : tensor.data;
  for await (const part of data instanceof Uint8Array ? [data] : data) {
    signal?.throwIfAborted();
    found += part.length;
    if (found > expected) break;
    await sink.write(part);
  }
  if (found !== expected) {
    const problem = `has ${grouped(found)} bytes of data but its shape and format need ${grouped(expected)}`;
    throw new FormatError(tensor.name, problem, { tensor: tensor.name, expected, found });
  }
}

/** A tensor of another checkpoint, as it is. @param name in the new file */
export function copiedTensor(name: string, tensor: CheckpointTensor, signal?: AbortSignal): TensorToWrite {
  return { name, shape: tensor.shape, format: tensor.format, data: () => readTensor(tensor, signal) };
}
