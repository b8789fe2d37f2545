/**
 * Trains a character GPT-2 through real Flower: one TypeScript node and one Python SuperNode with PyTorch, each with half of the text,
 * in two rounds of 50 steps, as the `nanogpt-shakespeare` app of Flower's hub does with a larger model.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeNpy, encodeNpy } from '../../src/federated/flower/npy.ts';
import { FlowerNode, flowerKey, type RecordDict, trainLocally } from '../../src/federated/index.ts';
import type { Dataset, TrainableModel } from '../../src/train/index.ts';
import { startSuperLink } from '../../test/federated/superLink.ts';
import { openText } from './base.ts';
import { BATCH, characterModel, RATE, SEQUENCE } from './roles.ts';

export interface FlowerFigures {
  readonly parameters: number;
  /** Perplexity of held-out text before the first round, and after each, as both clients report it. */
  readonly perplexities: readonly number[];
  /** Loss of the final weights on the Python client's text: computed by PyTorch, and by us. */
  readonly python: number;
  readonly ours: number;
  readonly seconds: number;
}

const ROUNDS = 2;
const STEPS = 50;
const HEADS = 4;

/** @param bin folder of Flower's commands, from a Python with PyTorch */
export async function trainThroughFlower(
  bin: string,
  options: { readonly text: string; readonly layers: number; readonly width: number },
): Promise<FlowerFigures> {
  const folder = mkdtempSync(join(tmpdir(), 'espalier-flower-'));
  const model = await characterModel(folder, options);
  const text = readFileSync(options.text, 'utf8');
  const half = text.length >> 1;
  const [own, others] = [
    await openText(model, 'first', text.slice(0, half)),
    await openText(model, 'second', text.slice(half)),
  ];
  const start = await model.readWeights();
  await describeTask(folder, model, others, options);
  const [startPath, finalPath] = [join(folder, 'start.npy'), join(folder, 'final.npy')];
  writeFileSync(startPath, encodeNpy({ dtype: 'float32', shape: [start.length], data: start }));
  const before = ((await lossOf(model, own, start)) + (await lossOf(model, others, start))) / 2;
  const variables = { ESPALIER_START: startPath, ESPALIER_FINAL: finalPath, ESPALIER_TORCH: folder };
  const client = new URL('./torchClient.py', import.meta.url).pathname;
  const link = await startSuperLink(bin, variables, client);
  const stopping = new AbortController();
  const pythonLosses: number[] = [];
  const ownLosses: number[] = [];
  try {
    let round = 0;
    const node = new FlowerNode(link.url, flowerKey(), {
      async handle({ type, content }): Promise<RecordDict> {
        const weights = weightsOf(content);
        if (type === 'train') {
          const from = round++ * STEPS;
          const { update, loss } = await trainLocally(model, own, weights, { steps: STEPS, learningRate: RATE, from });
          const data = weights.map((value, i) => value + update[i]);
          const values = { train_loss: loss, 'num-examples': BigInt(own.tokens) };
          const array = { dtype: 'float32', shape: [data.length], data } as const;
          return { arrays: { kind: 'arrays', arrays: { weights: array } }, metrics: { kind: 'metrics', values } };
        }
        const loss = await lossOf(model, own, weights);
        ownLosses.push(loss);
        const values = { loss, perplexity: Math.exp(loss), 'num-examples': BigInt(own.tokens) };
        return { metrics: { kind: 'metrics', values } };
      },
    });
    await node.start();
    const running = node.run({ signal: stopping.signal });
    await link.startPythonNode();
    const started = performance.now();
    const { evaluate } = await link.run(`num-rounds=${ROUNDS}`);
    const seconds = (performance.now() - started) / 1000;
    stopping.abort();
    await running;
    await node.stop();
    const losses = Array.from({ length: ROUNDS }, (_, i) => evaluate[String(i + 1)].loss);
    // the mean is weighted by tokens, of which both have as many but for one
    for (const [i, loss] of losses.entries()) pythonLosses.push(2 * loss - ownLosses[i]);
    const final = decodeNpy(readFileSync(finalPath)).data as Float32Array;
    return {
      parameters: start.length,
      perplexities: [before, ...losses].map(Math.exp),
      python: pythonLosses.at(-1)!,
      ours: await lossOf(model, others, final),
      seconds,
    };
  } finally {
    stopping.abort();
    await link.stop();
    for (const data of [own, others]) await data.close();
    await model.dispose();
    rmSync(folder, { recursive: true });
  }
}

/** Writes batches and the layout of the weights for the Python client. */
async function describeTask(
  folder: string,
  model: TrainableModel,
  data: Dataset,
  sizes: { layers: number; width: number },
) {
  const training = [];
  for (let step = 0; step < ROUNDS * STEPS; step++) training.push(await data.batch(step));
  const heldOut = [];
  const { batches } = data.heldOut[0];
  for (let i = 0; i < batches.count; i++) heldOut.push(await batches.at(i));
  for (const [name, found] of [
    ['train', training],
    ['heldOut', heldOut],
  ] as const)
    writeFileSync(
      join(folder, `${name}.i32`),
      Buffer.concat(found.flatMap(({ tokens, targets }) => [bytesOf(tokens), bytesOf(targets)])),
    );
  const weights = model.learner.weights.map(({ name, rows, columns }) => [name, rows, columns]);
  const { layers, width } = sizes;
  const task = {
    weights,
    layers,
    width,
    heads: HEADS,
    batch: BATCH,
    sequence: SEQUENCE,
    steps: STEPS,
    rate: RATE,
    examples: data.tokens,
  };
  writeFileSync(join(folder, 'task.json'), JSON.stringify(task));
}

function bytesOf({ buffer, byteOffset, byteLength }: Int32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

async function lossOf(model: TrainableModel, data: Dataset, weights: Float32Array): Promise<number> {
  await model.writeWeights(weights);
  return (await model.heldOutLoss(data)).loss;
}

function weightsOf({ arrays }: RecordDict): Float32Array {
  if (arrays.kind !== 'arrays') throw new Error('the message has no arrays');
  return arrays.arrays.weights.data as Float32Array;
}
