/**
 * The statistic of calibration: the Gram matrices H = Σ x xᵀ of the inputs of a stage's products, computed by nodes that are
 * added to the stage's graph. Some windows are held out: theirs judge what the solver made of the others.
 */
import { backendByName } from '../backends/index.ts';
import type { Product } from '../graph/graph.ts';
import { accumulate } from '../graph/ops/accumulate.ts';
import { after } from '../graph/ops/after.ts';
import { input } from '../graph/ops/input.ts';
import { linearWeightGradient } from '../graph/ops/linearWeightGradient.ts';
import { multiply } from '../graph/ops/multiply.ts';
import { state } from '../graph/ops/state.ts';
import { sumRows } from '../graph/ops/sumRows.ts';
import type { Program, WeightStore } from '../graph/program.ts';
import type { Calibration } from './calibration.ts';
import type { Windows } from './calibrationText.ts';
import { ExpertInputs } from './expertInputs.ts';
import { InputHistogram, type InputQuantiles } from './inputQuantiles.ts';
import { channelsOf, type Stage } from './stages.ts';

export interface Statistic {
  /** H [n, n] of the windows that the solver uses. */
  readonly gram: Float32Array;
  /** H [n, n] of the windows that are held out. */
  readonly heldOut: Float32Array;
  readonly size: number;
  /** Numbers of tokens in both. Wide inputs are not measured on all tokens, see `enoughTokens`. */
  readonly tokens: number;
  readonly heldOutTokens: number;
  /** Weights that read this input. */
  readonly tensors: readonly string[];
  /** Quantiles of the input, if they were wanted. */
  readonly input?: InputQuantiles;
}

/** H [n, n] of all windows, for what is judged by the model's outputs and needs no held-out windows. */
export const gramOfAll = ({ gram, heldOut }: Statistic): Float32Array => gram.map((value, i) => value + heldOut[i]);

/** The sums of the squares of an input, Σ x²: the diagonal of H. */
export interface Squares {
  /** [n], or [experts, n] for stacked matrices. */
  readonly squares: Float32Array;
  /** Number of tokens, of each expert. */
  readonly tokens: readonly number[];
  readonly tensors: readonly string[];
  /** Quantiles of the input, if they were wanted. */
  readonly input?: InputQuantiles;
}

/** Values between stages, [tokens, width], by name. */
export type Activations = Map<string, Float32Array>;

export interface StageOptions {
  readonly weights: WeightStore;
  readonly windows: Windows;
  readonly threads?: number;
  readonly backend?: string;
  readonly signal?: AbortSignal;
  /** True: quantiles of the inputs are measured, too. */
  readonly quantiles?: boolean;
  /** Called after each step with the number of its tokens. */
  readonly onTokens?: (count: number) => void;
}

const HELD_OUT_EVERY = 8;
/** True for every eighth window. Of fewer than eight windows, the last one is held out. */
export const isHeldOut = (window: number, count: number): boolean =>
  window % HELD_OUT_EVERY === Math.min(count, HELD_OUT_EVERY) - 1;
/** Approximate tokens of a step. */
const STEP_TOKENS = 2048;

/**
 * Tokens that are enough for the Gram matrix of an input of `size` channels. On Sapling (256 to 1,024 channels) 57,000 tokens were
 * no better than 14,000; the matrix should have several tokens for each of its channels.
 */
export const enoughTokens = (size: number): number => Math.max(16_384, 4 * size);

/**
 * Selects as many windows as the widest input needs, plus those that are held out, evenly spread over the text. Running the model over
 * more windows takes time and gains nothing.
 */
export function enoughWindows(calibration: Calibration): Calibration {
  const { windows, stages } = calibration;
  const { tokens, size, count } = windows;
  const most = Math.max(...stages.flatMap(({ products }) => products.map(tokensFor)));
  const needed = HELD_OUT_EVERY * Math.ceil(most / (size * (HELD_OUT_EVERY - 1)));
  if (needed >= count) return calibration;
  const chosen = new Int32Array(needed * size);
  for (let i = 0; i < needed; i++) {
    const window = Math.floor((i * count) / needed);
    chosen.set(tokens.subarray(window * size, (window + 1) * size), i * size);
  }
  return { ...calibration, windows: { tokens: chosen, size, count: needed } };
}

/** Tokens that are enough for a product. An expert sees only those that are routed to it. */
function tokensFor(product: Product): number {
  const { experts } = product;
  const share = experts ? experts.routes.shape[1] / 2 / experts.count : 1;
  return enoughTokens(channelsOf(product)) / share;
}

const FIT = 'fit';
const HELD_OUT = 'held out';
const SQUARES = 'squares';
const TICK = 'tick';

/** The measured quantity: Gram matrices, or their diagonals only. */
export type Measure = 'gram' | 'squares';

/** A compiled stage. */
export class StageRun {
  readonly #stage: Stage;
  readonly #program: Program;
  readonly #options: StageOptions;
  /** Values whose Gram matrix is wanted, with the weights that read them. */
  readonly #taps: readonly Tap[];
  /** Histograms of the taps' inputs, by the tap's name. */
  readonly #histograms: ReadonlyMap<string, InputHistogram>;
  /** Inputs of experts, which `measure` fills. */
  readonly experts: readonly ExpertInputs[];

  private constructor(
    stage: Stage,
    program: Program,
    taps: readonly Tap[],
    experts: readonly ExpertInputs[],
    options: StageOptions,
  ) {
    this.#stage = stage;
    this.#program = program;
    this.#taps = taps;
    this.experts = experts;
    this.#options = options;
    this.#histograms = new Map(options.quantiles ? taps.map(({ name, size }) => [name, new InputHistogram(size)]) : []);
  }

  /** @param isWanted selects the weights whose inputs are measured */
  static async compile(
    stage: Stage,
    measure: Measure,
    isWanted: (tensor: string) => boolean,
    options: StageOptions,
  ): Promise<StageRun> {
    const taps = addTaps(stage, measure, isWanted, options.quantiles);
    const experts = ExpertInputs.of(stage, isWanted, measure, options.quantiles);
    const { windows, weights, threads, backend, signal } = options;
    const maxTokens = tokensPerStep(windows);
    const limits = { maxTokens, maxRows: maxTokens, context: windows.size };
    const settings = { threads };
    const program = await backendByName(backend).compile(stage.graph, { ...limits, settings, weights, signal });
    return new StageRun(stage, program, taps, experts, options);
  }

  /** Runs all windows, adds the values that later stages read to `activations`, and returns the statistics. */
  async measure(activations: Activations): Promise<Statistic[]> {
    const { windows } = this.#options;
    const all = windowsOf(windows);
    const [fit, held] = [false, true].map((isHeld) =>
      all.filter((window) => isHeldOut(window, windows.count) === isHeld),
    ) as [number[], number[]];
    const grams: Float32Array[] = [];
    // a step runs all updates before the last one that is wanted, so those of the held-out windows will change both sums
    const readGrams = async () => {
      for (const { name } of this.#taps) grams.push(await this.#program.readTensor(sumName(FIT, name)));
    };
    const tokens = await this.#runAll(activations, [
      { sums: FIT, chosen: fit, afterwards: readGrams },
      { sums: HELD_OUT, chosen: held },
    ]);
    const statistics: Statistic[] = [];
    for (const [i, { name, size, tensors }] of this.#taps.entries()) {
      const heldOut = await this.#program.readTensor(sumName(HELD_OUT, name));
      const [fitTokens, heldOutTokens] = tokens.map((each) => each[i]) as [number, number];
      const input = this.#histograms.get(name)?.result(tensors);
      statistics.push({
        gram: grams[i],
        heldOut,
        size,
        tokens: fitTokens,
        heldOutTokens,
        tensors,
        ...(input && { input }),
      });
    }
    return statistics;
  }

  /** Does the same as `measure` for sums of squares. The stage must have been compiled for 'squares'. */
  async measureSquares(activations: Activations): Promise<Squares[]> {
    const { windows } = this.#options;
    await this.#runAll(activations, [{ sums: SQUARES, chosen: windowsOf(windows) }]);
    const found: Squares[] = [];
    for (const { name, tensors } of this.#taps) {
      const squares = await this.#program.readTensor(sumName(SQUARES, name));
      const input = this.#histograms.get(name)?.result(tensors);
      found.push({ squares, tokens: [windows.count * windows.size], tensors, ...(input && { input }) });
    }
    return [...found, ...this.experts.map((experts) => experts.squares())];
  }

  /** Runs each part's windows, and updates the part's sums. @returns tokens in the sums of each tap, by part */
  async #runAll(activations: Activations, parts: readonly Part[]): Promise<number[][]> {
    const { windows } = this.#options;
    const outputs = [...this.#stage.outputs];
    const found = outputs.map(([, width]) => new Float32Array(windows.count * windows.size * width));
    const tokens: number[][] = [];
    for (const { sums, chosen, afterwards } of parts) {
      const all = steps(chosen, tokensPerStep(windows) / windows.size);
      const counts = this.#taps.map(() => 0);
      for (const [index, step] of all.entries()) {
        const taps = this.#taps.filter(({ size }) => {
          const share = sums === SQUARES ? 1 : Math.min(1, enoughTokens(size) / (chosen.length * windows.size));
          return Math.ceil((index + 1) * share) > Math.ceil(index * share);
        });
        for (const tap of taps) counts[this.#taps.indexOf(tap)] += step.length * windows.size;
        const ofExperts = this.experts.flatMap(({ names }) => names);
        const sumNames = taps.map(({ name }) => sumName(sums, name));
        const inputs = taps.filter(({ name }) => this.#histograms.has(name)).map(({ name }) => name);
        const names = [...outputs.map(([name]) => name), ...ofExperts, ...sumNames, ...inputs];
        if (names.length === 0) continue;
        const values = await this.#run(step, activations, names);
        for (const [i, experts] of this.experts.entries()) {
          const [x, routes] = values.slice(outputs.length + 2 * i);
          experts.add(x, routes, sums === HELD_OUT);
        }
        const from = names.length - inputs.length;
        for (const [i, name] of inputs.entries()) this.#histograms.get(name)!.add(values[from + i]);
        for (const [i, [, width]] of outputs.entries()) {
          const size = windows.size * width;
          for (const [place, window] of step.entries())
            found[i].set(values[i].subarray(place * size, (place + 1) * size), window * size);
        }
      }
      tokens.push(counts);
      await afterwards?.();
    }
    for (const [i, [name]] of outputs.entries()) activations.set(name, found[i]);
    return tokens;
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

/** Windows whose values are added to the same sums. */
interface Part {
  readonly sums: string;
  /** Indices of the windows. */
  readonly chosen: readonly number[];
  /** Called when they were run. */
  readonly afterwards?: () => Promise<void>;
}

interface Tap {
  readonly name: string;
  readonly size: number;
  readonly tensors: readonly string[];
}

/**
 * Adds the Gram matrices of the products' inputs, as states, and an output for each that updates it.
 * @param quantiles true: the inputs themselves are outputs, too, under the names of the taps
 */
function addTaps(
  { graph, products }: Stage,
  measure: Measure,
  isWanted: (tensor: string) => boolean,
  quantiles = false,
): Tap[] {
  const wanted = products.filter(({ weight, experts }) => !experts && isWanted(weight.attributes.tensor));
  if (wanted.length === 0) return [];
  const values = [...new Set(wanted.map(({ x }) => x))];
  const tick = input(graph, TICK, 1, 1, 'f32');
  const taps = values.map((x): Tap => {
    const tensors = wanted.filter((product) => product.x === x).map(({ weight }) => weight.attributes.tensor);
    return { name: `${tensors[0]}/input`, size: x.shape[1], tensors: [...new Set(tensors)] };
  });
  if (quantiles) for (const [i, x] of values.entries()) graph.outputs.set(taps[i].name, x);
  for (const sums of measure === 'gram' ? [FIT, HELD_OUT] : [SQUARES])
    for (const [i, x] of values.entries()) {
      const width = x.shape[1];
      const name = sumName(sums, taps[i].name);
      const sum = state(graph, name, measure === 'gram' ? width : 1, width);
      const update = accumulate(sum, measure === 'gram' ? linearWeightGradient(x, x) : sumRows(multiply(x, x)));
      graph.outputs.set(name, after(tick, [update], name));
    }
  return taps;
}

const sumName = (sums: string, tap: string): string => `${sums}/${tap}`;

const windowsOf = ({ count }: Windows): number[] => Array.from({ length: count }, (_, i) => i);

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
