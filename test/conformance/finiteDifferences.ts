/** Compares gradients with finite differences. The backend under test computes both. */
import { seededRandom } from '../../src/core/random.ts';
import { type GradientOptions, gradients } from '../../src/graph/gradients.ts';
import { isWeight, rowsOf, type Value } from '../../src/graph/graph.ts';
import { input } from '../../src/graph/ops/input.ts';
import { weightedSum } from '../../src/graph/ops/weightedSum.ts';
import type { Program, WeightStore } from '../../src/graph/program.ts';
import { type BatchStep, stepRows } from '../../src/graph/step.ts';
import type { Target } from './targets.ts';

/** A value to differentiate, and a step that computes it. */
export interface Differentiated {
  /** [rows, 1]; its sum with random coefficients is differentiated. */
  readonly y: Value;
  /** F32 weights to differentiate with respect to. */
  readonly of: readonly Value[];
  readonly store: WeightStore;
  readonly step: BatchStep;
}

/** Gradient of a weight, and its distance from the finite differences. */
export interface Checked {
  readonly tensor: string;
  /** Maximum difference in random directions, relative to the norm of the gradient. */
  readonly error: number;
}

/** Step size relative to the deviation of the weight's elements. */
const STEP = 1 / 128;
/** Minimum deviation, for elements near zero. Smaller steps would measure rounding errors of the sum. */
const LEAST_DEVIATION = 0.3;
const DIRECTIONS = 2;

type Runs = Pick<Target, 'backend' | 'settings'>;

interface Run {
  readonly program: Program;
  /** Gradients by weight of `of`, at the given step. */
  readonly gradients: readonly Float32Array[];
  /** Computes the differentiated value with the current weights. */
  sum(): Promise<number>;
}

/** Compiles a value with its gradients and computes them. */
async function withGradients<R>(
  { y, of, store, step }: Differentiated,
  { backend, settings }: Runs,
  options: GradientOptions,
  use: (run: Run) => Promise<R>,
): Promise<R> {
  const { graph } = y;
  graph.outputs.clear();
  graph.outputs.set('y', y);
  const found = gradients(weightedSum(y, input(graph, 'coefficients', y.shape[0], 1, 'f32')), of, options);
  for (const [i, value] of of.entries()) graph.outputs.set(`gradient ${i}`, found.get(value)!);

  const T = step.tokens.length;
  const limits = { maxTokens: T, maxRows: T, context: T };
  const program = await backend.compile(graph, { weights: store, ...limits, settings });
  try {
    const rows = rowsOf(y.shape, stepRows(step).registers);
    const coefficients = Float32Array.from({ length: rows }, seededRandom(rows).normal);
    const inputs = { ...step.inputs, coefficients };
    const result = program.run({ ...step, inputs });
    return await use({
      program,
      gradients: await Promise.all(of.map((_, i) => result.output(`gradient ${i}`))),
      async sum() {
        const values = await program.run({ ...step, inputs, outputs: ['y'] }).output('y');
        return values.reduce((total, value, row) => total + value * coefficients[row], 0);
      },
    });
  } finally {
    program.dispose();
  }
}

/** The gradients by weight. */
export function takeGradients(
  plan: Differentiated,
  runs: Runs,
  options: GradientOptions = {},
): Promise<Float32Array[]> {
  return withGradients(plan, runs, options, async ({ gradients }) => [...gradients]);
}

export function checkGradients(plan: Differentiated, runs: Runs): Promise<Checked[]> {
  return withGradients(plan, runs, {}, async (run) => {
    const checked: Checked[] = [];
    for (const [i, value] of plan.of.entries()) {
      if (!isWeight(value)) throw new TypeError(`${value.label} is not a weight`);
      const { tensor } = value.attributes;
      checked.push({ tensor, error: await errorOf(run, tensor, run.gradients[i]) });
    }
    return checked;
  });
}

async function errorOf({ program, sum }: Run, tensor: string, gradient: Float32Array): Promise<number> {
  const random = seededRandom(gradient.length);
  const weight = await program.readTensor(tensor);
  const deviation = Math.max(LEAST_DEVIATION, norm(weight) / Math.sqrt(weight.length));
  let worst = 0;
  for (let i = 0; i < DIRECTIONS; i++) {
    const direction = Float64Array.from(weight, () => deviation * random.normal());
    const at = async (steps: number): Promise<number> => {
      await program.writeTensor(
        tensor,
        weight.map((element, at) => element + steps * STEP * direction[at]),
      );
      return sum();
    };
    // central differences of fourth order
    const slope = (8 * ((await at(1)) - (await at(-1))) - ((await at(2)) - (await at(-2)))) / (12 * STEP);
    const expected = gradient.reduce((total, element, at) => total + element * direction[at], 0);
    const error = Math.abs(slope - expected) / (deviation * norm(gradient));
    // NaN counts as the greatest error
    if (!(error <= worst)) worst = error;
  }
  await program.writeTensor(tensor, weight);
  return worst;
}

function norm(values: Float32Array): number {
  return Math.sqrt(values.reduce((total, value) => total + value ** 2, 0));
}
