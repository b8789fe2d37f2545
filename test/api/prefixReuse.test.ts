import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { load, type Model } from '../../src/index.ts';
import { tinyModel } from './tinyModel.ts';

describe.each(['f32', 'f16', 'q8_0'] as const)('with keys and values in %s', (kv) => {
  let model: Model;
  beforeAll(async () => {
    model = await load(await tinyModel('llama', 'Q8_0'), { context: 64, kv, stepTokens: 8 });
  });
  afterAll(() => model.dispose());

  test('a used session continues a prompt like a new one', async () => {
    // few ids, so that prompts often share a prefix
    const prompts = fc.array(fc.array(fc.integer({ min: 260, max: 261 }), { minLength: 1, maxLength: 24 }), {
      minLength: 1,
      maxLength: 4,
    });
    await fc.assert(
      fc.asyncProperty(prompts, fc.boolean(), async (sequence, cloned) => {
        let session = model.session();
        for (const prompt of sequence) {
          const fresh = model.session();
          const expected = await fresh.generate(prompt, { maxTokens: 4 }).result;
          const before = session.tokens;
          const result = await session.generate(prompt, { maxTokens: 4 }).result;
          expect(result.ids).toEqual(expected.ids);
          const shared = prompt.findIndex((id, i) => id !== before[i]);
          expect(result.reusedTokens).toBe(Math.min(shared < 0 ? prompt.length : shared, prompt.length - 1));
          fresh.dispose();
          if (!cloned) continue;
          const clone = session.clone();
          session.dispose();
          session = clone;
        }
        session.dispose();
      }),
      { numRuns: 30, seed: 1 },
    );
  });
});
