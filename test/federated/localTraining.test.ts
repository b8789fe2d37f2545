/** A client's training: its optimizer lasts over rounds and restarts; a personal adapter is not worse than the shared one. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeModel } from '../../scripts/models/index.ts';
import {
  checkSettings,
  Federation,
  type FederationInput,
  type FederationSettings,
  memoryJournal,
  modelTrainer,
  openTrainingModel,
  personalize,
  type RoundConfig,
  type TrainedUpdate,
} from '../../src/federated/index.ts';
import { roundConfigOf } from '../../src/federated/server/roundConfigOf.ts';
import { memorySource } from '../../src/formats/sources/memory.ts';
import type { Dataset, TrainableModel } from '../../src/train/index.ts';
import { text } from '../train/tinyRun.ts';

const dimensions = { width: 64, heads: 2, kvHeads: 2, headSize: 32, ffn: 64, layers: 2, vocabulary: 320 };
const folder = mkdtempSync(join(tmpdir(), 'espalier-local-'));
const given: FederationInput = {
  rounds: 4,
  cohort: 3,
  training: {
    model: join(folder, 'base.gguf'),
    lora: { rank: 4 },
    steps: 3,
    batch: 2,
    sequence: 16,
    learningRate: 0.01,
  },
};
let settings: FederationSettings;
let model: TrainableModel;
let data: Dataset;
/** Weights before all tests. */
let shared: Float32Array;

function openOwn(heldOut?: number): Promise<Dataset> {
  const bytes = new TextEncoder().encode(text.slice(0, 2000));
  return model.openData([{ weight: 1, open: async () => memorySource(bytes, 'own') }], { heldOut });
}

beforeAll(async () => {
  writeFileSync(join(folder, 'base.gguf'), await makeModel({ architecture: 'llama', format: 'F32', dimensions }));
  settings = checkSettings(given);
  model = await openTrainingModel(settings.training, { threads: 1 });
  data = await openOwn();
  shared = await model.readWeights();
});
afterAll(async () => {
  await data.close();
  await model.dispose();
  rmSync(folder, { recursive: true, force: true });
});

/** Settings of a federation's first round. */
async function configOf(changes: Partial<FederationInput['training']>): Promise<RoundConfig> {
  const changed = checkSettings({ ...given, training: { ...given.training, ...changes } });
  const options = { journal: memoryJournal(), weights: new Float32Array(model.parameters) };
  return (await Federation.open(changed, options, 0)).round!.config;
}

const inRound = (config: RoundConfig, round: number): RoundConfig => ({ ...config, task: { ...config.task, round } });
const moved = (weights: Float32Array, { update }: TrainedUpdate) => weights.map((value, i) => value + update[i]);

describe('an optimizer', () => {
  it('goes on in the next round, and after a restart, as if there had been one long round', async () => {
    const start = await model.readWeights();
    const short = await configOf({ steps: 3 });
    const long = await modelTrainer(model, data).train(start, await configOf({ steps: 6 }));
    const stored: { bytes?: Uint8Array } = {};
    const optimizerStore = {
      load: async () => stored.bytes,
      save: async (bytes: Uint8Array) => {
        stored.bytes = bytes.slice();
      },
    };
    const trainer = modelTrainer(model, data, { optimizerStore });
    const first = moved(start, await trainer.train(start, short));
    const afterOne = stored.bytes;
    const second = moved(first, await trainer.train(first, inRound(short, 2)));
    const expected = moved(start, long);
    second.forEach((value, i) => void expect(value).toBeCloseTo(expected[i], 6));
    stored.bytes = afterOne;
    const restarted = moved(first, await modelTrainer(model, data, { optimizerStore }).train(first, inRound(short, 2)));
    expect(restarted).toEqual(second);
    const fresh = moved(first, await modelTrainer(model, data).train(first, inRound(short, 2)));
    expect(fresh).not.toEqual(second);
    // a client that was killed after training, before it stored its update, trains the same round again
    const again = moved(first, await modelTrainer(model, data, { optimizerStore }).train(first, inRound(short, 2)));
    expect(again).toEqual(second);
    stored.bytes = afterOne;
    // the optimizer of another federation is left out
    const other = modelTrainer(model, data, { optimizerStore, settings });
    expect(moved(first, await other.train(first, inRound(short, 2)))).toEqual(fresh);
    // a damaged file and one of another model are left out
    for (const bytes of [afterOne!.slice(1), new Uint8Array(afterOne!.length).fill(255)]) {
      stored.bytes = bytes;
      const begun = modelTrainer(model, data, { optimizerStore });
      expect(moved(first, await begun.train(first, inRound(short, 2)))).toEqual(fresh);
    }
  });

  it('is fresh in every round if the federation says so', async () => {
    const start = await model.readWeights();
    const config = await configOf({ keepOptimizer: false });
    const trainer = modelTrainer(model, data);
    const once = await trainer.train(start, config);
    expect(await trainer.train(start, config)).toEqual(once);
  });
});

describe('the learning rate of a round', () => {
  it('falls to its minimum in the last round', async () => {
    const rates: number[] = [];
    const changed = checkSettings({ ...given, training: { ...given.training, minimumLearningRate: 0.001 } });
    const options = { journal: memoryJournal(), weights: new Float32Array(model.parameters) };
    const federation = await Federation.open(changed, options, 0);
    for (; rates.length < 5; await federation.tick(federation.round!.deadline))
      rates.push(Number(federation.round!.config.task.learningRate));
    expect(rates[0]).toBeCloseTo(0.01, 12);
    expect(rates.slice(1).every((rate, i) => rate < rates[i] || rate === 0.001)).toBe(true);
    expect(rates.slice(3)).toEqual([0.001, 0.001]);
    expect((await configOf({})).task.learningRate).toBe(0.01);
  });

  it('rises in the first rounds if they are a warm-up', () => {
    const settings = checkSettings({ ...given, training: { ...given.training, warmup: 2 } });
    const rates = [1, 2, 3, 4].map(
      (round) => roundConfigOf(settings, round, model.parameters, '0'.repeat(64)).task.learningRate as number,
    );
    for (const [i, share] of [1 / 3, 2 / 3, 1, 1].entries()) expect(rates[i]).toBeCloseTo(0.01 * share, 12);
  });
});

describe('a personal adapter', () => {
  it('is better than the shared one on held-out texts', async () => {
    const result = await personalize(model, data, shared, { learningRate: 0.01, steps: 16 });
    expect(result.loss).toBeLessThan(result.sharedLoss);
    expect(await model.readWeights()).toEqual(result.weights);
    expect((await model.heldOutLoss(data)).loss).toBeCloseTo(result.loss, 5);
  });

  it('is trained as far on all texts, the held-out ones as well', async () => {
    const chosen = await personalize(model, data, shared, { learningRate: 0.01, steps: 96 });
    const whole = await openOwn(0);
    expect(whole.heldOut).toEqual([]);
    expect(whole.tokens).toBeGreaterThan(data.tokens);
    const result = await personalize(model, data, shared, { learningRate: 0.01, steps: 96, whole });
    await whole.close();
    expect(result).toMatchObject({ steps: chosen.steps, share: chosen.share, loss: chosen.loss });
    // it has now seen what the choice was made on
    expect((await model.heldOutLoss(data)).loss).toBeLessThan(chosen.loss);
    expect(await model.readWeights()).toEqual(result.weights);
  });

  it('is mixed with one that the device trained alone, where that is better on held-out texts', async () => {
    // shared weights of others' texts, which are no use here
    const poor = shared.map((value, i) => value + Math.sin(i));
    const result = await personalize(model, data, poor, { learningRate: 0.01, steps: 16, start: shared });
    expect(result.alone).toBeGreaterThan(0);
    expect(result.loss).toBeLessThan(result.sharedLoss);
    expect((await model.heldOutLoss(data)).loss).toBeCloseTo(result.loss, 5);
  });

  it('is the shared one where training does not help', async () => {
    const { weights: good } = await personalize(model, data, shared, { learningRate: 0.01, steps: 96 });
    const result = await personalize(model, data, good, { learningRate: 100, steps: 4 });
    expect(result).toMatchObject({ steps: 0, share: 0, alone: 0, weights: good });
    expect(await model.readWeights()).toEqual(good);
  });
});
