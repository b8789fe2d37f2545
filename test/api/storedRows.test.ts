/** Embeddings that stay in the file: the same bits as embeddings in memory, whatever reads them. */
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { embedderGguf } from '../../scripts/models/embedderFiles.ts';
import { embedderPlans } from '../../scripts/models/embedders.ts';
import { readFamilyGoldens } from '../../scripts/models/familyGoldens.ts';
import { makeModel } from '../../scripts/models/index.ts';
import { filesOf } from '../../scripts/models/skeleton.ts';
import { backendByName } from '../../src/backends/index.ts';
import { openCheckpoint } from '../../src/formats/open.ts';
import type { Program } from '../../src/graph/program.ts';
import { estimate, inspect, type LoadOptions, load, type Model } from '../../src/index.ts';
import { buildModel } from '../../src/models/buildModel.ts';
import { weightStore } from '../../src/models/weightStore.ts';
import { withStoredRows } from '../../src/runtime/storedRows.ts';
import type { ChoiceRule } from '../../src/sampling/chooseToken.ts';
import { formatByName } from '../../src/tensor/formats.ts';
import { Pages } from '../conformance/pages.ts';

const TOKENS = [1, 40, 41, 40, 7, 300, 41, 12, 1, 99, 100, 101, 102, 40, 40];
const GREEDY: ChoiceRule = { temperature: 0, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, recent: [], uniform: 0 };

async function logitsOf(model: Model, tokens: readonly number[] = TOKENS): Promise<Float32Array[]> {
  const rows: Float32Array[] = [];
  await model.evaluate(tokens, 'all', (_, logits) => rows.push(logits.slice()));
  return rows;
}

/** Loads a file twice, and compares everything that a model computes. */
async function compare(bytes: Uint8Array, options: LoadOptions = {}, tokens = TOKENS): Promise<void> {
  const blob = new Blob([bytes as Uint8Array<ArrayBuffer>]);
  using resident = await load(blob, { context: 128, ...options, embeddings: 'memory' });
  using stored = await load(blob, { context: 128, ...options, embeddings: 'file' });
  expect(resident.estimate.storedBytes).toBe(0);
  expect(stored.estimate.storedBytes).toBeGreaterThan(0);
  expect(stored.estimate.weightBytes).toBeLessThan(resident.estimate.weightBytes);
  expect(stored.summary.parameters).toBe(resident.summary.parameters);
  expect(await logitsOf(stored, tokens)).toEqual(await logitsOf(resident, tokens));
  const prompts = [tokens, tokens.slice(0, 3), tokens.slice(-2)];
  const generate = (model: Model) =>
    Promise.all(prompts.map((prompt) => model.session().generate(prompt, { maxTokens: 12, seed: 3 }).result));
  const [found, expected] = [await generate(stored), await generate(resident)];
  expect(found.map(({ ids }) => ids)).toEqual(expected.map(({ ids }) => ids));
}

describe('embeddings in the file', () => {
  let folder: string;
  let path: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'espalier-rows-'));
    path = join(folder, 'model.gguf');
    await writeFile(path, await makeModel({ architecture: 'llama', format: 'Q4_0' }));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it.each(['F32', 'F16', 'BF16', 'Q4_0', 'Q8_0', 'Q4_K', 'Q6_K', 'IQ4_XS', 'MXFP4'])(
    'have the bits of resident ones in %s',
    async (headFormat) => {
      await compare(await makeModel({ architecture: 'llama', format: 'Q8_0', headFormat }));
    },
  );

  it('have them on the reference backend', async () => {
    await compare(
      await makeModel({ architecture: 'llama', format: 'Q4_0' }),
      { backend: 'reference' },
      [1, 40, 41, 40],
    );
  });

  it("are Gemma 4's inputs of all layers", async () => {
    const { families } = await readFamilyGoldens();
    const golden = families.find(({ skeleton }) => skeleton.kind === 'gguf' && skeleton.name === 'gemma4')!;
    if (golden.skeleton.kind !== 'gguf') throw new Error('not a GGUF file');
    const metadata = golden.skeleton.metadata.filter(([key]) => !key.startsWith('tokenizer.'));
    const [bytes] = (await filesOf({ ...golden.skeleton, metadata })).values();
    await compare(bytes, {}, [...golden.tokens]);
    const { graph } = await inspect(new Blob([bytes as Uint8Array<ArrayBuffer>]), { embeddings: 'file' });
    expect(graph!.nodes).toContain('table per_layer_token_embd.weight');
  });

  it('are those of an encoder', async () => {
    const plan = embedderPlans.find(({ name }) => name === 'bert')!;
    const blob = new Blob([(await embedderGguf(plan)) as Uint8Array<ArrayBuffer>]);
    using resident = await load(blob, { embeddings: 'memory' });
    using stored = await load(blob, { embeddings: 'file' });
    const texts = ['the pear', 'a wall', 'the wall, pear', 'pear the'];
    expect(await stored.embed(texts)).toEqual(await resident.embed(texts));
    expect(stored.summary.vocabulary).toBe(resident.summary.vocabulary);
  });

  it('are rows of chosen tokens, too', async () => {
    const checkpoint = await openCheckpoint(path);
    const programOf = async (stored: ReadonlySet<string>) => {
      const model = buildModel(checkpoint, 64, { stored });
      const weights = weightStore(model);
      const limits = { maxTokens: 16, maxRows: 4, context: 64 };
      const compiled = await backendByName('wasm').compile(model.graph, {
        weights,
        ...limits,
        settings: { threads: 1 },
      });
      return withStoredRows(compiled, weights, async () => undefined);
    };
    const lastLogits = async (program: Program) => {
      const pages = new Pages(program.openPages(formatByName('F32')));
      const prompt = { tokens: [1, 5, 9], position: 0, pages: pages.upTo(3) };
      const first = program.run({ sequences: [prompt], rows: [2], choose: { output: 'logits', rules: [GREEDY] } });
      const tokens = [{ from: first, row: 0 }];
      return program.run({ sequences: [{ tokens, position: 3, pages: pages.upTo(4) }], rows: [0] }).output('logits');
    };
    const resident = await programOf(new Set());
    const stored = await programOf(new Set(['token_embd.weight']));
    expect(await lastLogits(stored)).toEqual(await lastLogits(resident));
    expect(() => stored.run({ tokens: [1], rows: [3] })).toThrow(/rows\[0\] is 3/);
    await expect(stored.run({ tokens: [5000], rows: [0] }).output('logits')).rejects.toThrow(/token is 5000/);
    expect(await lastLogits(stored)).toEqual(await lastLogits(resident));
    for (const program of [resident, stored]) program.dispose();
    await checkpoint.close();
  });

  it('stay there by default if they are large, and never in bytes that the caller holds', async () => {
    const small = await estimate(path, { context: 64 });
    expect(small.storedBytes).toBe(0);
    expect((await estimate(path, { context: 64, embeddings: 'file' })).storedBytes).toBeGreaterThan(0);
    await expect(
      load(await makeModel({ architecture: 'llama', format: 'Q4_0' }), { embeddings: 'file' }),
    ).rejects.toThrow(/embeddings is file.*token_embd\.weight cannot be read from this source/);
    await expect(load(path, { embeddings: 'disk' as never })).rejects.toThrow(/'auto' or 'memory' or 'file'/);
  });

  it('fail with the reason if the file is cut, and the model can be disposed of', async () => {
    const copy = join(folder, 'cut.gguf');
    await writeFile(copy, await makeModel({ architecture: 'llama', format: 'F32' }));
    const model = await load(copy, { context: 64, embeddings: 'file' });
    await model.session().generate([1, 2], { maxTokens: 2 }).result;
    await truncate(copy, 64);
    await expect(model.session().generate([3, 4], { maxTokens: 2 }).result).rejects.toThrow(
      /was cut while it was read/,
    );
    model.dispose();
  });
});
