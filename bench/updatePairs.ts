/**
 * Makes real pairs of models for `bench/updates.ts --pairs` in runs/updates, each in the formats that are compared: the included model, the same trained
 * longer by 1, 10 and 100% of its recipe's steps, and with an adapter merged. Training goes on where it was interrupted.
 *
 *   npx tsx bench/updatePairs.ts [longer-1] [longer-10] [longer-100] [adapter]
 */
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { quantize } from '../src/compress/index.ts';
import { fileSink } from '../src/formats/sources/path.node.ts';
import { mergeAdapter, openFile } from '../src/package/index.ts';
import { train } from '../src/train/index.ts';

export const pairsFolder = resolve('runs/updates');
/** Names of llama.cpp's types. */
export const pairTypes = ['Q4_0', 'Q8_0', 'Q4_K_M', 'Q6_K'] as const;
export const pairNames = ['longer-1', 'longer-10', 'longer-100', 'adapter'] as const;
/** File of a model of a pair; 'base' is the old one of every pair. */
export const pairFile = (name: string, type: string) => join(pairsFolder, `${name}.${type}.gguf`);

/** Steps of recipes/sapling/sapling.json. */
const STEPS = 1300;
const included = resolve('models/sapling.gguf');

const floats = (name: string) => pairFile(name, 'F32');

async function learn(name: string, steps: number, more: object): Promise<void> {
  const path = join(pairsFolder, `${name}.json`);
  const recipe = {
    name,
    model: { start: floats('base') },
    data: {
      sources: [{ path: resolve('../shared/data/text/tinystories/tiny_stories-944k.txt'), separator: '\n' }],
      // without evaluations the result has the weights of the last step
      heldOut: { fraction: 0 },
      sampling: 'documents',
      // small, so that the longest takes minutes
      sequence: 128,
      batch: 1,
    },
    steps,
    optimizer: { learningRate: 0.00015, minimumLearningRate: 1e-5, warmup: 4, betas: [0.9, 0.98], weightDecay: 0.01 },
    checkpoints: { folder: name, every: 50 },
    output: { path: `${name}.F32.gguf` },
    ...more,
  };
  await writeFile(path, JSON.stringify(recipe));
  await train(path, { resume: true });
}

async function inAllTypes(name: string): Promise<void> {
  for (const type of pairTypes)
    if (!existsSync(pairFile(name, type))) await quantize(floats(name), pairFile(name, type), { type });
}

if (import.meta.filename === process.argv[1]) {
  const wanted = process.argv.length > 2 ? process.argv.slice(2) : pairNames;
  await mkdir(pairsFolder, { recursive: true });
  if (!existsSync(floats('base'))) await quantize(included, floats('base'), { type: 'F32', allowRequantize: true });
  await inAllTypes('base');
  for (const name of wanted) {
    const started = performance.now();
    const longer = /^longer-(\d+)$/.exec(name)?.[1];
    if (longer !== undefined) await learn(name, Math.round((STEPS * Number(longer)) / 100), {});
    else {
      const path = join(pairsFolder, 'adapter.lora.gguf');
      await learn('lora', 100, { lora: { rank: 8, alpha: 16 }, output: { path } });
      const [base, adapter, sink] = [
        await openFile(floats('base')),
        await openFile(path),
        await fileSink(floats(name)),
      ];
      await mergeAdapter(base, adapter, sink);
      await Promise.all([base, adapter, sink].map((file) => file.close()));
    }
    await inAllTypes(name);
    console.log(`${name}: ${Math.round((performance.now() - started) / 1000)} s`);
  }
}
