/** Models made by others, compared with results of other programs, through the API. */
import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { type Golden, gardenText, goldenModel, readGolden } from '../../scripts/models/index.ts';
import { evaluateText, load } from '../../src/index.ts';
import { sharedData } from '../sharedData.ts';

const stories = sharedData('weights/stories260K.gguf');
const chat = sharedData('weights/chat-3m');

async function expectPerplexities({ perplexity = [] }: Golden, bytes: Uint8Array) {
  const model = await load(bytes, { kv: 'f32', context: 256 });
  for (const { tokens, context, scored, perplexity: expected, nll } of perplexity) {
    expect(model.tokenizer.encode(gardenText, { special: false })).toEqual(tokens);
    const found = await evaluateText(model, gardenText, { context });
    expect(found.tokens).toBe(scored);
    expect(found.nll).toBeCloseTo(nll.reduce((sum, value) => sum + value, 0) / scored, 3);
    expect(found.perplexity / expected).toBeCloseTo(1, 3);
  }
  model.dispose();
}

test("the perplexity of a generated model equals llama.cpp's", async () => {
  const golden = await readGolden('gpt2-F32');
  expect(golden.perplexity?.length).toBeGreaterThan(0);
  await expectPerplexities(golden, await goldenModel(golden));
});

describe.skipIf(!stories)('stories260K', () => {
  test("has llama.cpp's perplexity", async () => {
    await expectPerplexities(await readGolden('stories260K'), await readFile(stories!));
  });

  test.each(['wasm', 'reference'] as const)(
    'writes the same stories as llama.cpp on the %s backend',
    async (backend) => {
      const { greedy = [] } = await readGolden('stories260K');
      const model = await load(stories!, { backend });
      for (const { prompt, tokens, continuation } of greedy) {
        const session = model.session();
        const result = await session.generate(prompt, { maxTokens: continuation.length }).result;
        expect(session.tokens.slice(0, tokens.length)).toEqual(tokens);
        expect(result.ids).toEqual(continuation.slice(0, result.tokens));
        expect(
          result.tokens === continuation.length || model.tokenizer.endOfGeneration.has(continuation[result.tokens]),
        ).toBe(true);
      }
      model.dispose();
    },
  );
});

/** Contents of reference.json, made by a forward pass in numpy. */
interface Reference {
  readonly prompts: readonly {
    readonly prompt: string;
    readonly prompt_ids: readonly number[];
    readonly greedy_ids: readonly number[];
    readonly eos_index: number | null;
    readonly greedy_text_before_eos: string;
    readonly top10_ids: readonly number[];
    readonly top10_logits: readonly number[];
  }[];
}

describe.skipIf(!chat)('chat-3m, a Hugging Face folder', () => {
  test.each(['wasm', 'reference'] as const)('gives the reference answers on the %s backend', async (backend) => {
    const reference: Reference = JSON.parse(await readFile(`${chat}/reference.json`, 'utf8'));
    const model = await load(chat!, { backend, kv: 'f32' });
    const session = model.session();
    for (const expected of reference.prompts) {
      expect(model.tokenizer.encode(expected.prompt)).toEqual(expected.prompt_ids);
      const { ids, text } = await session.generate(expected.prompt, { maxTokens: 32 }).result;
      expect(ids).toEqual(expected.greedy_ids.slice(0, expected.eos_index ?? 32));
      expect(text).toBe(expected.greedy_text_before_eos);
      await model.evaluate(expected.prompt_ids, [expected.prompt_ids.length - 1], (_, logits) => {
        for (const [i, id] of expected.top10_ids.entries())
          expect(Math.abs(logits[id] - expected.top10_logits[i])).toBeLessThan(1e-3);
      });
    }
    model.dispose();
  });
});
