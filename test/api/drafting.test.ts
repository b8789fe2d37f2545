/** Texts with drafts are the texts without, token for token, in everything that a caller sees. */
import { expect, it } from 'vitest';
import { type GenerateOptions, load, type Model } from '../../src/index.ts';
import { tinyModel } from './tinyModel.ts';

/** Prompts that repeat themselves, and some that do not. */
const prompts: readonly (readonly number[])[] = [
  [1, 40, 41, 42, 43, 44, 40, 41, 42, 43, 44, 40, 41],
  [1, 7, 7, 7, 7, 7],
  [1, 9, 8, 7, 6, 5, 4, 3],
  Array.from({ length: 48 }, (_, i) => 20 + ((i * i) % 7)),
  Array.from({ length: 30 }, (_, i) => 3 + (i % 10)),
  [1],
];

const settings: readonly GenerateOptions[] = [
  { maxTokens: 96 },
  { maxTokens: 64, temperature: 0.2, topK: 4, seed: 3 },
  { maxTokens: 64, temperature: 0.8, seed: 11, repetitionPenalty: 1.1 },
  { maxTokens: 64, repetitionPenalty: 1.3 },
  { maxTokens: 40, logProbabilities: 2 },
  { maxTokens: 1 },
  { maxTokens: 0 },
  {},
];

async function seen(model: Model, prompt: readonly number[], options: GenerateOptions) {
  using session = model.session();
  const pieces: unknown[] = [];
  const generation = session.generate(prompt, options);
  for await (const piece of generation) pieces.push(piece);
  const { draftedTokens, acceptedTokens, prefillTokensPerSecond, decodeTokensPerSecond, reusedTokens, ...result } =
    await generation.result;
  return { drafted: draftedTokens, accepted: acceptedTokens, seen: { pieces, result, tokens: session.tokens } };
}

it.each(['F32', 'F16', 'Q8_0', 'Q4_0', 'Q5_1', 'Q4_K', 'Q6_K', 'IQ4_XS', 'TQ2_0'])('in %s', async (format) => {
  using model = await load(await tinyModel('llama', format), { threads: 2, context: 160, prefixCacheBytes: 0 });
  let [drafted, accepted] = [0, 0];
  for (const prompt of prompts) {
    for (const options of settings) {
      const fixed = { seed: 1, ...options };
      const with_ = await seen(model, prompt, fixed);
      const without = await seen(model, prompt, { ...fixed, draft: 'off' });
      expect(with_.seen, JSON.stringify([prompt, options])).toEqual(without.seen);
      expect(without.drafted).toBe(0);
      drafted += with_.drafted;
      accepted += with_.accepted;
    }
  }
  // both kinds of rows were there: accepted and discarded ones
  expect(accepted).toBeGreaterThan(0);
  expect(drafted).toBeGreaterThan(accepted);
});

it('with stop strings and a conversation that goes on', async () => {
  using model = await load(await tinyModel('smollm2', 'Q4_0'), { context: 256, prefixCacheBytes: 0 });
  const turns = async (draft: 'lookup' | 'off') => {
    using session = model.session();
    const prompt = 'one two three one two three one two';
    const first = await session.generate(prompt, { maxTokens: 60, draft }).result;
    const stop = first.text.slice(20, 22);
    using other = model.session();
    const stopped = await other.generate(prompt, { maxTokens: 60, draft, stop: stop === '' ? 'zzz' : stop }).result;
    const next = await session.generate(prompt + first.text + prompt, { maxTokens: 30, draft }).result;
    return [first.ids, stopped.text, stopped.finishReason, other.tokens, next.ids, next.reusedTokens, session.tokens];
  };
  expect(await turns('lookup')).toEqual(await turns('off'));
});

it('beside other sessions', async () => {
  using model = await load(await tinyModel('llama', 'Q4_0'), { context: 128, prefixCacheBytes: 0 });
  const ids = (draft: 'lookup' | 'off') =>
    Promise.all(
      prompts.map(async (prompt) => {
        using session = model.session();
        return (await session.generate(prompt, { maxTokens: 60, draft }).result).ids;
      }),
    );
  expect(await ids('lookup')).toEqual(await ids('off'));
});

it('can be aborted, and then goes on as without', async () => {
  using model = await load(await tinyModel('llama', 'Q4_0'), { context: 160 });
  using session = model.session();
  const controller = new AbortController();
  const generation = session.generate(prompts[0], { maxTokens: 90, signal: controller.signal });
  const ids: number[] = [];
  await expect(
    (async () => {
      for await (const piece of generation) {
        ids.push(...piece.ids);
        if (ids.length >= 40) controller.abort(new Error('enough'));
      }
    })(),
  ).rejects.toThrow('enough');
  const past = [...prompts[0], ...ids];
  expect(session.tokens).toEqual(past.slice(0, session.tokens.length));
  const next = await session.generate(past, { maxTokens: 20 }).result;
  const alone = await seen(model, past, { maxTokens: 20, draft: 'off' });
  expect(next.ids).toEqual((alone.seen.result as { ids: readonly number[] }).ids);
});
