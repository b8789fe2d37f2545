import { UnsupportedError } from '../../core/errors.ts';
import type { BlockFormat } from '../blockFormat.ts';

/** A block format that encodes and decodes one block at a time. */
export interface PerBlock extends Pick<BlockFormat, 'name' | 'ggmlType' | 'blockSize' | 'blockBytes' | 'grid'> {
  /** @param block offset of the block in `from`, @param x offset of its elements in `to` */
  decodeBlock(from: Uint8Array, block: number, to: Float32Array, x: number): void;
  /** @param x offset of the elements in `from` and `importance`, @param block offset of the block in `to` */
  encodeBlock(from: Float32Array, x: number, to: Uint8Array, block: number, importance?: Float32Array): void;
}

/** Makes a BlockFormat from functions for a single block. */
export function perBlock(format: PerBlock): BlockFormat {
  const { name, ggmlType, blockSize, blockBytes, grid } = format;
  return {
    name,
    ggmlType,
    blockSize,
    blockBytes,
    ...(grid && { grid }),
    decode(from, fromOffset, to, toOffset, blocks) {
      for (let b = 0; b < blocks; b++) {
        format.decodeBlock(from, fromOffset + b * blockBytes, to, toOffset + b * blockSize);
      }
    },
    encode(from, fromOffset, to, toOffset, blocks, importance) {
      for (let b = 0; b < blocks; b++) {
        format.encodeBlock(from, fromOffset + b * blockSize, to, toOffset + b * blockBytes, importance);
      }
    },
  };
}

/** A block format that has no encoder: files in it are read and run, not written. */
export function decodeOnly(format: Omit<PerBlock, 'encodeBlock'>): BlockFormat {
  const encodeBlock = () => {
    throw new UnsupportedError('encoding to', format.name);
  };
  return { ...perBlock({ ...format, encodeBlock }), decodeOnly: true };
}
