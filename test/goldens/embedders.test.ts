/** Compares embedders and rerankers with llama.cpp (GGUF files), and with transformers and sentence-transformers (folders). */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readEmbedderGoldens } from '../../scripts/models/embedderGoldens.ts';
import { embedderGguf, writeEmbedderFolder } from '../../scripts/models/embedderFiles.ts';
import { type EmbedderPlan, embedderPlans } from '../../scripts/models/embedders.ts';
import { sha256 } from '../../scripts/models/goldens.ts';
import { load, type Model } from '../../src/index.ts';

/** llama.cpp rounds gelu to half precision, and attention's values. */
const LLAMA_CPP = 3e-3;
const TRANSFORMERS = 2e-4;
const goldens = new Map(readEmbedderGoldens().map((golden) => [golden.name, golden]));
const isClassifier = ({ tensors }: EmbedderPlan) => tensors.some(({ name }) => name === 'cls.output.weight');
const options = { threads: 1, kv: 'f32' } as const;

/** Largest difference, relative to the length of `expected`. */
function difference(found: ArrayLike<number>, expected: readonly number[]): number {
  expect(found.length).toBe(expected.length);
  const length = Math.hypot(...expected);
  return Math.max(...expected.map((value, i) => Math.abs(value - found[i]))) / length;
}

describe.each(embedderPlans)('$name', (plan) => {
  const golden = goldens.get(plan.name)!;
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'espalier-embedder-'));
    if (plan.config) await writeEmbedderFolder(folder, plan);
  });
  afterAll(() => rm(folder, { recursive: true }));

  const scores = async (model: Model, ids: readonly number[]) =>
    (await model.classify([{ ids: [...ids], types: ids.map(() => 0) }]))[0];

  // this llama.cpp does not know the key classifier.pooling_type
  it.skipIf(plan.name === 'modern-bert-classifier-cls')('computes what llama.cpp does from its GGUF file', async () => {
    const bytes = await embedderGguf(plan);
    expect(sha256(bytes)).toBe(golden.sha256);
    const model = await load(bytes, options);
    for (const [i, ids] of golden.tokens.entries()) {
      const expected = golden.llamaCpp[i];
      if (!isClassifier(plan)) {
        expect(difference(await model.embed(ids, { normalize: false }), expected)).toBeLessThan(LLAMA_CPP);
        continue;
      }
      const found = await scores(model, ids);
      // llama.cpp returns the probability of a yes
      const score = plan.name === 'qwen3-reranker' ? 1 / (1 + Math.exp(found[1] - found[0])) : found[0];
      expect(Math.abs(score - expected[0])).toBeLessThan(LLAMA_CPP);
    }
    model.dispose();
  });

  it.skipIf(!golden.transformers)('computes what transformers does from its folder', async () => {
    const model = await load(folder, options);
    const { hidden, scores: all, embeddings = [], ids } = golden.transformers!;
    for (const [i, tokens] of golden.tokens.entries()) {
      if (hidden[i]) {
        const found = await model.embed(tokens, { pooling: 'mean', normalize: false });
        expect(found.length).toBe(plan.dense ? plan.dense.at(-1)!.shape[0] : hidden[i].length);
        if (!plan.dense) expect(difference(found, hidden[i])).toBeLessThan(TRANSFORMERS);
      } else {
        expect(difference(await scores(model, tokens), all[i])).toBeLessThan(TRANSFORMERS);
      }
    }
    for (const [i, text] of golden.texts.slice(0, embeddings.length).entries()) {
      expect(model.tokenizer.encode(text)).toEqual(ids![i]);
      expect(difference(await model.embed(text), embeddings[i])).toBeLessThan(TRANSFORMERS);
    }
    model.dispose();
  });
});
