/** Embedders from 20,000 corrupted metadata, configs and files of sentence-transformers each throw only typed errors. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { embedderGguf, writeEmbedderFolder } from '../../scripts/models/embedderFiles.ts';
import { embedderPlans } from '../../scripts/models/embedders.ts';
import type { Random } from '../../src/core/random.ts';
import type { Checkpoint } from '../../src/formats/checkpoint.ts';
import type { Folder } from '../../src/formats/folder.ts';
import { openGguf } from '../../src/formats/gguf/checkpoint.ts';
import { denseLayersFromGguf } from '../../src/formats/gguf/denseLayers.ts';
import { openHuggingFaceFolder } from '../../src/formats/huggingface/checkpoint.ts';
import { memorySource } from '../../src/formats/sources/memory.ts';
import { buildModel } from '../../src/models/buildModel.ts';
import { drawJson, drawMetadata } from './draw.ts';
import { fuzz } from './fuzz.ts';

const CONTEXT = 16;
const SLACK = 4 << 20;
let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'espalier-fuzz-'));
});
afterAll(() => rm(scratch, { recursive: true }));

interface Corrupted {
  readonly checkpoint: Checkpoint;
  readonly metadata: Map<string, unknown>;
}

const build = ({ checkpoint, metadata }: Corrupted) => {
  const { name, kind, tensors, byteLength, close } = checkpoint;
  return buildModel({ name, kind, tensors, byteLength, close, metadata }, CONTEXT);
};

/** Corrupts the metadata of one of the checkpoints. */
function drawOf(checkpoints: readonly Checkpoint[]): (random: Random) => Corrupted {
  const draws = checkpoints.map(({ metadata }) => drawMetadata([metadata]));
  return (random) => {
    const index = random.integer(checkpoints.length);
    return { checkpoint: checkpoints[index], metadata: draws[index](random) };
  };
}

const sizeOf = ({ checkpoint }: Corrupted) => checkpoint.byteLength;

it('GGUF metadata', async () => {
  const checkpoints = await Promise.all(
    embedderPlans.map(async (plan) => openGguf(memorySource(await embedderGguf(plan), plan.name))),
  );
  const parse = async (corrupted: Corrupted) => {
    build(corrupted);
    await denseLayersFromGguf(corrupted.checkpoint);
  };
  expect(await fuzz(8_000_000, { draw: drawOf(checkpoints), sizeOf, parse, slack: SLACK })).toBeGreaterThan(100);
});

/** All files of a plan's folder, by path. */
async function filesOf(name: string): Promise<Map<string, Uint8Array>> {
  const folder = join(scratch, name);
  await writeEmbedderFolder(folder, embedderPlans.find((plan) => plan.name === name)!);
  // Node 20.0 cannot read folders recursively
  const folders = (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  const inFolders = await Promise.all(
    folders.map(async ({ name }) => (await readdir(join(folder, name))).map((path) => `${name}/${path}`)),
  );
  const all = [...(await readdir(folder)), ...inFolders.flat()];
  const paths = all.filter((path) => /\.(json|safetensors)$/.test(path));
  return new Map(await Promise.all(paths.map(async (path) => [path, await readFile(join(folder, path))] as const)));
}

const folderOf = (files: ReadonlyMap<string, Uint8Array>): Folder => ({
  name: 'folder',
  open: async (path) => (files.has(path) ? memorySource(files.get(path)!, path) : undefined),
});

it('config.json', async () => {
  const plans = embedderPlans.filter(({ config }) => config);
  const folders = plans.map(async ({ name }) => openHuggingFaceFolder(folderOf(await filesOf(name))));
  const draw = drawOf(await Promise.all(folders));
  expect(await fuzz(9_000_000, { draw, sizeOf, parse: build, slack: SLACK })).toBeGreaterThan(100);
});

it("sentence-transformers' files", async () => {
  const files = await filesOf('gemma-embedding');
  const own = [...files.keys()].filter((path) => /modules\.json|sentence_bert|1_Pooling|Dense\/config/.test(path));
  const draws = own.map((path) => drawJson([JSON.parse(new TextDecoder().decode(files.get(path)))]));
  const draw = (random: Random, at: number) => {
    const index = random.integer(own.length);
    return new Map(files).set(own[index], draws[index](random, at));
  };
  const total = [...files.values()].reduce((sum, { length }) => sum + length, 0);
  const parse = async (changed: ReadonlyMap<string, Uint8Array>) => {
    await openHuggingFaceFolder(folderOf(changed));
  };
  expect(await fuzz(10_000_000, { draw, sizeOf: () => total, parse, slack: SLACK })).toBeGreaterThan(100);
});
