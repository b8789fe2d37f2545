/**
 * Inputs of a mixture's matrices: the rows of all calibration tokens and where they were routed, from which each expert's Gram matrix
 * is computed. The statistic of all tokens is added with a small weight, for experts that saw few tokens. If sums of squares are
 * enough, they are computed at once, and no rows are kept.
 */
import type { Value } from '../graph/graph.ts';
import { InputHistogram, type InputQuantiles } from './inputQuantiles.ts';
import { Matrices } from './matrix/matrices.ts';
import type { Stage } from './stages.ts';
import type { Measure, Squares, Statistic } from './statistic.ts';

/** Weight of the statistic of all tokens, in tokens per channel. */
const SHARED_TOKENS = 0.25;
/** Rows that are multiplied at a time. */
const ROWS = 1024;

interface Part {
  /** [tokens, channels] or [tokens, used · channels] */
  readonly x: Float32Array;
  /** [tokens, 2 · used]: numbers of experts, then weights. */
  readonly routes: Float32Array;
  readonly isHeldOut: boolean;
}

export class ExpertInputs {
  /** Names of two outputs of the stage: x and its routes. */
  readonly names: readonly [x: string, routes: string];
  /** Weights that read this input. */
  readonly tensors: readonly string[];
  readonly size: number;
  readonly count: number;
  readonly #used: number;
  /** True if all experts of a token read the same row. */
  readonly #isShared: boolean;
  readonly #parts: Part[] = [];
  readonly #histogram: InputHistogram | undefined;
  /** Σ x² of each expert [count, size], and the number of its tokens. Undefined: Gram matrices are measured. */
  readonly #sums: { readonly squares: Float64Array; readonly tokens: number[] } | undefined;

  private constructor(
    x: Value,
    routes: Value,
    tensors: readonly string[],
    size: number,
    count: number,
    measure: Measure,
    quantiles: boolean,
  ) {
    this.names = [`${tensors[0]}/x`, `${tensors[0]}/routes`];
    this.tensors = tensors;
    this.size = size;
    this.count = count;
    this.#used = routes.shape[1] / 2;
    this.#isShared = x.shape[1] === size;
    this.#histogram = quantiles ? new InputHistogram(size) : undefined;
    if (measure === 'squares')
      this.#sums = { squares: new Float64Array(count * size), tokens: new Array<number>(count).fill(0) };
  }

  /** Adds the outputs that are needed to a stage's graph. */
  static of(
    { graph, products }: Stage,
    isWanted: (tensor: string) => boolean,
    measure: Measure = 'gram',
    quantiles = false,
  ): ExpertInputs[] {
    const found = new Map<Value, ExpertInputs>();
    for (const { x, weight, experts } of products) {
      if (!experts || found.has(x)) continue;
      const tensors = products
        .filter((other) => other.experts && other.x === x)
        .map((other) => other.weight.attributes.tensor);
      const wanted = [...new Set(tensors.filter(isWanted))];
      if (wanted.length === 0) continue;
      const inputs = new ExpertInputs(x, experts.routes, wanted, weight.shape[1], experts.count, measure, quantiles);
      graph.outputs.set(inputs.names[0], x);
      graph.outputs.set(inputs.names[1], experts.routes);
      found.set(x, inputs);
    }
    return [...found.values()];
  }

  /** Adds the values of some tokens. */
  add(x: Float32Array, routes: Float32Array, isHeldOut: boolean): void {
    this.#histogram?.add(x);
    if (this.#sums) this.#addSquares(x, routes, this.#sums);
    else this.#parts.push({ x: x.slice(), routes: routes.slice(), isHeldOut });
  }

  /** Returns Σ x² of each expert. Only if the squares are measured. */
  squares(): Squares {
    const { squares, tokens } = this.#sums!;
    const input = this.quantiles();
    return { squares: Float32Array.from(squares), tokens, tensors: this.tensors, ...(input && { input }) };
  }

  /** Quantiles of the input of all experts, if they were wanted. */
  quantiles(): InputQuantiles | undefined {
    return this.#histogram?.result(this.tensors);
  }

  #addSquares(
    x: Float32Array,
    routes: Float32Array,
    { squares, tokens }: { readonly squares: Float64Array; readonly tokens: number[] },
  ): void {
    const [n, used] = [this.size, this.#used];
    for (let place = 0; place < routes.length / 2; place++) {
      const [token, slot] = [Math.floor(place / used), place % used];
      const expert = routes[token * 2 * used + slot];
      const at = this.#isShared ? token * n : place * n;
      for (let i = 0; i < n; i++) squares[expert * n + i] += x[at + i] ** 2;
      tokens[expert]++;
    }
  }

  /** Returns the statistic of each expert, and the number of tokens that it saw itself. */
  async *statistics(threads?: number): AsyncGenerator<{ readonly statistic: Statistic; readonly tokens: number }> {
    const matrices = await Matrices.create(threads);
    try {
      const all = [false, true].map((isHeldOut) => this.#gram(matrices, isHeldOut, undefined));
      for (let expert = 0; expert < this.count; expert++) {
        const [fit, heldOut] = [false, true].map((isHeldOut, i) => {
          const own = this.#gram(matrices, isHeldOut, expert);
          return { gram: withShared(own.gram, all[i], SHARED_TOKENS * this.size), tokens: own.tokens };
        }) as [Gram, Gram];
        const { size, tensors } = this;
        const statistic = { gram: fit.gram, heldOut: heldOut.gram, size, tensors };
        yield { statistic: { ...statistic, tokens: fit.tokens, heldOutTokens: heldOut.tokens }, tokens: fit.tokens };
      }
    } finally {
      matrices.dispose();
    }
  }

  /** Σ xᵀx of the rows of an expert, or of all rows. */
  #gram(matrices: Matrices, isHeldOut: boolean, expert: number | undefined): Gram {
    const n = this.size;
    const mark = matrices.mark();
    const [gram, rows, turned] = [n * n, ROWS * n, ROWS * n].map((count) => matrices.allocate(count)) as [
      number,
      number,
      number,
    ];
    const { floats } = matrices;
    floats.fill(0, gram, gram + n * n);
    let tokens = 0;
    let count = 0;
    const flush = () => {
      for (let row = 0; row < count; row++)
        for (let i = 0; i < n; i++) floats[turned + i * count + row] = -floats[rows + row * n + i];
      const view = (at: number, stride: number) => ({ at, stride });
      matrices.subtractProduct(view(gram, n), view(turned, count), view(rows, n), n, count, n);
      count = 0;
    };
    for (const part of this.#parts) {
      if (part.isHeldOut !== isHeldOut) continue;
      for (const row of this.#rowsOf(part, expert)) {
        floats.set(row, rows + count * n);
        tokens++;
        if (++count === ROWS) flush();
      }
    }
    flush();
    const result = floats.slice(gram, gram + n * n);
    matrices.release(mark);
    return { gram: result, tokens };
  }

  /** Rows of x that an expert reads, or that some expert reads. */
  *#rowsOf({ x, routes }: Part, expert: number | undefined): Generator<Float32Array> {
    const n = this.size;
    const used = this.#used;
    const tokens = routes.length / (2 * used);
    for (let token = 0; token < tokens; token++)
      for (let slot = 0; slot < used; slot++) {
        if (expert === undefined ? this.#isShared && slot > 0 : routes[token * 2 * used + slot] !== expert) continue;
        const at = this.#isShared ? token * n : (token * used + slot) * n;
        yield x.subarray(at, at + n);
      }
  }
}

interface Gram {
  readonly gram: Float32Array;
  readonly tokens: number;
}

/** Adds the Gram matrix of all rows, scaled to a number of tokens. */
function withShared(own: Float32Array, all: Gram, tokens: number): Float32Array {
  const factor = all.tokens > 0 ? Math.min(1, tokens / all.tokens) : 0;
  return own.map((value, i) => value + factor * all.gram[i]);
}
