/**
 * Reads the header of a safetensors file. Every size is checked against the existing bytes before memory is allocated.
 * Source: https://github.com/huggingface/safetensors#format
 */
import { FormatError, grouped } from '../../core/errors.ts';
import { type BlockFormat, bytesOf } from '../../tensor/blockFormat.ts';
import type { ByteSource } from '../byteSource.ts';
import { checkLayout, elementCount, SourceTensor } from '../sourceTensor.ts';
import { decodeUtf8 } from '../utf8.ts';
import { dtypes, isReadable, refuse } from './dtypes.ts';
import { type HeaderEntry, parseHeaderJson } from './headerJson.ts';

export interface SafetensorsFile {
  readonly name: string;
  /** The strings under `__metadata__`. */
  readonly metadata: ReadonlyMap<string, string>;
  /** Reading one of a dtype other than F32, F16 and BF16 is an UnsupportedError. */
  readonly tensors: ReadonlyMap<string, SourceTensor>;
}

/** Limit of the format, so that a header cannot exhaust memory. */
const MAX_HEADER_BYTES = 100_000_000;
const LENGTH_BYTES = 8;

/** @throws {FormatError} with tensor, offset, expected and found @throws {SourceError} from the source */
export async function readSafetensors(
  source: ByteSource,
  options: { signal?: AbortSignal } = {},
): Promise<SafetensorsFile> {
  const length = await readHeaderLength(source, options.signal);
  const bytes = new Uint8Array(length);
  await source.read(LENGTH_BYTES, length, bytes, options.signal);
  const text = decodeUtf8(bytes, source.name, 'the header', LENGTH_BYTES);
  const entries = parseHeaderJson(text, source.name, LENGTH_BYTES);

  const metadata = new Map<string, string>();
  const tensors = new Map<string, SourceTensor>();
  for (const [name, entry] of entries) {
    if (name === '__metadata__') readMetadata(entry, source.name, metadata);
    else tensors.set(name, readTensor(source, name, entry, LENGTH_BYTES + length));
  }
  checkLayout(source, tensors.values());
  return { name: source.name, metadata, tensors };
}

/** Bytes before the first tensor; undefined if the file does not begin as safetensors do. */
export async function safetensorsHeaderBytes(source: ByteSource, signal?: AbortSignal): Promise<number | undefined> {
  if (source.size <= LENGTH_BYTES) return undefined;
  const start = new Uint8Array(LENGTH_BYTES + 1);
  await source.read(0, start.length, start, signal);
  const length = new DataView(start.buffer).getBigUint64(0, true);
  const isHeader = start[LENGTH_BYTES] === 0x7b && length <= source.size - LENGTH_BYTES;
  return isHeader ? LENGTH_BYTES + Number(length) : undefined;
}

/** A tensor with an unsupported type. Reading it throws. */
class UnreadableTensor extends SourceTensor {
  override async read(): Promise<void> {
    refuse(this.source.name, this.name, this.format.name);
  }
}

async function readHeaderLength(source: ByteSource, signal?: AbortSignal): Promise<number> {
  const bytes = new Uint8Array(LENGTH_BYTES);
  await source.read(0, LENGTH_BYTES, bytes, signal);
  const length = new DataView(bytes.buffer).getBigUint64(0, true);
  const most = Math.min(MAX_HEADER_BYTES, source.size - LENGTH_BYTES);
  if (length > most) {
    const problem = `the header's length at byte 0 is ${grouped(length)}, expected at most ${grouped(most)}`;
    throw new FormatError(source.name, problem, { offset: 0, expected: most, found: Number(length) });
  }
  return Number(length);
}

function readMetadata(entry: HeaderEntry, file: string, metadata: Map<string, string>): void {
  for (const [key, value] of entry) {
    if (typeof value !== 'string') throw new FormatError(file, `__metadata__ ${key} is not a string`, { key });
    metadata.set(key, value);
  }
}

/** @param dataOffset offset of the tensor data in the file */
function readTensor(source: ByteSource, name: string, entry: HeaderEntry, dataOffset: number): SourceTensor {
  const wrong = (field: string, found: unknown, expected: string): never => {
    const problem = `tensor ${name} has ${field} ${JSON.stringify(found)}, expected ${expected}`;
    throw new FormatError(source.name, problem, { tensor: name, expected, found });
  };
  const dtype = entry.get('dtype');
  const format = typeof dtype === 'string' ? dtypes.get(dtype) : undefined;
  const shape = entry.get('shape');
  const range = entry.get('data_offsets');
  if (!format) return wrong('the dtype', dtype, `one of ${[...dtypes.keys()].join(', ')}`);
  if (!Array.isArray(shape)) return wrong('the shape', shape, 'whole numbers');
  if (!Array.isArray(range) || range.length !== 2 || !range.every(Number.isSafeInteger)) {
    return wrong('the data_offsets', range, 'two whole numbers');
  }
  const expected = bytesOf(format, elementCount(source.name, name, shape));
  const [begin, end] = range;
  if (end - begin !== expected) {
    return wrong('the data_offsets', range, `${grouped(expected)} bytes as its shape [${shape}] of ${dtype} needs`);
  }
  return tensorAt(source, name, format, shape, dataOffset + begin);
}

function tensorAt(source: ByteSource, name: string, format: BlockFormat, shape: readonly number[], offset: number) {
  const kind = isReadable(format) ? SourceTensor : UnreadableTensor;
  return new kind(source, name, format, shape, offset);
}
