/**
 * Writes GGUF version 3, little endian. Tensors are streamed one by one.
 * Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */
import { OptionError } from '../../core/errors.ts';
import { type ByteSink, memorySink } from '../byteSink.ts';
import { byteLengthOf, type TensorToWrite, writeTensorData } from '../tensorToWrite.ts';
import type { GgufFile } from './read.ts';
import { ARRAY_ID, BOOL_ID, type GgufType, type NumberArray, numberTypes, STRING_ID } from './valueTypes.ts';

/** A value with an explicit type, e.g. 1 as 'f32'. 'u32[]' is an array. */
export interface TypedGgufValue {
  readonly type: GgufType;
  readonly value: GgufScalar | readonly unknown[] | NumberArray;
}
export type GgufScalar = string | boolean | number | bigint;
export type GgufValue =
  | TypedGgufValue
  | GgufScalar
  | NumberArray
  | readonly string[]
  | readonly boolean[]
  | readonly number[];

export interface GgufContents {
  /**
   * Values without explicit type get one: integers u32, or i32, u64, i64 if necessary (in arrays i32); other numbers, and
   * keys that llama.cpp reads as floats, f32; typed arrays keep their type.
   */
  readonly metadata: Iterable<readonly [string, GgufValue]>;
  readonly tensors: readonly TensorToWrite[];
}

/** Writes a file to a sink. @throws {OptionError} for a value or shape that GGUF cannot represent @throws errors of the sink */
export async function writeGguf(
  sink: ByteSink,
  contents: GgufContents,
  options: { signal?: AbortSignal } = {},
): Promise<void> {
  const metadata = new Map(contents.metadata);
  const alignment = readAlignment(metadata.get('general.alignment'));
  const header = new HeaderWriter();
  header.raw(new TextEncoder().encode('GGUF'));
  header.number('u32', 3);
  header.number('u64', contents.tensors.length);
  header.number('u64', metadata.size);
  for (const [key, value] of metadata) {
    header.string(key);
    const typed = withType(key, value);
    header.number('u32', typeId(typed.type));
    header.value(key, typed.type, typed.value);
  }
  let offset = 0;
  const names = new Set<string>();
  for (const tensor of contents.tensors) {
    if (names.has(tensor.name)) throw new OptionError('tensor name', tensor.name, 'unique names');
    names.add(tensor.name);
    header.string(tensor.name);
    header.number('u32', tensor.shape.length);
    for (const size of tensor.shape.toReversed()) header.number('u64', size);
    header.number('u32', tensor.format.ggmlType);
    header.number('u64', offset);
    offset += padded(byteLengthOf(tensor), alignment);
  }
  header.pad(alignment);
  await sink.write(header.bytes());
  for (const tensor of contents.tensors) {
    await writeTensorData(tensor, sink, options.signal);
    const length = byteLengthOf(tensor);
    await sink.write(new Uint8Array(padded(length, alignment) - length));
  }
}

/** Returns the bytes of a whole file, for small models. */
export async function ggufBytes(contents: GgufContents): Promise<Uint8Array> {
  const sink = memorySink();
  await writeGguf(sink, contents);
  return sink.bytes();
}

/** Metadata of a file with its original types, to write it again. */
export function typedMetadata(file: GgufFile): Map<string, TypedGgufValue> {
  const typed = new Map<string, TypedGgufValue>();
  for (const [key, value] of file.metadata) {
    typed.set(key, { type: file.types.get(key)!, value: value as TypedGgufValue['value'] });
  }
  return typed;
}

/** Keys that llama.cpp accepts only as floats, although their values are often integers. */
const FLOAT_KEYS =
  /(epsilon|freq_base|freq_base_swa|factor|softcapping|_scale|\.scale|clamp_kqv|max_alibi_bias|yarn_\w+|tokenizer\.ggml\.scores)$/;

function withType(key: string, value: GgufValue): TypedGgufValue {
  if (typeof value === 'object' && 'type' in value) return value;
  if (typeof value === 'string') return { type: 'string', value };
  if (typeof value === 'boolean') return { type: 'bool', value };
  if (typeof value === 'bigint') return { type: value < 0n ? 'i64' : 'u64', value };
  if (typeof value === 'number') return { type: FLOAT_KEYS.test(key) ? 'f32' : scalarType(value), value };
  const packed = numberTypes.find((type) => value instanceof type.packed);
  if (packed) return { type: `${packed.name}[]`, value };
  const first = value[0];
  if (typeof first === 'string') return { type: 'string[]', value };
  if (typeof first === 'boolean') return { type: 'bool[]', value };
  const whole = !FLOAT_KEYS.test(key) && (value as readonly number[]).every((number) => (number | 0) === number);
  return { type: whole ? 'i32[]' : 'f32[]', value };
}

function scalarType(value: number): GgufType {
  if (!Number.isSafeInteger(value)) return 'f32';
  if (value >= 0) return value < 2 ** 32 ? 'u32' : 'u64';
  return value >= -(2 ** 31) ? 'i32' : 'i64';
}

function typeId(type: GgufType): number {
  if (type.endsWith('[]')) return ARRAY_ID;
  if (type === 'string') return STRING_ID;
  if (type === 'bool') return BOOL_ID;
  return numberType(type).id;
}

function numberType(name: GgufType) {
  const type = numberTypes.find((type) => type.name === name);
  const known = [...numberTypes.map((type) => type.name), 'string', 'bool'].join(', ');
  if (!type) throw new OptionError('GGUF type', name, `one of ${known}, or an array of them such as u32[]`);
  return type;
}

function readAlignment(value: GgufValue | undefined): number {
  const alignment = typeof value === 'object' && 'value' in value ? value.value : (value ?? 32);
  if (typeof alignment === 'number' && alignment >= 8 && Number.isInteger(Math.log2(alignment))) return alignment;
  throw new OptionError('general.alignment', alignment, 'a power of two, at least 8');
}

function padded(length: number, alignment: number): number {
  return Math.ceil(length / alignment) * alignment;
}

function isArrayLike(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || ArrayBuffer.isView(value);
}

/** True if a number type can represent the value. Floats accept any number and round it. */
function holds(type: GgufType, value: unknown): value is number | bigint {
  if (type === 'f32' || type === 'f64') return typeof value === 'number';
  if (typeof value !== 'bigint' && !Number.isSafeInteger(value)) return false;
  const { bytes, get, set } = numberType(type);
  const view = new DataView(new ArrayBuffer(bytes));
  set(view, 0, value as number | bigint);
  return BigInt(get(view, 0)) === BigInt(value as number | bigint);
}

/** Collects the header in a growing buffer. */
class HeaderWriter {
  #buffer = new Uint8Array(4096);
  #view = new DataView(this.#buffer.buffer);
  #length = 0;
  readonly #text = new TextEncoder();

  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  raw(bytes: Uint8Array): void {
    const at = this.#room(bytes.length);
    this.#buffer.set(bytes, at);
  }

  pad(alignment: number): void {
    this.#room(padded(this.#length, alignment) - this.#length);
  }

  number(type: GgufType, value: number | bigint): void {
    const { bytes, set } = numberType(type);
    const at = this.#room(bytes);
    set(this.#view, at, value);
  }

  string(value: string): void {
    const bytes = this.#text.encode(value);
    const at = this.#room(8);
    this.#view.setUint32(at, bytes.length, true);
    this.raw(bytes);
  }

  /** @throws {OptionError} with `key` if the type cannot represent the value */
  value(key: string, type: GgufType, value: unknown): void {
    if (type.endsWith('[]') && isArrayLike(value)) this.#array(key, type.slice(0, -2), value);
    else if (type === 'string' && typeof value === 'string') this.string(value);
    else if (type === 'bool' && (typeof value === 'boolean' || value === 0 || value === 1))
      this.number('u8', Number(value));
    else if (holds(type, value)) this.number(type, value);
    else throw new OptionError(key, value, `a value of type ${type}`);
  }

  #array(key: string, type: GgufType, values: ArrayLike<unknown>): void {
    this.number('u32', typeId(type));
    this.number('u64', values.length);
    for (let i = 0; i < values.length; i++) this.value(key, type, values[i]);
  }

  /** Appends `bytes` zeros and returns their offset. */
  #room(bytes: number): number {
    const at = this.#length;
    this.#length += bytes;
    if (this.#length > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(this.#length, 2 * this.#buffer.length));
      grown.set(this.#buffer.subarray(0, at));
      this.#buffer = grown;
      this.#view = new DataView(grown.buffer);
    }
    return at;
  }
}
