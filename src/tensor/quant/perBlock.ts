import type { BlockFormat } from '../blockFormat.ts';

/** A block format that codes one block at a time. */
export interface PerBlock extends Pick<BlockFormat, 'name' | 'ggmlType' | 'blockSize' | 'blockBytes'> {
  /** @param block the block's first byte in `from`, @param x its first element in `to` */
  decodeBlock(from: Uint8Array, block: number, to: Float32Array, x: number): void;
  /** @param x the block's first element in `from` and `importance`, @param block its first byte in `to` */
  encodeBlock(from: Float32Array, x: number, to: Uint8Array, block: number, importance?: Float32Array): void;
}

/** Codes block after block. */
export function perBlock(format: PerBlock): BlockFormat {
  const { name, ggmlType, blockSize, blockBytes } = format;
  return {
    name,
    ggmlType,
    blockSize,
    blockBytes,
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
