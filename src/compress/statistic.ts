/**
 * The statistic of calibration: the Gram matrices H = Σ x xᵀ of the inputs of a stage's products, computed by nodes that are
 * added to the stage's graph. Some windows are held out: theirs judge what the solver made of the others.
 */
import { backendByName } from '../backends/index.ts';
import { accumulate } from '../graph/ops/accumulate.ts';
import { after } from '../graph/ops/after.ts';
import { input } from '../graph/ops/input.ts';
import { linearWeightGradient } from '../graph/ops/linearWeightGradient.ts';
import { multiply } from '../graph/ops/multiply.ts';
import { state } from '../graph/ops/state.ts';
import { sumRows } from '../graph/ops/sumRows.ts';
import type { Program, WeightStore } from '../graph/program.ts';
import type { Windows } from './calibrationText.ts';
import type { Stage } from './stages.ts';

export interface Statistic {
  /** H [n, n] of the windows that the solver uses. */
  readonly gram: Float32Array;
  /** H [n, n] of the windows that are held out. */
  readonly heldOut: Float32Array;
  readonly size: number;
  /** Numbers of tokens in both. */
  readonly tokens: number;
  readonly heldOutTokens: number;
  /** Weights that read this input. */
  readonly tensors: readonly string[];
}

/** The sums of the squares of an input, Σ x², [n]: the diagonal of H. */
export interface Squares {
  readonly squares: Float32Array;
  readonly tokens: number;
  readonly tensors: readonly string[];
}

/** Values between stages, [tokens, width], by name. */
export type Activations = Map<string, Float32Array>;

export interface StageOptions {
  readonly weights: WeightStore;
  readonly windows: Windows;
  readonly threads?: number;
  readonly backend?: string;
  readonly signal?: AbortSignal;
  /** Called after each step with the number of its tokens. */
  readonly onTokens?: (count: number) => void;
}

/** Every eighth window is held out. */
export const isHeldOut = (window: number): boolean => window % 8 === 7;
/** Approximate tokens of a step. */
const STEP_TOKENS = 2048;

const FIT = 'fit';
const HELD_OUT = 'held out';
const SQUARES = 'squares';
const TICK = 'tick';

/** What is measured: Gram matrices, or their diagonals only. */
export type Measure = 'gram' | 'squares';

/** A compiled stage. */
export class StageRun {
  readonly #stage: Stage;
  readonly #program: Program;
  readonly #options: StageOptions;
  /** Values whose Gram matrix is wanted, with the weights that read them. */
  readonly #taps: readonly Tap[];

  private constructor(stage: Stage, program: Program, taps: readonly Tap[], options: StageOptions) {
    this.#stage = stage;
    this.#program = program;
    this.#taps = taps;
    this.#options = options;
  }

  /** @param isWanted selects the weights whose inputs are measured */
  static async compile(
    stage: Stage,
    measure: Measure,
    isWanted: (tensor: string) => boolean,
    options: StageOptions,
  ): Promise<StageRun> {
    const taps = addTaps(stage, measure, isWanted);
    const { windows, weights, threads, backend, signal } = options;
    const maxTokens = tokensPerStep(windows);
    const limits = { maxTokens, maxRows: maxTokens, context: windows.size };
    const settings = { threads };
    const program = await backendByName(backend).compile(stage.graph, { ...limits, settings, weights, signal });
    return new StageRun(stage, program, taps, options);
  }

  /** Runs all windows and returns the statistics. */
  async measure(activations: Activations): Promise<Statistic[]> {
    if (this.#taps.length === 0) return [];
    const { windows } = this.#options;
    const tokens = [0, 0];
    for (const heldOut of [0, 1]) {
      const chosen = Array.from({ length: windows.count }, (_, i) => i).filter((i) => Number(isHeldOut(i)) === heldOut);
      tokens[heldOut] = chosen.length * windows.size;
      for (const step of steps(chosen, tokensPerStep(windows) / windows.size))
        await this.#run(step, activations, [heldOut ? HELD_OUT : FIT]);
    }
    const statistics: Statistic[] = [];
    for (const { name, size, tensors } of this.#taps) {
      const [gram, heldOut] = [
        await this.#program.readTensor(`${FIT}/${name}`),
        await this.#program.readTensor(`${HELD_OUT}/${name}`),
      ];
      statistics.push({ gram, heldOut, size, tokens: tokens[0]!, heldOutTokens: tokens[1]!, tensors });
    }
    return statistics;
  }

  /** Runs all windows and returns only the sums of squares. The stage must have been compiled for 'squares'. */
  async measureSquares(activations: Activations): Promise<Squares[]> {
    const { windows } = this.#options;
    const all = Array.from({ length: windows.count }, (_, i) => i);
    if (this.#taps.length > 0)
      for (const step of steps(all, tokensPerStep(windows) / windows.size))
        await this.#run(step, activations, [SQUARES]);
    const found: Squares[] = [];
    for (const { name, tensors } of this.#taps)
      found.push({
        squares: await this.#program.readTensor(`${SQUARES}/${name}`),
        tokens: windows.count * windows.size,
        tensors,
      });
    return found;
  }

  /** Replaces the values of a weight. */
  async replace(tensor: string, values: Float32Array): Promise<void> {
    await this.#program.writeTensor(tensor, values);
  }

  /** Runs all windows, adds the values that later stages read to `activations`. */
  async advance(activations: Activations): Promise<void> {
    const { windows } = this.#options;
    const names = [...this.#stage.outputs.keys()];
    if (names.length === 0) return;
    const found = names.map((name) => new Float32Array(windows.count * windows.size * this.#stage.outputs.get(name)!));
    const all = Array.from({ length: windows.count }, (_, i) => i);
    for (const step of steps(all, tokensPerStep(windows) / windows.size)) {
      const values = await this.#run(step, activations, names);
      for (const [i, name] of names.entries())
        found[i]!.set(values[i]!, step[0]! * windows.size * this.#stage.outputs.get(name)!);
    }
    for (const [i, name] of names.entries()) activations.set(name, found[i]!);
  }

  dispose(): void {
    this.#program.dispose();
  }

  async #run(step: readonly number[], activations: Activations, outputs: readonly string[]): Promise<Float32Array[]> {
    const { windows, signal, onTokens } = this.#options;
    signal?.throwIfAborted();
    const { size } = windows;
    const count = step.length * size;
    const pick = <A extends Float32Array | Int32Array>(from: A, width: number): A => {
      const to = from.slice(0, count * width) as A;
      for (const [i, window] of step.entries())
        to.set(from.subarray(window * size * width, (window + 1) * size * width), i * size * width);
      return to;
    };
    const inputs: Record<string, Float32Array | Int32Array> = { [TICK]: new Float32Array(1) };
    for (const [name, width] of this.#stage.inputs) inputs[name] = pick(activations.get(name)!, width);
    const result = this.#program.run({
      tokens: pick(windows.tokens, 1),
      sequence: size,
      rows: Int32Array.from({ length: count }, (_, row) => row),
      outputs,
      inputs,
    });
    const values: Float32Array[] = [];
    for (const output of outputs) values.push(await result.output(output));
    onTokens?.(count);
    return values;
  }
}

interface Tap {
  readonly name: string;
  readonly size: number;
  readonly tensors: readonly string[];
}

/** Adds the Gram matrices of the products' inputs, as states, and the outputs that update them. */
function addTaps({ graph, products }: Stage, measure: Measure, isWanted: (tensor: string) => boolean): Tap[] {
  const wanted = products.filter(({ weight }) => isWanted(weight.attributes.tensor));
  if (wanted.length === 0) return [];
  const values = [...new Set(wanted.map(({ x }) => x))];
  const tick = input(graph, TICK, 1, 1, 'f32');
  const taps = values.map((x): Tap => {
    const tensors = wanted.filter((product) => product.x === x).map(({ weight }) => weight.attributes.tensor);
    return { name: `${tensors[0]}/input`, size: x.shape[1], tensors: [...new Set(tensors)] };
  });
  for (const name of measure === 'gram' ? [FIT, HELD_OUT] : [SQUARES]) {
    const sums = values.map((x, i) => {
      const width = x.shape[1];
      const sum = state(graph, `${name}/${taps[i]!.name}`, measure === 'gram' ? width : 1, width);
      return accumulate(sum, measure === 'gram' ? linearWeightGradient(x, x) : sumRows(multiply(x, x)));
    });
    graph.outputs.set(name, after(tick, sums, name));
  }
  return taps;
}

const tokensPerStep = ({ size, count }: Windows): number =>
  size * Math.min(count, Math.max(1, Math.floor(STEP_TOKENS / size)));

function steps(windows: readonly number[], size: number): number[][] {
  return Array.from({ length: Math.ceil(windows.length / size) }, (_, i) => windows.slice(i * size, (i + 1) * size));
}

/** Names of values that the activations of finished stages still hold although no later stage reads them. */
export function forget(activations: Activations, later: readonly Stage[]): void {
  const needed = new Set(later.flatMap(({ inputs }) => [...inputs.keys()]));
  for (const name of activations.keys()) if (!needed.has(name)) activations.delete(name);
}
