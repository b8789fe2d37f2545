/**
 * Quantizes a matrix by OBS onto a format whose elements are vectors of a codebook, as obs.ts does onto grids: eight channels are chosen
 * together, so that the error that is left after compensation by all later channels is least (GPTVQ: van Baalen et al. 2024). The
 * scales of a block are chosen when its first channel is reached. Compensation is at once within the block, and after the block
 * beyond it. Descent then chooses the vectors again, given all others, as in obs.ts.
 */
import type { BlockCodebook, CodebookBlock } from '../tensor/blockCodebook.ts';
import type { BlockFormat } from '../tensor/blockFormat.ts';
import { channelOrder } from './channelOrder.ts';
import { rowsAtOnce } from './matrix/gridBlocks.ts';
import type { Matrices } from './matrix/matrices.ts';
import { VectorChooser } from './vectorChooser.ts';

/** A format with a codebook. */
export type CodebookBlocks = BlockFormat & Required<Pick<BlockFormat, 'codebook'>>;

/** Channels that are chosen together: those whose signs are stored together. */
const TOGETHER = 8;

export interface VectorObsOptions {
  readonly format: CodebookBlocks;
  /** Order of the channels, see vectorOrder. */
  readonly order: Int32Array;
  /** Address of U [n, n] in that order, see inverseCholesky. */
  readonly factor: number;
  /** Address of the damped H [n, n], in the channels' own order. */
  readonly gram: number;
  /** 1 for each dead channel: its weights are 0. */
  readonly isDead: Uint8Array;
}

const SWEEPS = 2;

/** Blocks and groups of eight by importance; the channels of eight stay in their order. @param importance [n] */
export function vectorOrder(importance: ArrayLike<number>, block: number): Int32Array {
  const order = channelOrder(importance, block, TOGETHER);
  for (let p = 0; p < order.length; p += TOGETHER) order.subarray(p, p + TOGETHER).sort();
  return order;
}

/** @param values [rows, n] @returns the blocks' bytes */
export function quantizeByVectorObs(
  matrices: Matrices,
  { format, order, factor, gram, isDead }: VectorObsOptions,
  values: Float32Array,
): Uint8Array {
  const n = order.length;
  const { blockSize, blockBytes } = format;
  const rows = values.length / n;
  const perRow = n / blockSize;
  const bytes = new Uint8Array(rows * perRow * blockBytes);
  const most = Math.min(rows, rowsAtOnce(n));
  const mark = matrices.mark();
  const [w, errors, products] = [0, 0, 0].map(() => matrices.allocate(most * n)) as [number, number, number];
  const solver = new Rows(matrices, format.codebook, { n, blockSize, order, factor, gram, isDead });
  for (let top = 0; top < rows; top += most) {
    const count = Math.min(most, rows - top);
    const part = values.subarray(top * n, (top + count) * n);
    const blocks = solver.compensate(part, w, errors);
    solver.descend(part, blocks, errors, products);
    for (const [i, block] of blocks.entries()) format.codebook.write(block, bytes, (top * perRow + i) * blockBytes);
  }
  matrices.release(mark);
  return bytes;
}

interface RowsOptions extends Omit<VectorObsOptions, 'format'> {
  readonly n: number;
  readonly blockSize: number;
}

/** Quantizes rows at known places of the memory, which must not grow meanwhile. */
class Rows {
  readonly #matrices: Matrices;
  readonly #codebook: BlockCodebook;
  readonly #chooser: VectorChooser;
  readonly #options: RowsOptions;
  readonly #importance: Float32Array;
  /** U's part of every eight channels, in the order of quantizing. */
  readonly #corners: readonly Float32Array[];
  /** H's part of every eight channels, in their own order. */
  readonly #metrics: readonly Metric[];
  readonly #eight = new Float32Array(TOGETHER);
  readonly #errors = new Float32Array(TOGETHER);

  constructor(matrices: Matrices, codebook: BlockCodebook, options: RowsOptions) {
    this.#matrices = matrices;
    this.#codebook = codebook;
    this.#chooser = new VectorChooser(codebook.ranges);
    this.#options = options;
    const { n, order, factor, gram } = options;
    const eights = Array.from({ length: n / TOGETHER }, (_, i) => i * TOGETHER);
    this.#corners = eights.map((first) => corner(matrices.floats, factor, n, first));
    this.#metrics = eights.map((first) => new Metric(corner(matrices.floats, gram, n, first)));
    this.#importance = new Float32Array(n);
    for (let p = 0; p < n; p++) this.#importance[order[p]] = 1 / matrices.floats[factor + p * n + p] ** 2;
  }

  /** OBS. @param w, errors addresses of [rows, n] @returns the blocks, row by row */
  compensate(values: Float32Array, w: number, errors: number): CodebookBlock[] {
    const { n, blockSize, order, factor, isDead } = this.#options;
    const { floats } = this.#matrices;
    const rows = values.length / n;
    const perRow = n / blockSize;
    const blocks: CodebookBlock[] = new Array(rows * perRow);
    const x = new Float32Array(blockSize);
    for (let row = 0; row < rows; row++)
      for (let p = 0; p < n; p++) floats[w + row * n + p] = isDead[order[p]] ? 0 : values[row * n + order[p]];
    for (let begin = 0; begin < n; begin += blockSize) {
      const base = Math.floor(order[begin] / blockSize) * blockSize;
      const end = begin + blockSize;
      for (let row = 0; row < rows; row++) {
        const line = w + row * n;
        for (let p = begin; p < end; p++) x[order[p] - base] = floats[line + p];
        const block = this.#codebook.encode(x, 0, this.#importance.subarray(base, base + blockSize));
        blocks[row * perRow + base / blockSize] = block;
        for (let p = begin; p < end; p += TOGETHER) {
          this.#eight.set(floats.subarray(line + p, line + p + TOGETHER));
          this.#chooser.choose(block, order[p] - base, this.#eight, this.#corners[p / TOGETHER], this.#errors);
          for (let i = 0; i < TOGETHER; i++) {
            const [error, u] = [this.#errors[i], factor + (p + i) * n];
            for (let later = p + TOGETHER; later < end; later++) floats[line + later] += error * floats[u + later];
            floats[errors + row * blockSize + p + i - begin] = -error;
          }
        }
      }
      const rest = { at: w + end, stride: n };
      const u = { at: factor + begin * n + end, stride: n };
      this.#matrices.subtractProduct(rest, { at: errors, stride: blockSize }, u, rows, blockSize, n - end);
    }
    return blocks;
  }

  /** Chooses vectors again where that lowers e H eᵀ of their row. @param errors, products addresses of [rows, n] */
  descend(values: Float32Array, blocks: readonly CodebookBlock[], errors: number, products: number): void {
    const { n, blockSize, gram, isDead } = this.#options;
    const { floats } = this.#matrices;
    const rows = values.length / n;
    const perRow = n / blockSize;
    const [old, moved] = [new Float32Array(TOGETHER), new Float32Array(TOGETHER)];
    for (let row = 0; row < rows; row++)
      for (let first = 0; first < n; first += TOGETHER) {
        const block = blocks[row * perRow + Math.floor(first / blockSize)];
        this.#chooser.decode(block, first % blockSize, old);
        for (let i = 0; i < TOGETHER; i++) {
          const value = isDead[first + i] ? 0 : values[row * n + first + i];
          floats[errors + row * n + first + i] = value - old[i];
        }
      }
    floats.fill(0, products, products + rows * n);
    const view = (at: number) => ({ at, stride: n });
    // −(w − q) H
    this.#matrices.subtractProduct(view(products), view(errors), view(gram), rows, n, n);
    for (let sweep = 0; sweep < SWEEPS; sweep++)
      for (let row = 0; row < rows; row++)
        for (let first = 0; first < n; first += TOGETHER) {
          const block = blocks[row * perRow + Math.floor(first / blockSize)];
          const place = first % blockSize;
          const metric = this.#metrics[first / TOGETHER];
          const gradient = floats.subarray(products + row * n + first, products + row * n + first + TOGETHER);
          this.#chooser.decode(block, place, old);
          const index = stateOf(block, place);
          // the vector that would be best without a codebook
          metric.solve(gradient, this.#eight);
          for (let i = 0; i < TOGETHER; i++) this.#eight[i] = old[i] - this.#eight[i];
          const before = metric.square(old, this.#eight);
          const target = this.#eight.slice();
          this.#chooser.choose(block, place, this.#eight, metric.factor, this.#errors);
          this.#chooser.decode(block, place, moved);
          if (metric.square(moved, target) >= before * (1 - 1e-6)) {
            restore(block, place, index);
            continue;
          }
          for (let i = 0; i < TOGETHER; i++) {
            const change = moved[i] - old[i];
            if (change === 0) continue;
            const h = gram + (first + i) * n;
            const to = products + row * n;
            for (let j = 0; j < n; j++) floats[to + j] += change * floats[h + j];
          }
        }
  }
}

/** The vectors and signs of 8 elements. */
function stateOf({ indices, signs }: CodebookBlock, first: number): { indices: Uint16Array; signs: number } {
  const perEight = indices.length / signs.length;
  const from = (first / TOGETHER) * perEight;
  return { indices: indices.slice(from, from + perEight), signs: signs[first / TOGETHER] };
}

function restore(block: CodebookBlock, first: number, state: ReturnType<typeof stateOf>): void {
  block.indices.set(state.indices, (first / TOGETHER) * state.indices.length);
  block.signs[first / TOGETHER] = state.signs;
}

/** The metric of 8 channels: their part of H, and U with UᵀU = its inverse, as `choose` takes it. */
class Metric {
  readonly #h: Float32Array;
  readonly factor: Float32Array;

  constructor(h: Float32Array) {
    this.#h = h;
    this.factor = inverseFactor(h);
  }

  /** x H⁻¹ = x UᵀU */
  solve(x: Float32Array, to: Float32Array): void {
    const u = this.factor;
    const half = new Float64Array(TOGETHER);
    for (let i = 0; i < TOGETHER; i++) for (let j = i; j < TOGETHER; j++) half[i] += u[TOGETHER * i + j] * x[j];
    to.fill(0);
    for (let i = 0; i < TOGETHER; i++) for (let j = i; j < TOGETHER; j++) to[j] += u[TOGETHER * i + j] * half[i];
  }

  /** (a − b) H (a − b)ᵀ */
  square(a: Float32Array, b: Float32Array): number {
    let sum = 0;
    for (let i = 0; i < TOGETHER; i++)
      for (let j = 0; j < TOGETHER; j++) sum += (a[i] - b[i]) * this.#h[TOGETHER * i + j] * (a[j] - b[j]);
    return sum;
  }
}

/** U, upper triangular, with UᵀU = H⁻¹: the inverse of the factor R with RRᵀ = H, R upper triangular, is U. */
function inverseFactor(h: Float32Array): Float32Array {
  const n = TOGETHER;
  const r = new Float64Array(n * n);
  for (let j = n - 1; j >= 0; j--) {
    let pivot = h[n * j + j];
    for (let k = j + 1; k < n; k++) pivot -= r[n * j + k] ** 2;
    r[n * j + j] = Math.sqrt(Math.max(pivot, 1e-12 * h[n * j + j]));
    for (let i = j - 1; i >= 0; i--) {
      let sum = h[n * i + j];
      for (let k = j + 1; k < n; k++) sum -= r[n * i + k] * r[n * j + k];
      r[n * i + j] = sum / r[n * j + j];
    }
  }
  const u = new Float32Array(n * n);
  for (let j = 0; j < n; j++) {
    const column = new Float64Array(n);
    for (let i = j; i >= 0; i--) {
      let sum = i === j ? 1 : 0;
      for (let k = i + 1; k <= j; k++) sum -= r[n * i + k] * column[k];
      column[i] = sum / r[n * i + i];
      u[n * i + j] = column[i];
    }
  }
  return u;
}

/** The [8, 8] on the diagonal of a matrix [n, n]. */
function corner(floats: Float32Array, at: number, n: number, first: number): Float32Array {
  return Float32Array.from(
    { length: TOGETHER * TOGETHER },
    (_, k) => floats[at + (first + Math.floor(k / TOGETHER)) * n + first + (k % TOGETHER)],
  );
}
