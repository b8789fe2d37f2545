/** Structured pruning with recovery by distillation: narrower blocks beside fewer blocks, at about the same time of a token. */
import { rm, writeFile } from 'node:fs/promises';
import { quantize, shape } from '../../src/compress/index.ts';
import { load, measureSpeed } from '../../src/index.ts';
import { quantile } from '../../src/runtime/statistics.ts';
import type { Setting } from './setting.ts';

/** Share of the loss (nats) that may be added, and of the time of a token that must be saved. */
const BARS = { loss: 0.03, time: 0.15 };
const ROUNDS = 15;

/** @param keep shares of the neurons and heads that are kept @param learningRate of the distillation */
export async function benchStructured(
  setting: Setting,
  keep: { readonly keepNeurons: number; readonly keepHeads: number },
  steps: number,
  learningRate: number,
): Promise<object[]> {
  const { threads, window, windows } = setting.options;
  const text = `${setting.folder}/structured.txt`;
  await writeFile(text, setting.calibrating);
  const ways: readonly (readonly [string, object])[] = [
    ['narrow', { narrow: keep }],
    ['dropLayers', { dropLayers: { layers: 1 } }],
  ];
  const files: string[] = [];
  const recover = { distill: { steps, sequence: window, learningRate } };
  for (const [name, stage] of ways) {
    const { path } = await setting.made(
      `${name}${name === 'narrow' ? `${keep.keepNeurons}-${keep.keepHeads}` : ''}-${steps}-${learningRate}.gguf`,
      async (output) => {
        const recipe = `${output}.json`;
        const stages = [stage, ...(steps > 0 ? [recover] : [])];
        const calibration = { text, window, windows };
        await writeFile(recipe, JSON.stringify({ source: setting.source, output, calibration, stages }));
        await shape(recipe, { threads, onStage: (stage, state) => console.log(`${name}: ${stage} ${state}`) });
        await rm(recipe);
      },
    );
    files.push(path);
  }
  const judged = await setting.judge(files);
  // the time of a token as people run it
  const small: string[] = [];
  for (const file of [setting.source, ...files]) {
    const { path } = await setting.made(`${file.split('/').at(-1)!.replace('.gguf', '')}-q4_0.gguf`, (output) =>
      quantize(file, output, { type: 'Q4_0', pure: true, threads }),
    );
    small.push(path);
  }
  const [whole, ...speeds] = await decodeSpeeds(small);
  return judged.map(({ perplexity, perplexityRatio, kld, tokens }, i) => {
    const loss = Math.log(perplexity) / Math.log(perplexity / perplexityRatio) - 1;
    const saved = 1 - whole / speeds[i];
    const isReached = loss <= BARS.loss && saved >= BARS.time;
    console.log(
      `${ways[i][0]} after ${steps} updates: loss +${(100 * loss).toFixed(1)}% (bar ${100 * BARS.loss}%), KLD ${kld!.mean.toFixed(4)}, ` +
        `time of a token saved ${(100 * saved).toFixed(1)}% (bar ${100 * BARS.time}%) ${isReached ? 'reached' : 'MISSED'}`,
    );
    return { way: ways[i][0], ...keep, steps, loss, saved, kld: kld!.mean, tokens, isReached };
  });
}

/** Tokens per second of models that run in turn on one thread: medians over the rounds. */
async function decodeSpeeds(files: readonly string[]): Promise<number[]> {
  const models = await Promise.all(files.map((file) => load(file, { threads: 1 })));
  const found: number[][] = models.map(() => []);
  for (let round = 0; round < ROUNDS; round++)
    for (const [i, model] of models.entries())
      found[i].push((await measureSpeed(model, { prefill: 128, decode: 100 })).decodeTokensPerSecond);
  for (const model of models) model.dispose();
  return found.map((rates) => quantile(rates, 0.5));
}
