/**
 * NumPy's .npy files:
 *
 *   6 bytes        1     1     2 (version 1) or 4          …
 *   \x93 N U M P Y major minor length of the header (LE)   header, a Python dict, ending in \n; then the values
 */
import { FederatedError } from '../federatedError.ts';

export type NpyData =
  | Float32Array
  | Float64Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | Uint8Array
  | Int8Array
  | Uint16Array;

export interface NpyArray {
  /** 'float32', 'float64', 'float16' (as Uint16Array), 'int32', 'uint32', 'int64', 'uint8' or 'int8'. */
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: NpyData;
}

const types = {
  float32: ['<f4', Float32Array],
  float64: ['<f8', Float64Array],
  float16: ['<f2', Uint16Array],
  int32: ['<i4', Int32Array],
  uint32: ['<u4', Uint32Array],
  int64: ['<i8', BigInt64Array],
  uint8: ['|u1', Uint8Array],
  int8: ['|i1', Int8Array],
} as const;

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
const ALIGNMENT = 64;
/** numpy leaves room for the first axis to grow to 21 digits. */
const AXIS_DIGITS = 21;

export function encodeNpy({ dtype, shape, data }: NpyArray): Uint8Array {
  const type = types[dtype as keyof typeof types];
  if (!type) throw bad(`the dtype ${dtype} is none of ${Object.keys(types).join(', ')}`);
  const axes = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  let header = `{'descr': '${type[0]}', 'fortran_order': False, 'shape': ${axes}, }`;
  if (shape.length > 0) header += ' '.repeat(AXIS_DIGITS - String(shape[0]).length);
  header += `${' '.repeat(ALIGNMENT - ((10 + header.length + 1) % ALIGNMENT))}\n`;
  const bytes = new Uint8Array(10 + header.length + data.byteLength);
  bytes.set(MAGIC);
  bytes[6] = 1;
  new DataView(bytes.buffer).setUint16(8, header.length, true);
  bytes.set(new TextEncoder().encode(header), 10);
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), 10 + header.length);
  return bytes;
}

/** @throws {FederatedError} BAD_ANSWER if the bytes are no .npy file of a type that is known here */
export function decodeNpy(bytes: Uint8Array): NpyArray {
  if (bytes.length < 12 || MAGIC.some((byte, i) => bytes[i] !== byte)) throw bad('does not begin as .npy files do');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [start, length] = bytes[6] === 1 ? [10, view.getUint16(8, true)] : [12, view.getUint32(8, true)];
  const header = new TextDecoder('latin1').decode(bytes.subarray(start, start + length));
  const [, descr] = /'descr':\s*'([^']+)'/.exec(header) ?? [];
  const [, order] = /'fortran_order':\s*(True|False)/.exec(header) ?? [];
  const [, axes] = /'shape':\s*\(([\d,\s]*)\)/.exec(header) ?? [];
  const found = Object.entries(types).find(([, [name]]) => name === descr);
  if (!found || !order || axes === undefined) throw bad(`has the header ${header.slice(0, 200).trim()}`);
  const [dtype, [, List]] = found;
  const shape = axes
    .split(',')
    .filter((text) => text.trim() !== '')
    .map(Number);
  const count = shape.reduce((product, axis) => product * axis, 1);
  // a copy that begins its buffer, which a Buffer's `slice` does not
  const body = new Uint8Array(bytes.subarray(start + length));
  if (body.length !== count * List.BYTES_PER_ELEMENT)
    throw bad(
      `has ${body.length} bytes of values, expected ${count * List.BYTES_PER_ELEMENT} for (${shape.join(', ')})`,
    );
  const data = new List(body.buffer) as NpyData;
  return { dtype, shape, data: order === 'True' ? transposed(data, shape) : data };
}

/** Values in C order from values in Fortran order. */
function transposed(data: NpyData, shape: readonly number[]): NpyData {
  const result = data.slice() as Float32Array;
  for (let i = 0; i < data.length; i++) {
    let [rest, from, stride] = [i, 0, data.length];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      stride /= shape[axis];
      from += (rest % shape[axis]) * stride;
      rest = Math.floor(rest / shape[axis]);
    }
    result[i] = (data as Float32Array)[from];
  }
  return result;
}

function bad(problem: string): FederatedError {
  return new FederatedError('BAD_ANSWER', `an array ${problem}`);
}
