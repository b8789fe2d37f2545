/** Building models from 20,000 corrupted metadata each throws only typed errors, quickly and in little memory. */
import { expect, it } from 'vitest';
import type { Checkpoint } from '../../src/formats/checkpoint.ts';
import { openGguf } from '../../src/formats/gguf/checkpoint.ts';
import { openSafetensors } from '../../src/formats/huggingface/checkpoint.ts';
import { memorySource } from '../../src/formats/sources/memory.ts';
import { buildModel } from '../../src/models/buildModel.ts';
import { drawMetadata } from './draw.ts';
import { fuzz } from './fuzz.ts';
import { configs, ggufModels, llamaSafetensors } from './seeds.ts';

const CONTEXT = 16;
const SLACK = 1 << 20;

/** Builds models of these tensors with corrupted metadata. */
async function fuzzMetadata(
  seed: number,
  checkpoint: Checkpoint,
  valid: ReadonlyMap<string, unknown>[],
): Promise<number> {
  const { name, kind, tensors, byteLength, close } = checkpoint;
  const parse = (metadata: Map<string, unknown>) => {
    buildModel({ name, kind, tensors, byteLength, close, metadata }, CONTEXT);
  };
  return fuzz(seed, { draw: drawMetadata(valid), sizeOf: () => byteLength, parse, slack: SLACK });
}

it('GGUF metadata', async () => {
  const [llama] = await ggufModels();
  const checkpoint = await openGguf(memorySource(llama));
  const scaled = new Map(checkpoint.metadata)
    .set('llama.rope.dimension_count', 16)
    .set('llama.rope.scaling.type', 'linear')
    .set('llama.rope.scaling.factor', 2);
  expect(await fuzzMetadata(6_000_000, checkpoint, [scaled])).toBeGreaterThan(100);
});

it('config.json', async () => {
  const checkpoint = await openSafetensors(memorySource(await llamaSafetensors()));
  const valid = configs.map((config) => new Map(Object.entries(config)));
  expect(await fuzzMetadata(7_000_000, checkpoint, valid)).toBeGreaterThan(100);
});
