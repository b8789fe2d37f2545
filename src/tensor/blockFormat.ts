import type { BlockCodebook } from './blockCodebook.ts';
import type { BlockGrid } from './blockGrid.ts';

/**
 * A storage format of tensor elements. Elements are stored in blocks along a row;
 * plain floats are blocks of one. Shared code uses these properties and never branches on the name.
 */
export interface BlockFormat {
  /** Name in ggml: 'F32', 'Q4_0', 'IQ4_XS' … */
  readonly name: string;
  /** Type number in ggml and in GGUF files. */
  readonly ggmlType: number;
  /** Elements per block. Row widths are multiples of it. */
  readonly blockSize: number;
  /** Bytes per block. */
  readonly blockBytes: number;
  /** True for a format without an encoder; `encode` throws {UnsupportedError}. */
  readonly decodeOnly?: boolean;
  /** For solvers that choose vectors one by one. Undefined for formats without a codebook. */
  readonly codebook?: BlockCodebook;
  /** For solvers that choose integers one by one. Undefined for floats and for formats with codebooks. */
  readonly grid?: BlockGrid;
  /**
   * Dequantizes blocks to f32. Kernels are tested against this function.
   * @param from bytes, `blocks * blockBytes` from `fromOffset`
   * @param to f32, `blocks * blockSize` from `toOffset`
   */
  decode(from: Uint8Array, fromOffset: number, to: Float32Array, toOffset: number, blocks: number): void;
  /**
   * Quantizes f32 to blocks. Elements must be finite: a block with NaN or infinity decodes to arbitrary values, and one with
   * elements beyond the range of its half-float scale to NaN or infinity. Other blocks are not affected.
   * @param importance weight of each element's squared error (e.g. from an importance matrix), `blocks * blockSize`
   *   from `fromOffset`. Formats that do not search for scales ignore it
   */
  encode(
    from: Float32Array,
    fromOffset: number,
    to: Uint8Array,
    toOffset: number,
    blocks: number,
    importance?: Float32Array,
  ): void;
}

/** Size of `elements` elements in bytes. `elements` must be a multiple of the block size. */
export function bytesOf(format: BlockFormat, elements: number): number {
  return (elements / format.blockSize) * format.blockBytes;
}
