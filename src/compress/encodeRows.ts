/** Encodes matrices with the solver's kernels, on all threads, and with the formats' own encoders. */
import type { CheckpointTensor } from '../formats/checkpoint.ts';
import type { BlockFormat } from '../tensor/blockFormat.ts';
import { bytesOf } from '../tensor/blockFormat.ts';
import { GridBlocks, type GridFormat, rowsAtOnce } from './matrix/gridBlocks.ts';
import type { Matrices } from './matrix/matrices.ts';

/** Kinds of stored floats by name of the format, as kernels/parts/storedFloats.ts numbers them. */
const KINDS: Readonly<Record<string, number>> = { F32: 0, F16: 1, BF16: 2 };
const F32 = 0;

/**
 * @param values [rows, columns]
 * @param importance weights of the columns' squared errors, [columns]
 */
export function encodeRows(
  matrices: Matrices,
  values: Float32Array,
  columns: number,
  format: BlockFormat,
  importance: Float32Array | undefined,
): Uint8Array {
  if (!hasKernel(format, importance)) return encode(values, columns, format, importance);
  const bytes = new Uint8Array(bytesOf(format, values.length));
  const mark = matrices.mark();
  const rows = values.length / columns;
  const most = Math.min(rows, rowsAtOnce(columns));
  const encoder = new RowEncoder(matrices, format, { columns, rows: most, importance });
  const x = matrices.allocate(most * columns);
  for (let row = 0; row < rows; row += most) {
    const count = Math.min(most, rows - row);
    matrices.floats.set(values.subarray(row * columns, (row + count) * columns), x);
    encoder.encode(F32, 4 * x, count, bytes.subarray(bytesOf(format, row * columns)));
  }
  matrices.release(mark);
  return bytes;
}

/**
 * Encodes a stored tensor of floats in pieces. The next piece is read while one is encoded; only two pieces and the result are in memory.
 * @returns undefined if an element is not a finite number, or there is no kernel for the formats
 */
export async function encodeStored(
  matrices: Matrices,
  tensor: CheckpointTensor,
  format: BlockFormat,
  importance: Float32Array | undefined,
  signal?: AbortSignal,
): Promise<Uint8Array | undefined> {
  const kind = KINDS[tensor.format.name];
  if (kind === undefined || !hasKernel(format, importance)) return undefined;
  const columns = tensor.shape.at(-1)!;
  const { blockBytes } = tensor.format;
  const rows = tensor.byteLength / (columns * blockBytes);
  const most = Math.min(rows, rowsAtOnce(columns));
  const bytes = new Uint8Array(bytesOf(format, rows * columns));
  const mark = matrices.mark();
  try {
    const encoder = new RowEncoder(matrices, format, { columns, rows: most, importance });
    const places = [0, 1].map(() => matrices.allocate(Math.ceil((most * columns * blockBytes) / 4)));
    const read = (row: number): Promise<void> => {
      if (row >= rows) return Promise.resolve();
      const size = Math.min(most, rows - row) * columns * blockBytes;
      const into = matrices.bytes(places[(row / most) % 2], size);
      return tensor.read(row * columns * blockBytes, into, signal);
    };
    let reading = read(0);
    for (let row = 0; row < rows; row += most) {
      await reading;
      reading = read(row + most);
      // it is awaited in the next round; until then, nobody handles its failure
      reading.catch(() => undefined);
      const count = Math.min(most, rows - row);
      const from = 4 * places[(row / most) % 2];
      if (encoder.encode(kind, from, count, bytes.subarray(bytesOf(format, row * columns)))) continue;
      await reading;
      return undefined;
    }
    return bytes;
  } finally {
    matrices.release(mark);
  }
}

/** Encodes rows by the format's own encoder, with the same importance of columns. */
export function encode(
  values: Float32Array,
  columns: number,
  format: BlockFormat,
  importance: Float32Array | undefined,
): Uint8Array {
  const rows = values.length / columns;
  const blocks = columns / format.blockSize;
  const bytes = new Uint8Array(rows * blocks * format.blockBytes);
  if (!importance) {
    format.encode(values, 0, bytes, 0, rows * blocks);
    return bytes;
  }
  for (let row = 0; row < rows; row++) {
    const part = values.subarray(row * columns, (row + 1) * columns);
    format.encode(part, 0, bytes, row * blocks * format.blockBytes, blocks, importance);
  }
  return bytes;
}

/** True for formats that kernels/solving/encodePlain.ts writes: blocks of 32 with one scale, and nibbles, five bits or bytes. */
function isPlain({ blockSize, grid }: BlockFormat): boolean {
  if (!grid || grid.scales || grid.levels || blockSize !== 32) return false;
  return [15, 31, 255].includes(grid.highest - grid.lowest);
}

/** Without importance, only super-blocks have scales to search for. */
function hasKernel(format: BlockFormat, importance: Float32Array | undefined): format is GridFormat {
  return format.grid !== undefined && (importance !== undefined || format.grid.scales !== undefined || isPlain(format));
}

interface EncoderOptions {
  readonly columns: number;
  /** Maximum number of rows that are encoded at a time. */
  readonly rows: number;
  readonly importance: Float32Array | undefined;
}

/** Encodes rows that lie in the solver's memory. */
class RowEncoder {
  readonly #matrices: Matrices;
  readonly #format: GridFormat;
  readonly #columns: number;
  readonly #blocks: GridBlocks;
  /** Addresses, in floats: importance (0: none), rows in F32, bytes of plain blocks, the word of floats that are not finite. */
  readonly #weights: number;
  readonly #x: number;
  readonly #plain: number;
  readonly #special: number;

  constructor(matrices: Matrices, format: GridFormat, { columns, rows, importance }: EncoderOptions) {
    const isDirect = !importance && isPlain(format);
    this.#matrices = matrices;
    this.#format = format;
    this.#columns = columns;
    this.#blocks = new GridBlocks(matrices, format, isDirect ? 0 : (rows * columns) / format.blockSize);
    this.#special = matrices.allocate(1);
    this.#plain = isDirect ? matrices.allocate(bytesOf(format, rows * columns) / 4 + 1) : 0;
    this.#x = isDirect ? 0 : matrices.allocate(rows * columns);
    this.#weights = importance ? matrices.allocate(columns) : 0;
    if (importance) matrices.floats.set(importance, this.#weights);
  }

  /**
   * @param kind of the floats, see KINDS @param from address of the rows, in bytes
   * @returns false if an element is not a finite number
   */
  encode(kind: number, from: number, rows: number, to: Uint8Array): boolean {
    const matrices = this.#matrices;
    const { grid, records } = this.#blocks;
    const { blockSize, blockBytes } = this.#format;
    const special = 4 * this.#special;
    const count = rows * this.#columns;
    const blocks = count / blockSize;
    matrices.integers(this.#special, 1)[0] = 0;
    if (this.#plain !== 0) {
      const scratch = matrices.size('encodePlainScratch');
      matrices.run('encodePlain', [grid, kind, from, 4 * this.#plain, special, blocks, blockBytes], scratch);
      to.set(matrices.bytes(this.#plain, blocks * blockBytes));
    } else {
      const x = kind === F32 ? from : 4 * this.#x;
      const scratch = matrices.size('encodeBlocksScratch', blockSize);
      matrices.run('takeFloats', [kind, from, x, special, count]);
      matrices.run('encodeBlocks', [grid, x, 4 * this.#weights, records, rows, this.#columns], scratch);
      this.#blocks.write(blocks, to);
    }
    return matrices.integers(this.#special, 1)[0] === 0;
  }
}
