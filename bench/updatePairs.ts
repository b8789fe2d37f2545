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
import { readGguf } from '../src/formats/gguf/read.ts';
import { typedMetadata, writeGguf } from '../src/formats/gguf/write.ts';
import { openCheckpoint } from '../src/formats/open.ts';
import { fileSink } from '../src/formats/sources/path.node.ts';
import { tensorValues } from '../src/formats/tensorValues.ts';
import { readAdapter } from '../src/models/adapter.ts';
import { openFile } from '../src/package/index.ts';
import { formatByName } from '../src/tensor/formats.ts';
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
      sampling: 'documents',
      heldOut: { fraction: 0.02 },
      sequence: 256,
      batch: 4,
    },
    steps,
    optimizer: { learningRate: 0.00015, minimumLearningRate: 1e-5, warmup: 4, betas: [0.9, 0.98], weightDecay: 0.01 },
    evaluation: { every: steps, batches: 1 },
    checkpoints: { folder: name, every: 50 },
    output: { path: `${name}.F32.gguf` },
    ...more,
  };
  await writeFile(path, JSON.stringify(recipe));
  await train(path, { resume: true });
}

/** Adds an adapter's product of factors to the matrices of the base. */
async function merge(adapterPath: string, output: string): Promise<void> {
  const checkpoint = await openCheckpoint(adapterPath);
  const { alpha, factors } = await readAdapter(checkpoint);
  await checkpoint.close();
  const base = await openCheckpoint(floats('base'));
  const source = await openFile(floats('base'));
  const metadata = typedMetadata(await readGguf(source));
  const F32 = formatByName('F32');
  const tensors = [...base.tensors.values()].map((tensor) => ({
    name: tensor.name,
    format: F32,
    shape: [...tensor.shape],
    data: async () => {
      const values = await tensorValues(tensor);
      const found = factors.get(tensor.name);
      const width = tensor.shape.at(-1)!;
      if (found)
        for (let i = 0; i < values.length; i++) {
          let sum = 0;
          for (let r = 0; r < found.rank; r++)
            sum += found.b[Math.floor(i / width) * found.rank + r]! * found.a[r * width + (i % width)]!;
          values[i]! += (alpha / found.rank) * sum;
        }
      const bytes = new Uint8Array(values.length * 4);
      F32.encode(values, 0, bytes, 0, values.length);
      return bytes;
    },
  }));
  const sink = await fileSink(output);
  await writeGguf(sink, { metadata, tensors });
  await Promise.all([sink.close(), source.close(), base.close()]);
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
      const output = 'adapter.lora.gguf';
      await learn('lora', 100, { lora: { rank: 8, alpha: 16 }, output: { path: output } });
      await merge(join(pairsFolder, output), floats(name));
    }
    await inAllTypes(name);
    console.log(`${name}: ${Math.round((performance.now() - started) / 1000)} s`);
  }
}
