/** A draft model changes the speed, never the text. */
import { expect, it } from 'vitest';
import { makeModel } from '../../scripts/models/index.ts';
import { type GenerateOptions, load } from '../../src/index.ts';
import type { PacedStep } from '../../src/runtime/pacer.ts';
import { tinyModel } from './tinyModel.ts';

const prompts = [[1, 40, 41, 42], [1, 9, 8, 7, 6, 5], [1]];
const settings: readonly GenerateOptions[] = [
  { maxTokens: 70 },
  { maxTokens: 50, temperature: 0.7, seed: 5 },
  { maxTokens: 50, temperature: 1, seed: 6, repetitionPenalty: 1.2 },
  {},
];

it.each<[string, string]>([
  ['the model itself in fewer bits', 'Q4_0'],
  ['the model itself', 'Q8_0'],
])('drafts of %s', async (_, format) => {
  const [large, small] = await Promise.all([tinyModel('llama', 'Q8_0'), tinyModel('llama', format)]);
  using drafted = await load(large, { draftModel: small, context: 160 });
  using alone = await load(large, { context: 160 });
  let accepted = 0;
  for (const prompt of prompts)
    for (const options of settings) {
      const fixed = { seed: 1, ...options };
      using session = drafted.session();
      using other = alone.session();
      const a = await session.generate(prompt, fixed).result;
      const b = await other.generate(prompt, { ...fixed, draft: 'off' }).result;
      expect([a.ids, a.text, a.finishReason, session.tokens]).toEqual([b.ids, b.text, b.finishReason, other.tokens]);
      accepted += a.acceptedTokens;
    }
  expect(accepted).toBeGreaterThan(0);
});

it('continues a conversation, and several at a time', async () => {
  const model = await tinyModel('smollm2', 'Q8_0');
  const texts = async (draftModel: Uint8Array | undefined) => {
    using loaded = await load(model, { draftModel, context: 256, prefixCacheBytes: 0 });
    return await Promise.all(
      ['one two', 'three'].map(async (prompt) => {
        using session = loaded.session();
        const first = await session.generate(prompt, { maxTokens: 30 }).result;
        const next = await session.generate(prompt + first.text + prompt, { maxTokens: 30 }).result;
        return [first.ids, next.ids, session.tokens];
      }),
    );
  };
  expect(await texts(await tinyModel('smollm2', 'Q4_0'))).toEqual(await texts(undefined));
});

it('refuses a model with other tokens, or one that cannot generate', async () => {
  const other = await makeModel({ architecture: 'smollm2', format: 'F32' });
  await expect(load(await tinyModel('llama'), { draftModel: other })).rejects.toThrow(
    /draftModel is .*, expected the /,
  );
  await expect(load(await tinyModel('llama'), { draftModel: 5 as unknown as string })).rejects.toThrow(
    /draftModel is 5/,
  );
});

it('is paced with the model that it drafts for: its steps wait, follow the threads, and count as work', async () => {
  const [large, small] = await Promise.all([tinyModel('llama', 'Q8_0'), tinyModel('llama', 'Q4_0')]);
  using model = await load(large, { draftModel: small, context: 160 });
  const asked = { wait: 0, threads: 0 };
  const steps: PacedStep[] = [];
  const waits: { readonly tokens: number; readonly seconds: number }[] = [];
  let isDisposed = false;
  model.setPacer({
    wait: () => {
      asked.wait++;
      return 0;
    },
    threads: () => {
      asked.threads++;
      return 1;
    },
    submodel: () => undefined,
    observe: (step) => steps.push(step),
    clock: () => 5000 * steps.length,
    observeTokens: (tokens, seconds) => waits.push({ tokens, seconds }),
    dispose: () => {
      isDisposed = true;
    },
  });
  const { tokens, draftedTokens } = await model.session().generate([1, 9, 8, 7, 6, 5], { maxTokens: 70 }).result;
  const drafting = steps.filter((step) => step.tokens === 1 && !step.isDecoding);
  expect(draftedTokens).toBeGreaterThan(0);
  expect(drafting.length).toBeGreaterThan(0);
  expect(asked).toEqual({ wait: steps.length, threads: steps.length });
  // the first token comes with the prompt; a stream waits for the drafts, too
  expect(waits.reduce((sum, wait) => sum + wait.tokens, 0)).toBeGreaterThanOrEqual(tokens - 1);
  expect(waits.reduce((sum, { seconds }) => sum + seconds, 0)).toBe(5 * (steps.length - 1));
  model.setPacer(undefined);
  expect(isDisposed).toBe(true);
});
