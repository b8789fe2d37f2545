/**
 * A complete training step: a model built by its architecture, loss, gradients accumulated over two
 * steps, clipping, AdamW. It memorizes a text of 32 tokens on every backend.
 */
import { describe, expect, it } from 'vitest';
import { makeModel } from '../../scripts/models/index.ts';
import { reference } from '../../src/backends/reference/index.ts';
import { openGguf } from '../../src/formats/gguf/checkpoint.ts';
import { memorySource } from '../../src/formats/sources/memory.ts';
import { gradients, trainableWeights } from '../../src/graph/gradients.ts';
import type { Graph, Value } from '../../src/graph/graph.ts';
import { adamW } from '../../src/graph/ops/adamW.ts';
import { after } from '../../src/graph/ops/after.ts';
import { clip } from '../../src/graph/ops/clip.ts';
import { columns } from '../../src/graph/ops/columns.ts';
import { crossEntropy } from '../../src/graph/ops/crossEntropy.ts';
import { input } from '../../src/graph/ops/input.ts';
import { squareSum } from '../../src/graph/ops/squareSum.ts';
import { state } from '../../src/graph/ops/state.ts';
import { weightedSum } from '../../src/graph/ops/weightedSum.ts';
import type { Program } from '../../src/graph/program.ts';
import { buildModel } from '../../src/models/buildModel.ts';
import { weightStore } from '../../src/models/weightStore.ts';
import { availableTargets, type Target } from './targets.ts';

const SEQUENCE = 8;
const SEQUENCES_PER_STEP = 2;
const RATE = 0.01;
const UPDATES = 40;

/** Two batches of sequences with 32 predictions in total. */
const text = Array.from({ length: 33 }, (_, i) => (i * i * 7 + 3 * i + 1) % 61);

/** Adds the loss (mean over the batch), gradients and updates to a model's graph. */
function learning(graph: Graph): void {
  const stateLike = (kind: string, { label, shape }: Value) =>
    state(graph, `${kind}/${label}`, Number(shape[0]), shape[1]);
  const rows = crossEntropy(graph.outputs.get('logits')!, input(graph, 'targets', 'R', 1, 'i32'));
  const loss = weightedSum(rows, input(graph, 'weights', 'R', 1, 'f32'));
  const weights = trainableWeights(loss);
  const accumulators = new Map(weights.map((weight) => [weight, stateLike('gradient', weight)]));
  const sums = gradients(loss, weights, { accumulators });
  const squares = squareSum([...sums.values()]);
  const settings = input(graph, 'settings', 1, 7, 'f32');
  const factor = clip(squares, 1);
  const updates = weights.map((weight) => {
    const [m, v] = [stateLike('adam.m', weight), stateLike('adam.v', weight)];
    return adamW(
      { weight, gradient: sums.get(weight)!, m, v, settings, factor },
      { decays: Number(weight.shape[0]) > 1 },
    );
  });
  graph.outputs.clear();
  graph.outputs.set('loss', loss);
  graph.outputs.set('gradients', squares);
  graph.outputs.set('update', after(columns(settings, 0, 1), updates));
}

async function compiled({ backend, settings }: Pick<Target, 'backend' | 'settings'>) {
  const dimensions = { width: 32, heads: 4, kvHeads: 2, headSize: 8, ffn: 64, layers: 2 };
  const bytes = await makeModel({ architecture: 'llama', format: 'F32', dimensions });
  const model = buildModel(await openGguf(memorySource(bytes, 'llama')), SEQUENCE);
  learning(model.graph);
  const most = SEQUENCE * SEQUENCES_PER_STEP;
  const limits = { maxTokens: most, maxRows: most, context: SEQUENCE };
  return backend.compile(model.graph, { weights: weightStore(model), ...limits, settings });
}

/** Trains on one batch of two steps. @returns its mean loss before the update, in nats */
async function update(program: Program, t: number): Promise<number> {
  const each = SEQUENCE * SEQUENCES_PER_STEP;
  let loss = 0;
  for (const [from, outputs] of [
    [0, ['loss', 'gradients']],
    [each, ['loss', 'update']],
  ] as const) {
    const result = program.run({
      tokens: text.slice(from, from + each),
      rows: Array.from({ length: each }, (_, row) => row),
      sequence: SEQUENCE,
      outputs,
      inputs: {
        targets: Int32Array.from(text.slice(from + 1, from + each + 1)),
        weights: new Float32Array(each).fill(1 / (2 * each)),
        settings: Float32Array.of(RATE, 0.9, 0.99, 1e-8, 0.01, 1 / (1 - 0.9 ** t), 1 / (1 - 0.99 ** t)),
      },
    });
    loss += (await result.output('loss'))[0];
  }
  return loss;
}

async function updates(program: Program, count: number): Promise<number[]> {
  const losses: number[] = [];
  for (let t = 1; t <= count; t++) losses.push(await update(program, t));
  return losses;
}

const targets = [{ name: 'reference', backend: reference }, ...(await availableTargets())];

describe.each(targets)('$name', (target) => {
  it('memorizes a text reproducibly', async () => {
    const program = await compiled(target);
    const losses = await updates(program, UPDATES);
    expect(losses[0]).toBeGreaterThan(3);
    expect(losses.at(-1)).toBeLessThan(0.1);
    program.dispose();

    const another = await compiled(target);
    expect(await updates(another, 3)).toEqual(losses.slice(0, 3));
    another.dispose();
  });
});
