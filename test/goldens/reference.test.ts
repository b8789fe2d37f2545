/** Compares the distributions of the reference backend with llama.cpp on every golden. */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  agreement,
  type GoldenPlan,
  goldenModel,
  goldenPlans,
  readGolden,
  softmax,
  writeHuggingFaceModel,
} from '../../scripts/models/index.ts';
import { openGguf } from '../../src/formats/gguf/checkpoint.ts';
import { openCheckpoint } from '../../src/formats/open.ts';
import { memorySource } from '../../src/formats/sources/memory.ts';
import { sharedData } from '../sharedData.ts';
import { referenceModel } from './referenceModel.ts';

describe('the reference backend agrees with llama.cpp', () => {
  const made = goldenPlans.filter(({ model }) => 'made' in model);
  it.each(made)('of $name', async (plan) => {
    const golden = await readGolden(plan.name);
    const model = await referenceModel(await openGguf(memorySource(await goldenModel(golden), golden.name)));
    const { meanKl, top1 } = agreement(golden, await model.forced(golden.tokens));
    expect(meanKl).toBeLessThan(tolerance(plan));
    expect(top1).toBeGreaterThanOrEqual(0.98);
  });

  it.each(['llama', 'llama31', 'llama-linear', 'mistral', 'smollm2', 'qwen2', 'qwen3', 'gpt2'])(
    'of the Hugging Face twin of %s',
    async (architecture) => {
      const folder = await mkdtemp(join(tmpdir(), 'espalier-twin-'));
      try {
        await writeHuggingFaceModel(folder, { architecture, format: 'F32' });
        const golden = await readGolden(`${architecture}-F32`);
        const checkpoint = await openCheckpoint(folder);
        const { meanKl, top1 } = agreement(golden, await (await referenceModel(checkpoint)).forced(golden.tokens));
        await checkpoint.close();
        expect(meanKl).toBeLessThan(1e-5);
        expect(top1).toBe(1);
      } finally {
        await rm(folder, { recursive: true });
      }
    },
  );
});

const stories = sharedData('weights/stories260K.gguf');

describe.skipIf(!stories)('the reference backend tells the stories that llama.cpp tells', () => {
  const open = async () => referenceModel(await openGguf(memorySource(readFileSync(stories!), 'stories260K')));

  it('with the same distributions and greedy tokens', async () => {
    const golden = await readGolden('stories260K');
    const model = await open();
    const { meanKl, top1 } = agreement(golden, await model.forced(golden.tokens));
    expect(meanKl).toBeLessThan(1e-5);
    expect(top1).toBe(1);
    for (const { tokens, continuation } of golden.greedy!) {
      expect(await model.greedy(tokens, continuation.length)).toEqual(continuation);
    }
  });

  it('with the same perplexity', async () => {
    const { perplexity } = await readGolden('stories260K');
    const model = await open();
    for (const { tokens, context, nll } of perplexity!) {
      const first = context / 2;
      const found: number[] = [];
      for (const index of nll.keys()) {
        const chunk = tokens.slice(index * context, (index + 1) * context);
        const logits = await model.forced([tokens[0], ...chunk.slice(1)]);
        const losses = chunk.slice(first + 1).map((token, i) => -Math.log(softmax(logits[first + i])[token]));
        found.push(losses.reduce((sum, loss) => sum + loss, 0));
      }
      found.forEach((value, i) => {
        expect(Math.abs(value / nll[i] - 1)).toBeLessThan(1e-3);
      });
    }
  });
});

/** Tolerances in nats. llama.cpp rounds activations: to F16 for F16, to BF16 for BF16, to 8 bits for the others. */
function tolerance({ model }: GoldenPlan): number {
  const format = 'made' in model ? model.made.format : 'F32';
  return { F32: 1e-5, F16: 1e-5, BF16: 1e-4 }[format] ?? 2e-3;
}
