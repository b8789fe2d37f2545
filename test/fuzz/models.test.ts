/** Building models from corrupted metadata throws only typed errors, quickly and in little memory. */
import { expect, it } from 'vitest';
import { readFamilyGoldens } from '../../scripts/models/familyGoldens.ts';
import type { Skeleton } from '../../scripts/models/skeleton.ts';
import type { Checkpoint, CheckpointTensor } from '../../src/formats/checkpoint.ts';
import { openGguf } from '../../src/formats/gguf/checkpoint.ts';
import { openSafetensors } from '../../src/formats/huggingface/checkpoint.ts';
import { memorySource } from '../../src/formats/sources/memory.ts';
import { buildModel } from '../../src/models/buildModel.ts';
import { formatByName } from '../../src/tensor/formats.ts';
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
  files?: number,
): Promise<number> {
  const { name, kind, tensors, byteLength, close } = checkpoint;
  const parse = (metadata: Map<string, unknown>) => {
    buildModel({ name, kind, tensors, byteLength, close, metadata }, CONTEXT);
  };
  return fuzz(seed, { draw: drawMetadata(valid), sizeOf: () => byteLength, parse, slack: SLACK, files });
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

/** Corrupted files per family. */
const PER_FAMILY = 40;
const F32 = formatByName('F32');

/** A checkpoint whose tensors are never read. */
function checkpointOf(skeleton: Skeleton): Checkpoint {
  const metadata = new Map<string, unknown>(
    skeleton.kind === 'folder'
      ? Object.entries(JSON.parse(skeleton.config))
      : skeleton.metadata.map(([key, { value }]) => [key, value]),
  );
  const tensors = Object.entries(skeleton.tensors).map(([name, shape]): [string, CheckpointTensor] => {
    const byteLength = 4 * shape.reduce((product, size) => product * size, 1);
    return [name, { name, shape, format: F32, byteLength, read: () => Promise.reject(new Error('not read')) }];
  });
  const byteLength = tensors.reduce((sum, [, tensor]) => sum + tensor.byteLength, 0);
  const kind = skeleton.kind === 'folder' ? 'huggingface' : 'gguf';
  return { name: skeleton.name, kind, metadata, tensors: new Map(tensors), byteLength, close: async () => undefined };
}

it('metadata of every family', async () => {
  const { families } = await readFamilyGoldens();
  let parsed = 0;
  for (const [index, { skeleton }] of families.entries()) {
    const checkpoint = checkpointOf(skeleton);
    buildModel(checkpoint, CONTEXT);
    parsed += await fuzzMetadata(
      8_000_000 + index * PER_FAMILY,
      checkpoint,
      [checkpoint.metadata as Map<string, unknown>],
      PER_FAMILY,
    );
  }
  expect(parsed).toBeGreaterThan(100);
});
