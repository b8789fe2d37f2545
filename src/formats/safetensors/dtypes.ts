/** Element types of safetensors files. Some have a block format; the others can only be named. */
import { UnsupportedError } from '../../core/errors.ts';
import type { BlockFormat } from '../../tensor/blockFormat.ts';
import { formatByName } from '../../tensor/formats.ts';

const readable = ['F32', 'F16', 'BF16'];

/** Bytes per element of the other types. */
const otherBytes: Readonly<Record<string, number>> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  F8_E8M0: 1,
  U16: 2,
  I16: 2,
  U32: 4,
  I32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
  C64: 8,
};

export const dtypes: ReadonlyMap<string, BlockFormat> = new Map([
  ...readable.map((name) => [name, formatByName(name)] as const),
  ...Object.entries(otherBytes).map(([name, bytes]) => [name, namedOnly(name, bytes)] as const),
]);

/** True if tensors of the format can be read. */
export function isReadable(format: BlockFormat): boolean {
  return readable.includes(format.name);
}

/** Always throws. Called when such a tensor is read, not when the file is opened: models contain unused buffers. */
export function refuse(file: string, tensor: string, dtype: string): never {
  throw new UnsupportedError(`${file}: tensor ${tensor}: dtype`, dtype, readable, { file, tensor });
}

function namedOnly(name: string, blockBytes: number): BlockFormat {
  const refused = (): never => {
    throw new UnsupportedError('dtype', name, readable);
  };
  return { name, ggmlType: -1, blockSize: 1, blockBytes, decode: refused, encode: refused };
}
