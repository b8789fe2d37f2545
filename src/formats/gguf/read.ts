/**
 * Reads the header of a GGUF file (versions 2 and 3, little endian): metadata and the location of each tensor.
 * Every size in the file is checked against the existing bytes before memory is allocated.
 * Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */
import { FormatError, grouped, UnsupportedError } from '../../core/errors.ts';
import { type BlockFormat, bytesOf } from '../../tensor/blockFormat.ts';
import { formatByGgmlType } from '../../tensor/formats.ts';
import type { ByteSource } from '../byteSource.ts';
import type { MetadataValue } from '../checkpoint.ts';
import { checkLayout, elementCount, SourceTensor } from '../sourceTensor.ts';
import { HeaderWindow } from './headerWindow.ts';
import { ARRAY_ID, BOOL_ID, exactNumber, type GgufType, numberTypes, STRING_ID } from './valueTypes.ts';

export interface GgufFile {
  readonly name: string;
  readonly version: number;
  /**
   * Arrays of numbers are typed arrays, except 64-bit integers, which are plain arrays. Arrays of booleans are 0 and 1 in a
   * Uint8Array. Arrays of strings or arrays are plain arrays. Invalid UTF-8 bytes in strings become lone surrogates, see
   * `decodeLoosely`.
   */
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  /** The type each metadata value has in the file: 'u32', 'string[]' … */
  readonly types: ReadonlyMap<string, GgufType>;
  readonly tensors: ReadonlyMap<string, SourceTensor>;
  /** Bytes of the header: magic, metadata and list of tensors, without the padding behind it. */
  readonly headerBytes: number;
  /** Offset of the tensor data in bytes. */
  readonly dataOffset: number;
  /** Alignment of tensors relative to `dataOffset`, in bytes. */
  readonly alignment: number;
}

const MAGIC = 0x46554747;
const MAX_DIMENSIONS = 4;
const MAX_ARRAY_DEPTH = 4;
/** Maximum number of pairs, tensors and nested arrays. Far more than real files have, but they still fit into memory. */
const MAX_COUNT = 65_536;
/** Minimum bytes of an entry: key length, type and one byte of value; name length, dimensions, type, offset. */
const LEAST_PAIR_BYTES = 13;
const LEAST_TENSOR_BYTES = 24;

interface TensorEntry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly format: BlockFormat;
  readonly offset: number;
}

interface TypedValue {
  readonly type: GgufType;
  readonly value: MetadataValue;
}

/**
 * @throws {FormatError} with tensor, offset, expected and found, if the file breaks its format
 * @throws {UnsupportedError} for another version, byte order or tensor type @throws {SourceError} from the source
 */
export async function readGguf(source: ByteSource, options: { signal?: AbortSignal } = {}): Promise<GgufFile> {
  const window = new HeaderWindow(source, options.signal);
  const { version, tensorCount, pairCount } = await window.parse(() => readPreamble(window, source.name));

  const metadata = new Map<string, MetadataValue>();
  const types = new Map<string, GgufType>();
  for (let i = 0; i < pairCount; i++) {
    await window.parse(() => {
      const offset = window.offset;
      const key = window.name(`metadata key ${i}`);
      if (metadata.has(key)) {
        const problem = `metadata key ${key} at byte ${grouped(offset)} occurs twice`;
        throw new FormatError(source.name, problem, { key, offset });
      }
      const { type, value } = readValue(window, source.name, `metadata ${key}`, window.u32(), 0);
      metadata.set(key, value);
      types.set(key, type);
    });
  }

  const alignment = readAlignment(metadata, source.name);
  const entries = new Map<string, TensorEntry>();
  for (let i = 0; i < tensorCount; i++) {
    const entry = await window.parse(() => readTensorEntry(window, source.name, i));
    if (entries.has(entry.name)) {
      const problem = `tensor ${entry.name} is listed twice`;
      throw new FormatError(source.name, problem, { tensor: entry.name, offset: window.offset });
    }
    entries.set(entry.name, entry);
  }

  const headerBytes = window.offset;
  const dataOffset = Math.ceil(headerBytes / alignment) * alignment;
  const tensors = new Map<string, SourceTensor>();
  for (const { name, format, shape, offset } of entries.values()) {
    if (offset % alignment !== 0) {
      const problem = `tensor ${name} starts at byte ${grouped(offset)} of the data, which is not a multiple of the alignment ${alignment}`;
      throw new FormatError(source.name, problem, { tensor: name, offset, expected: alignment });
    }
    tensors.set(name, new SourceTensor(source, name, format, shape, dataOffset + offset));
  }
  checkLayout(source, tensors.values());
  return { name: source.name, version, metadata, types, tensors, headerBytes, dataOffset, alignment };
}

function readPreamble(window: HeaderWindow, file: string) {
  const magic = window.u32();
  if (magic !== MAGIC) {
    const found = `0x${magic.toString(16).padStart(8, '0')}`;
    throw new FormatError(file, `starts with ${found} instead of 'GGUF': it is not a GGUF file`, {
      offset: 0,
      expected: 'GGUF',
      found,
    });
  }
  const version = window.u32();
  if (version !== 0 && (version & 0xffff) === 0) {
    throw new UnsupportedError(`${file}: byte order`, 'big endian', ['little endian']);
  }
  if (version !== 2 && version !== 3) throw new UnsupportedError(`${file}: GGUF version`, String(version), ['2', '3']);
  const tensorCount = window.count('number of tensors', LEAST_TENSOR_BYTES, MAX_COUNT);
  const pairCount = window.count('number of metadata pairs', LEAST_PAIR_BYTES, MAX_COUNT);
  return { version, tensorCount, pairCount };
}

/** @param what name of the value for errors @param id type number @param depth nesting depth of arrays */
function readValue(window: HeaderWindow, file: string, what: string, id: number, depth: number): TypedValue {
  if (id === STRING_ID) return { type: 'string', value: window.string(what) };
  if (id === BOOL_ID) return { type: 'bool', value: readBools(window, file, what, 1)[0] === 1 };
  if (id === ARRAY_ID) return readArray(window, file, what, depth);
  const type = numberTypeById(id, file, what);
  return { type: type.name, value: window.number(type.bytes, type.get) };
}

function readArray(window: HeaderWindow, file: string, what: string, depth: number): TypedValue {
  if (depth >= MAX_ARRAY_DEPTH) {
    const problem = `${what} nests arrays more than ${MAX_ARRAY_DEPTH} deep at byte ${grouped(window.offset)}`;
    throw new FormatError(file, problem, { offset: window.offset, expected: MAX_ARRAY_DEPTH });
  }
  const id = window.u32();
  const length = `length of array ${what}`;
  if (id === STRING_ID) {
    const value = window.strings(what, window.count(length, 8));
    return { type: 'string[]', value };
  }
  if (id === BOOL_ID) return { type: 'bool[]', value: readBools(window, file, what, window.count(length, 1)) };
  if (id === ARRAY_ID) return readNestedArray(window, file, what, depth);
  const type = numberTypeById(id, file, what);
  const packed = new type.packed(window.copy(window.count(length, type.bytes) * type.bytes).buffer);
  const wide = packed instanceof BigInt64Array || packed instanceof BigUint64Array;
  return { type: `${type.name}[]`, value: wide ? Array.from(packed, exactNumber) : packed };
}

function readNestedArray(window: HeaderWindow, file: string, what: string, depth: number): TypedValue {
  const value = new Array<MetadataValue>(window.count(`length of array ${what}`, 12, MAX_COUNT));
  let inner: GgufType | undefined;
  for (let i = 0; i < value.length; i++) {
    const element = readArray(window, file, what, depth + 1);
    if (element.type !== (inner ??= element.type)) {
      const problem = `${what} mixes arrays of ${inner} and ${element.type} at byte ${grouped(window.offset)}`;
      throw new FormatError(file, problem, { offset: window.offset, expected: inner, found: element.type });
    }
    value[i] = element.value;
  }
  return { type: `${inner ?? 'u8[]'}[]`, value };
}

/** Booleans, each 0 or 1. */
function readBools(window: HeaderWindow, file: string, what: string, count: number): Uint8Array {
  const first = window.offset;
  const values = window.copy(count);
  const wrong = values.findIndex((value) => value > 1);
  if (wrong >= 0) {
    const problem = `${what} holds ${values[wrong]} at byte ${grouped(first + wrong)}, expected a boolean, 0 or 1`;
    throw new FormatError(file, problem, { offset: first + wrong, expected: '0 or 1', found: values[wrong] });
  }
  return values;
}

function numberTypeById(id: number, file: string, what: string) {
  const type = numberTypes.find((type) => type.id === id);
  if (!type)
    throw new FormatError(file, `${what} has type number ${id}, expected 0 to 12`, { expected: '0..12', found: id });
  return type;
}

function readAlignment(metadata: ReadonlyMap<string, MetadataValue>, file: string): number {
  const alignment = metadata.get('general.alignment') ?? 32;
  const valid = typeof alignment === 'number' && alignment >= 1 && Number.isInteger(Math.log2(alignment));
  if (!valid) {
    const problem = `general.alignment is ${String(alignment)}, expected a power of two`;
    throw new FormatError(file, problem, { expected: 'a power of two', found: alignment });
  }
  return alignment;
}

function readTensorEntry(window: HeaderWindow, file: string, index: number): TensorEntry {
  const name = window.name(`name of tensor ${index}`);
  const offset = window.offset;
  const dimensions = window.u32();
  if (dimensions > MAX_DIMENSIONS) {
    const problem = `tensor ${name} has ${dimensions} dimensions at byte ${grouped(offset)}, expected at most ${MAX_DIMENSIONS}`;
    throw new FormatError(file, problem, { tensor: name, offset, expected: MAX_DIMENSIONS, found: dimensions });
  }
  const shape = Array.from({ length: dimensions }, () => window.u64()).reverse();
  elementCount(file, name, shape);
  const format = formatByGgmlType(window.u32(), `${file}: tensor ${name}`);
  const row = shape.at(-1) ?? 1;
  if (row % format.blockSize !== 0) {
    const problem = `tensor ${name} has rows of ${grouped(row)}, expected a multiple of ${format.blockSize}, the block of ${format.name}`;
    throw new FormatError(file, problem, { tensor: name, offset, expected: format.blockSize, found: row });
  }
  const byteOffset = window.u64();
  if (byteOffset + bytesOf(format, elementCount(file, name, shape)) > Number.MAX_SAFE_INTEGER) {
    const problem = `tensor ${name} starts at byte ${grouped(byteOffset)} of the data, beyond any file`;
    throw new FormatError(file, problem, { tensor: name, offset, found: byteOffset });
  }
  return { name, shape, format, offset: byteOffset };
}
