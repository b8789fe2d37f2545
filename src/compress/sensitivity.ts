/** Measures the true KL divergence of a model whose matrices are replaced by quantized ones. */
import { backendByName } from '../backends/index.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import type { Program } from '../graph/program.ts';
import { buildModel } from '../models/buildModel.ts';
import { dequantized } from '../models/dequantized.ts';
import { weightStore } from '../models/weightStore.ts';
import { klDivergence } from '../sampling/klDivergence.ts';
import type { Windows } from './calibrationText.ts';

export interface SensitivityOptions {
  readonly windows: Windows;
  readonly threads?: number;
  readonly backend?: string;
  readonly signal?: AbortSignal;
}

/** Tokens of a step. */
export const STEP_TOKENS = 1024;
/** Steps that a whole measurement takes at most. */
export const STEPS = 4;
/** Maximum bytes of the logits of one step. */
export const LOGIT_BYTES = 2 ** 25;

/** The model in F32, with weights that can be replaced. */
export class Sensitivity {
  readonly #program: Program;
  readonly #windows: Windows;
  /** Windows of a step, and the rows of a step whose logits are compared. */
  readonly #windowsPerStep: number;
  readonly #rows: Int32Array;
  readonly #vocabulary: number;
  /** Logits of the model itself, by step. */
  readonly #reference: Float32Array[] = [];

  private constructor(program: Program, windows: Windows, windowsPerStep: number, rows: Int32Array) {
    this.#program = program;
    this.#windows = windows;
    this.#windowsPerStep = windowsPerStep;
    this.#rows = rows;
    this.#vocabulary = program.graph.outputs.get('logits')!.shape[1];
  }

  static async create(
    checkpoint: Checkpoint,
    { windows, threads, backend, signal }: SensitivityOptions,
  ): Promise<Sensitivity> {
    const model = buildModel(dequantized(checkpoint), windows.size);
    const count = Math.max(1, Math.min(windows.count, Math.floor(STEP_TOKENS / windows.size)));
    const tokens = count * windows.size;
    const [, vocabulary] = model.graph.outputs.get('logits')!.shape;
    const wanted = Math.max(1, Math.min(tokens, Math.floor(LOGIT_BYTES / (4 * vocabulary))));
    const rows = Int32Array.from({ length: wanted }, (_, i) => Math.floor(((i + 1) * tokens) / wanted) - 1);
    const limits = { maxTokens: tokens, maxRows: wanted, context: windows.size };
    const options = { ...limits, weights: weightStore(model), settings: { threads }, signal };
    const program = await backendByName(backend).compile(model.graph, options);
    const own = new Sensitivity(program, windows, count, rows);
    const steps = Math.max(1, Math.min(STEPS, Math.floor(windows.count / count)));
    for (let step = 0; step < steps; step++) own.#reference.push(await own.#logits(step));
    return own;
  }

  /** Replaces a weight. */
  write(tensor: string, values: Float32Array): Promise<void> {
    return this.#program.writeTensor(tensor, values);
  }

  /** Mean KL divergence per token. @param text 'some': on about 1,000 tokens; 'all': on four times as many */
  async divergence(text: 'some' | 'all'): Promise<number> {
    const steps = text === 'all' ? this.#reference.length : 1;
    const V = this.#vocabulary;
    let sum = 0;
    for (let step = 0; step < steps; step++) {
      const logits = await this.#logits(step);
      for (let at = 0; at < logits.length; at += V)
        sum += klDivergence(this.#reference[step].subarray(at, at + V), logits.subarray(at, at + V));
    }
    return sum / (steps * this.#rows.length);
  }

  dispose(): void {
    this.#program.dispose();
  }

  #logits(step: number): Promise<Float32Array> {
    const { tokens, size } = this.#windows;
    const count = this.#windowsPerStep * size;
    const chosen = tokens.slice(step * count, (step + 1) * count);
    return this.#program
      .run({ tokens: chosen, sequence: size, rows: this.#rows, outputs: ['logits'] })
      .output('logits');
  }
}
