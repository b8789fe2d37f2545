/**
 * The scalar types of GGUF metadata with their numbers, sizes, readers and writers.
 * Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */

/** 'u32', 'string' …, or one of them followed by '[]' per level of array. */
export type GgufType = string;

/** Typed array that an array of numbers is read into. */
export type NumberArray =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | BigUint64Array
  | BigInt64Array;

export interface NumberType {
  readonly name: string;
  /** Type number in the file. */
  readonly id: number;
  readonly bytes: number;
  /** Typed array for arrays of this type. */
  readonly packed: { new (buffer: ArrayBuffer): NumberArray };
  get(view: DataView, offset: number): number | bigint;
  set(view: DataView, offset: number, value: number | bigint): void;
}

export const STRING_ID = 8;
export const ARRAY_ID = 9;
export const BOOL_ID = 7;

export const numberTypes: readonly NumberType[] = [
  {
    name: 'u8',
    id: 0,
    bytes: 1,
    packed: Uint8Array,
    get: (view, at) => view.getUint8(at),
    set: (view, at, value) => view.setUint8(at, Number(value)),
  },
  {
    name: 'i8',
    id: 1,
    bytes: 1,
    packed: Int8Array,
    get: (view, at) => view.getInt8(at),
    set: (view, at, value) => view.setInt8(at, Number(value)),
  },
  {
    name: 'u16',
    id: 2,
    bytes: 2,
    packed: Uint16Array,
    get: (view, at) => view.getUint16(at, true),
    set: (view, at, value) => view.setUint16(at, Number(value), true),
  },
  {
    name: 'i16',
    id: 3,
    bytes: 2,
    packed: Int16Array,
    get: (view, at) => view.getInt16(at, true),
    set: (view, at, value) => view.setInt16(at, Number(value), true),
  },
  {
    name: 'u32',
    id: 4,
    bytes: 4,
    packed: Uint32Array,
    get: (view, at) => view.getUint32(at, true),
    set: (view, at, value) => view.setUint32(at, Number(value), true),
  },
  {
    name: 'i32',
    id: 5,
    bytes: 4,
    packed: Int32Array,
    get: (view, at) => view.getInt32(at, true),
    set: (view, at, value) => view.setInt32(at, Number(value), true),
  },
  {
    name: 'f32',
    id: 6,
    bytes: 4,
    packed: Float32Array,
    get: (view, at) => view.getFloat32(at, true),
    set: (view, at, value) => view.setFloat32(at, Number(value), true),
  },
  {
    name: 'u64',
    id: 10,
    bytes: 8,
    packed: BigUint64Array,
    get: (view, at) => exactNumber(view.getBigUint64(at, true)),
    set: (view, at, value) => view.setBigUint64(at, BigInt(value), true),
  },
  {
    name: 'i64',
    id: 11,
    bytes: 8,
    packed: BigInt64Array,
    get: (view, at) => exactNumber(view.getBigInt64(at, true)),
    set: (view, at, value) => view.setBigInt64(at, BigInt(value), true),
  },
  {
    name: 'f64',
    id: 12,
    bytes: 8,
    packed: Float64Array,
    get: (view, at) => view.getFloat64(at, true),
    set: (view, at, value) => view.setFloat64(at, Number(value), true),
  },
];

/** Converts a 64-bit integer to a number if it is exact, else keeps the bigint. */
export function exactNumber(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
