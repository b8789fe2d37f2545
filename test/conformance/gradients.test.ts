/** Compares gradients of every op and of whole models with finite differences, on every backend including the reference. */
import { afterAll, describe, expect, it } from 'vitest';
import { makeModel } from '../../scripts/models/index.ts';
import { reference } from '../../src/backends/reference/index.ts';
import { openGguf } from '../../src/formats/gguf/checkpoint.ts';
import { memorySource } from '../../src/formats/sources/memory.ts';
import { trainableWeights } from '../../src/graph/gradients.ts';
import type { Value } from '../../src/graph/graph.ts';
import { crossEntropy } from '../../src/graph/ops/crossEntropy.ts';
import { input } from '../../src/graph/ops/input.ts';
import { linear } from '../../src/graph/ops/linear.ts';
import { multiply } from '../../src/graph/ops/multiply.ts';
import { state } from '../../src/graph/ops/state.ts';
import { buildModel } from '../../src/models/buildModel.ts';
import { weightStore } from '../../src/models/weightStore.ts';
import { type Case, prepare } from './case.ts';
import { cases } from './cases.ts';
import { type Checked, checkGradients, type Differentiated, takeGradients } from './finiteDifferences.ts';
import { availableTargets } from './targets.ts';

const targets = [{ name: 'reference', backend: reference }, ...(await availableTargets())];
const worst = new Map<string, { error: number; what: string }>();

/** Tolerances. Finite differences of f32 values have rounding errors, and for whole models also truncation errors. */
const TOLERANCE = { ops: 5e-4, models: 3e-3 };

function expectSmall(name: string, target: string, checked: readonly Checked[], tolerance: number): void {
  for (const { tensor, error } of checked) {
    if (!(error < (worst.get(name)?.error ?? 0))) worst.set(name, { error, what: `${tensor}, ${target}` });
    expect(error, tensor).toBeLessThanOrEqual(tolerance);
  }
}

/** The first step of a case, whose value becomes one column with another gradient in every element. */
function differentiated(plan: Case): Differentiated {
  const prepared = prepare(plan);
  const { test } = prepared;
  if (!test.differentiable) throw new TypeError(`${plan.name} says nothing to differentiate`);
  const { y, of } = test.differentiable;
  const [rows, width] = y.shape;
  const column =
    width === 1
      ? y
      : linear(
          multiply(y, test.input(rows, width)),
          test.floats(1, width, () => 1),
        );
  const [tokens] = prepared.tokens;
  const [{ rows: selected, sequence } = plan.steps[0]] = plan.steps;
  const inputs = test.inputs({ T: tokens.length, P: 0, R: selected!.length, S: sequence! });
  return { y: column, of, store: test.store, step: { tokens: tokens, rows: selected!, sequence: sequence!, inputs } };
}

/** A small model with cross-entropy loss, differentiated with respect to all weights. */
async function model(architecture: string): Promise<Differentiated> {
  const dimensions = { width: 24, heads: 4, kvHeads: architecture === 'gpt2' ? 4 : 2, headSize: 6, ffn: 32, layers: 2 };
  const bytes = await makeModel({ architecture, format: 'F32', dimensions });
  const built = buildModel(await openGguf(memorySource(bytes, architecture)), 16);
  const { graph } = built;
  const logits = graph.outputs.get('logits')!;
  const y = crossEntropy(logits, input(graph, 'targets', 'R', 1, 'i32'));
  const tokens = Array.from({ length: 12 }, (_, t) => (t * 37) % 90);
  const targets = Int32Array.from(tokens, (token, t) => (t % 5 === 4 ? -1 : (token * 13 + 5) % 90));
  const step = { tokens, rows: tokens.map((_, t) => t), sequence: 6, inputs: { targets } };
  return { y, of: trainableWeights(y), store: weightStore(built), step };
}

const models = ['llama', 'gpt2', 'gemma2', 'qwen3', 'phi3'];

const everywhere = cases.filter((plan) => plan.differentiated === 'everywhere');
const byReference = cases.filter((plan) => plan.differentiated === 'by the reference');

it.each(byReference)('gradients of the reference agree with finite differences: $name', async (plan) => {
  const checked = await checkGradients(differentiated(plan), { backend: reference });
  expectSmall(plan.name, 'reference', checked, TOLERANCE.ops);
});

describe.each(targets)('gradients of $name are what differences say', ({ name: target, ...rest }) => {
  it.each(everywhere)('$name', async (plan) => {
    expectSmall(plan.name, target, await checkGradients(differentiated(plan), rest), TOLERANCE.ops);
  });

  it.each(models)('of a whole %s', async (architecture) => {
    expectSmall(architecture, target, await checkGradients(await model(architecture), rest), TOLERANCE.models);
  });

  it.each(['llama', 'gpt2'])('of a whole %s with activation checkpointing and accumulators', async (architecture) => {
    const all = await takeGradients(await model(architecture), rest);
    const plan = await model(architecture);
    const states = plan.of.map(({ graph, label, shape }) =>
      state(graph, `gradient/${label}`, Number(shape[0]), shape[1]),
    );
    const accumulators = new Map(plan.of.map((weight, i) => [weight, states[i]]));
    const checkpoint = ({ label }: Value) => !label.startsWith('blk.') || label.endsWith('_residual');
    const found = await takeGradients(plan, rest, { accumulators, checkpoint });
    for (const [i, gradient] of all.entries()) {
      const squares = gradient.reduce((total, element, at) => total + (element - found[i][at]) ** 2, 0);
      const power = gradient.reduce((total, element) => total + element ** 2, 0);
      expect(squares / power, plan.of[i].label).toBeLessThanOrEqual(1e-10);
    }
  });
});

afterAll(() => {
  const lines = [...worst].map(([name, { error, what }]) => `${name}: ${error.toExponential(1)} (${what})`);
  console.log(['greatest differences of gradients', ...lines].join('\n'));
});
