/** Drafts that are verified in one step leave the same tokens, and the same sequence, as steps of one token. */
import { expect, it } from 'vitest';
import { load } from '../../src/index.ts';
import type { ChoiceRule } from '../../src/sampling/chooseToken.ts';
import { tinyModel } from './tinyModel.ts';

const greedily: ChoiceRule = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  recent: [],
  uniform: 0,
};

it.each(['F32', 'Q4_0', 'Q8_0'])('accepts correct drafts and stops at the first wrong one (%s)', async (format) => {
  using model = await load(await tinyModel('llama', format), { threads: 1, context: 64 });
  const oneByOne = model.sequence();
  const expected = [5];
  for (let i = 0; i < 12; i++) expected.push(await oneByOne.choose([expected.at(-1)!], greedily));
  const rules = (count: number) => Array.from({ length: count }, () => greedily);
  const drafted = model.sequence();
  expect(await drafted.verify(5, expected.slice(1, 5), rules(5))).toEqual(expected.slice(1, 6));
  const wrong = (expected[7] + 1) % 256;
  expect(await drafted.verify(expected[5], [expected[6], wrong, 3], rules(4))).toEqual(expected.slice(6, 8));
  expect(drafted.tokens).toEqual(expected.slice(0, 7));
  // what was discarded leaves no trace
  const [a, b] = [await drafted.next(expected[7]), await fresh(model, expected.slice(0, 8))];
  expect(a).toEqual(b);
});

async function fresh(model: Awaited<ReturnType<typeof load>>, tokens: readonly number[]): Promise<Float32Array> {
  const sequence = model.sequence();
  let logits = new Float32Array();
  for (const token of tokens) logits = (await sequence.next(token)) as Float32Array<ArrayBuffer>;
  sequence.free();
  return logits;
}
