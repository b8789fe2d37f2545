/**
 * Measures nested widths: a model with sorted neurons that learns all its widths at once, beside a dedicated narrower model that learns the
 * same tokens. Both start from the same model and are distilled from it. Training continues where an earlier call stopped (runs/elastic).
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { narrow, sortNeurons } from '../../src/compress/index.ts';
import { evaluateText, load, type Model } from '../../src/index.ts';
import { quantile } from '../../src/runtime/statistics.ts';
import { type LogLine, train } from '../../src/train/index.ts';
import { writePermuted } from '../shape/permuted.ts';

const FOLDER = 'runs/elastic';
const TEXT = '../shared/data/text/tinystories/tiny_stories-944k.txt';
const WIDTH = 0.75;
const [SEQUENCE, BATCH] = [256, 4] as const;
const SCORED = 16_384;

/** @param steps updates of each training @param seconds the training stops after this time, and continues with the next call */
export async function benchWidths(
  file: string,
  { steps, seconds, rounds, threads }: { steps: number; seconds: number; rounds: number; threads?: number },
): Promise<object> {
  if (!existsSync(TEXT)) {
    console.log(`skipped: ${TEXT} does not exist`);
    return { skipped: 'no texts' };
  }
  mkdirSync(FOLDER, { recursive: true });
  const path = (name: string) => join(FOLDER, name);
  const text = readFileSync(TEXT, 'utf8');
  const cut = Math.floor(0.9 * text.length);
  writeFileSync(path('train.txt'), text.slice(0, cut));
  const calibration = { text: text.slice(0, cut), window: 256, windows: 64 };
  if (!existsSync(path('source.gguf'))) await writePermuted(file, path('source.gguf'));
  if (!existsSync(path('sorted.gguf')))
    await sortNeurons(path('source.gguf'), path('sorted.gguf'), { widths: [WIDTH], calibration, threads });
  if (!existsSync(path('narrow.gguf')))
    await narrow(path('source.gguf'), path('narrow.gguf'), { keepNeurons: WIDTH, calibration, threads });
  const ends = performance.now() + 1000 * seconds;
  for (const [name, start, more] of [
    ['dedicated', 'narrow.gguf', {}],
    ['elastic', 'sorted.gguf', { elastic: true }],
  ] as const) {
    const done = await learn(`${name}-${steps}`, { start: path(start), steps, ends, threads, more });
    if (!done) return { unfinished: name };
  }

  const heldOut = text.slice(cut);
  const nats = async (name: string, width?: number): Promise<number> => {
    const model = await load(path(name), { width, context: SEQUENCE, threads });
    const { nll } = await evaluateText(model, heldOut, { context: SEQUENCE, maxTokens: SCORED, all: true });
    model.dispose();
    return nll;
  };
  const [elastic, dedicated] = [`elastic-${steps}.gguf`, `dedicated-${steps}.gguf`];
  const found = {
    source: await nats('source.gguf'),
    cut: await nats('sorted.gguf', WIDTH),
    elastic: await nats(elastic, WIDTH),
    elasticWhole: await nats(elastic, 1),
    dedicatedStart: await nats('narrow.gguf'),
    dedicated: await nats(dedicated),
  };
  const off = found.elastic / found.dedicated - 1;
  console.log(
    Object.entries(found)
      .map(([name, value]) => `${name} ${value.toFixed(4)}`)
      .join(', '),
  );
  const tokens = steps * SEQUENCE * BATCH;
  console.log(
    `${100 * WIDTH}% of the neurons after ${tokens} tokens: ${(100 * off).toFixed(2)}% more nats than a dedicated model; the whole ${(100 * (found.elasticWhole / found.source - 1)).toFixed(2)}% more than before`,
  );
  const speed = await speedOf(path(elastic), rounds, threads);
  console.log(`${speed.toFixed(3)} × as fast as the whole`);
  return { tokens, ...found, off, speed };
}

/** @returns false if the time has passed before the last step */
async function learn(
  name: string,
  options: { start: string; steps: number; ends: number; threads?: number; more: object },
): Promise<boolean> {
  const { start, steps, ends, threads, more } = options;
  const output = resolve(FOLDER, `${name}.gguf`);
  if (existsSync(output)) return true;
  const left = ends - performance.now();
  if (left <= 0) return false;
  const recipe = {
    ...{ name, steps, threads },
    model: { start: resolve(start) },
    data: {
      sources: [{ path: resolve(FOLDER, 'train.txt'), separator: '\n' }],
      sampling: 'documents' as const,
      heldOut: { fraction: 0.02 },
      ...{ sequence: SEQUENCE, batch: BATCH },
    },
    optimizer: {
      learningRate: 2e-4,
      minimumLearningRate: 2e-5,
      warmup: 5,
      betas: [0.9, 0.98] as [number, number],
      weightDecay: 0.01,
    },
    distillation: { teachers: [{ path: resolve(FOLDER, 'source.gguf') }], hardLabels: 0 },
    evaluation: { every: steps, batches: 2 },
    checkpoints: { folder: resolve(FOLDER, name), every: 20 },
    output: { path: output },
    ...more,
  };
  const onLine = (line: LogLine) => {
    if (line.kind === 'step' && line.step % 10 === 0)
      console.log(`${name}, step ${line.step}: loss ${line.loss.toFixed(4)}, ${line.seconds.toFixed(1)} s`);
  };
  try {
    await train(recipe, { resume: true, onLine, signal: AbortSignal.timeout(Math.ceil(left)) });
    return true;
  } catch (error) {
    if ((error as Error).name !== 'TimeoutError') throw error;
    return false;
  }
}

/** Seconds of a token with all neurons relative to those with a part, in alternating rounds. */
async function speedOf(file: string, rounds: number, threads?: number): Promise<number> {
  const model = await load(file, { context: SEQUENCE, prefixCacheBytes: 0, threads });
  const ratios: number[] = [];
  for (let round = -1; round < rounds; round++) {
    const [whole, part] = [await tokenSeconds(model, 0), await tokenSeconds(model, 1)];
    if (round >= 0) ratios.push(whole / part);
  }
  model.dispose();
  return quantile(ratios, 0.5);
}

async function tokenSeconds(model: Model, submodel: number): Promise<number> {
  model.setSubmodel(model.submodels[submodel]);
  const sequence = model.sequence();
  try {
    const began = performance.now();
    for (let i = 0; i < 100; i++) await sequence.next(i);
    return (performance.now() - began) / 1e5;
  } finally {
    sequence.free();
  }
}
