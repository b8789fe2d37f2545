import { expect, test } from 'vitest';
import { load } from '../../src/index.ts';
import { tinyModel } from './tinyModel.ts';

test("a conversation uses the model's template, and each turn reuses the cache of the previous one", async () => {
  const model = await load(await tinyModel('smollm2'), { context: 512 });
  expect(model.summary.chatTemplate).toBe(true);
  const session = model.session();
  const messages = [{ role: 'user', content: 'Which tree grows flat?' }];
  const first = await session.generate(messages, { maxTokens: 8 }).result;
  const rendered = '<|im_start|>user\nWhich tree grows flat?<|im_end|>\n<|im_start|>assistant\n';
  expect(session.tokens.slice(0, first.promptTokens)).toEqual(model.tokenizer.encode(rendered));

  const longer = [...messages, { role: 'assistant', content: first.text }, { role: 'user', content: 'And then?' }];
  const second = await session.generate(longer, { maxTokens: 8 }).result;
  expect(second.reusedTokens).toBeGreaterThanOrEqual(first.promptTokens);
  model.dispose();
});

test('a model without a template gets a plain one, after BOS if the model adds BOS', async () => {
  const model = await load(await tinyModel(), { context: 512 });
  expect(model.summary.chatTemplate).toBe(false);
  const session = model.session();
  await session.generate([{ role: 'user', content: 'Hello' }], { maxTokens: 1 }).result;
  expect(session.tokens[0]).toBe(model.tokenizer.bos);
  expect(model.tokenizer.decode(session.tokens)).toContain('<|im_start|>user\nHello<|im_end|>');
  model.dispose();
});
