/** Every architecture, and every model type of folders, against llama.cpp or transformers: scripts/makeFamilyGoldens.ts. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { differences, type FamilyGolden, readFamilyGoldens } from '../../scripts/models/familyGoldens.ts';
import { filesOf } from '../../scripts/models/skeleton.ts';
import { wasm } from '../../src/backends/wasm/index.ts';
import { openCheckpoint } from '../../src/formats/open.ts';
import { buildModel } from '../../src/models/buildModel.ts';
import { architectures } from '../../src/models/index.ts';
import { weightStore } from '../../src/models/weightStore.ts';
import { logitsInPieces } from './inPieces.ts';
import { referenceModel } from './referenceModel.ts';

const CONTEXT = 256;
/** Maximum difference of a log-probability. llama.cpp looks GELU up in a table of half floats. */
const tolerances = { gguf: 1e-2, folder: 1e-3 };

const { families } = await readFamilyGoldens();

describe('a tiny model of each family has the logits of llama.cpp or transformers', () => {
  it.each(families.map((golden) => ({ name: `${golden.skeleton.kind} ${golden.skeleton.name}`, golden })))(
    '$name',
    ({ golden }) => compare(golden),
  );
});

async function compare(golden: FamilyGolden): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'espalier-family-'));
  try {
    const files = await filesOf(golden.skeleton);
    for (const [name, bytes] of files) await writeFile(join(folder, name), bytes);
    const path = golden.skeleton.kind === 'gguf' ? join(folder, [...files.keys()][0]) : folder;
    const checkpoint = await openCheckpoint(path);
    try {
      const model = await referenceModel(checkpoint, CONTEXT);
      const expected = { largest: expect.toSatisfy((found: number) => found < tolerances[golden.skeleton.kind]), otherBest: 0 };
      expect(differences(golden, await model.forced(golden.tokens))).toEqual(expected);
      const built = buildModel(checkpoint, CONTEXT);
      const limits = { maxTokens: CONTEXT, maxRows: CONTEXT, context: CONTEXT };
      const settings = { threads: 1 };
      const program = await wasm.compile(built.graph, { weights: weightStore(built), ...limits, settings });
      expect(differences(golden, await logitsInPieces(program, golden.tokens))).toEqual(expected);
      program.dispose();
    } finally {
      await checkpoint.close();
    }
  } finally {
    await rm(folder, { recursive: true });
  }
}

describe('the goldens of families', () => {
  const ggufs = new Set<unknown>();
  const types = new Set<unknown>();
  for (const { skeleton } of families) {
    if (skeleton.kind === 'folder') types.add(JSON.parse(skeleton.config).model_type);
    else ggufs.add(skeleton.metadata.find(([key]) => key === 'general.architecture')![1].value);
  }
  const modelTypes = ({ folders = [] }: (typeof architectures)[number]) => folders.flatMap(({ modelTypes }) => modelTypes);

  // encoders have goldens of their own: encoders.test.ts, embedders.test.ts
  const encoders = ['bert', 'eurobert', 'gemma-embedding', 'jina-bert-v2', 'llama-embed', 'modern-bert', 'neo-bert', 'nomic-bert', 'nomic-bert-moe'];

  it('have every decoder', () => {
    const missing = architectures.filter((one) => !ggufs.has(one.name) && !modelTypes(one).some((type) => types.has(type)));
    expect(missing.map(({ name }) => name)).toEqual(encoders);
  });

  it('have every model type that transformers can make', () => {
    const missing = architectures.filter(({ name }) => !encoders.includes(name)).flatMap(modelTypes);
    expect(missing.filter((type) => !types.has(type))).toEqual([]);
  });
});
