/** The element types of safetensors files: those that have a block format here, and those that can only be named. */
import { UnsupportedError } from '../../core/errors.ts';
import type { BlockFormat } from '../../tensor/blockFormat.ts';
import { formatByName } from '../../tensor/formats.ts';

const readable = ['F32', 'F16', 'BF16'];

/** Bytes of an element of the others. */
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

/** Whether a tensor of the format can be read. */
export function isReadable(format: BlockFormat): boolean {
  return readable.includes(format.name);
}

/** @throws {UnsupportedError} always: models hold buffers of such types that nobody reads, so opening must not fail */
export function refuse(file: string, tensor: string, dtype: string): never {
  throw new UnsupportedError(`${file}: tensor ${tensor}: dtype`, dtype, readable, { file, tensor });
}

function namedOnly(name: string, blockBytes: number): BlockFormat {
  const refused = (): never => {
    throw new UnsupportedError('dtype', name, readable);
  };
  return { name, ggmlType: -1, blockSize: 1, blockBytes, decode: refused, encode: refused };
}
