/**
 * Writes safetensors. Tensors are streamed one by one in the given order.
 * Source: https://github.com/huggingface/safetensors#format
 */
import { OptionError } from '../../core/errors.ts';
import { type ByteSink, memorySink } from '../byteSink.ts';
import { byteLengthOf, type TensorToWrite, writeTensorData } from '../tensorToWrite.ts';
import { isReadable } from './dtypes.ts';

export interface SafetensorsContents {
  readonly metadata?: Iterable<readonly [string, string]>;
  /** Tensors in F32, F16 or BF16. */
  readonly tensors: readonly TensorToWrite[];
}

/** Writes a file to a sink. @throws {OptionError} for tensors that safetensors cannot represent @throws errors of the sink */
export async function writeSafetensors(
  sink: ByteSink,
  { metadata, tensors }: SafetensorsContents,
  options: { signal?: AbortSignal } = {},
): Promise<void> {
  const fields: string[] = [];
  const field = (name: string, value: unknown) => fields.push(`${JSON.stringify(name)}:${JSON.stringify(value)}`);
  if (metadata) field('__metadata__', Object.fromEntries(metadata));
  const names = new Set(['__metadata__']);
  let offset = 0;
  for (const tensor of tensors) {
    const { name, format, shape } = tensor;
    if (names.has(name)) throw new OptionError('tensor name', name, 'unique names other than __metadata__');
    if (!isReadable(format)) throw new OptionError(`format of ${name}`, format.name, 'F32, F16 or BF16 in safetensors');
    names.add(name);
    const end = offset + byteLengthOf(tensor);
    field(name, { dtype: format.name, shape, data_offsets: [offset, end] });
    offset = end;
  }
  const text = new TextEncoder().encode(`{${fields.join(',')}}`);
  // padded with spaces to a multiple of 8, so that tensors are aligned
  const header = new Uint8Array(8 + Math.ceil(text.length / 8) * 8).fill(0x20);
  header.set(text, 8);
  new DataView(header.buffer).setBigUint64(0, BigInt(header.length - 8), true);
  await sink.write(header);
  for (const tensor of tensors) await writeTensorData(tensor, sink, options.signal);
}

/** Returns the bytes of a whole file, for small models. */
export async function safetensorsBytes(contents: SafetensorsContents): Promise<Uint8Array> {
  const sink = memorySink();
  await writeSafetensors(sink, contents);
  return sink.bytes();
}
