/**
 * What a storage format of tensor elements answers for itself. Elements are stored in blocks along a row;
 * plain floats are blocks of one. Shared code asks the format and never branches on its name.
 */
export interface BlockFormat {
  /** ggml's name: 'F32', 'Q4_0', 'IQ4_XS' … */
  readonly name: string;
  /** ggml's number of the type in GGUF files. */
  readonly ggmlType: number;
  /** Elements in a block; rows are multiples of it. */
  readonly blockSize: number;
  /** Bytes of a block. */
  readonly blockBytes: number;
  /**
   * Blocks → f32, the plain reference that every kernel is held to.
   * @param from bytes, `blocks * blockBytes` from `fromOffset`
   * @param to f32, `blocks * blockSize` from `toOffset`
   */
  decode(from: Uint8Array, fromOffset: number, to: Float32Array, toOffset: number, blocks: number): void;
  /**
   * f32 → blocks. Elements are finite, callers see to it: a block with NaN or an infinity decodes to anything, one with
   * elements beyond the half floats of its scales to NaN or infinities. Other blocks are not touched by it.
   * @param importance weight of each element's squared error (as from an importance matrix), `blocks * blockSize`
   *   from `fromOffset`; formats without a search ignore it
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

/** Bytes of `elements` elements of a format; `elements` is a multiple of its block size. */
export function bytesOf(format: BlockFormat, elements: number): number {
  return (elements / format.blockSize) * format.blockBytes;
}
