/** A cascade answers with either model, as that model alone does. */
import { expect, it } from 'vitest';
import { Cascade, type CascadeRule } from '../../src/adapt/index.ts';
import { load } from '../../src/index.ts';
import { tinyModel } from './tinyModel.ts';

const rule = (threshold: number): CascadeRule => ({
  tokens: 6,
  quantile: 0.5,
  steps: [
    { from: 0, probability: 0.9 },
    { from: 1e9, probability: 0.1 },
  ],
  threshold,
  promise: { risk: 0.01, delta: 0.05, prompts: 400 },
});

it('answers as the model that it chooses, and says which', async () => {
  using small = await load(await tinyModel('llama', 'Q4_0'));
  using large = await load(await tinyModel('llama', 'Q8_0'));
  const options = { maxTokens: 24 };
  for (const [threshold, model, by, smallTokens] of [
    [0.95, small, 'small', undefined],
    [0.5, large, 'large', 6],
    [0.05, large, 'large', 0],
  ] as const) {
    const texts: string[] = [];
    const answer = await new Cascade(small, large, rule(threshold)).generate([1, 40, 41], options, ({ text }) =>
      texts.push(text),
    );
    using session = model.session();
    const alone = await session.generate([1, 40, 41], options).result;
    expect(answer).toMatchObject({ by, text: alone.text, tokens: alone.tokens, finishReason: alone.finishReason });
    expect(texts.join('')).toBe(alone.text);
    if (smallTokens !== undefined) expect(answer.smallTokens).toBe(smallTokens);
  }
});
