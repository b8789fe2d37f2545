import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { gardenText } from '../../scripts/models/text.ts';
import { evaluateText, inspect, load, loadTokenizer, type Model, measureSpeed } from '../../src/index.ts';
import { tinyModel } from './tinyModel.ts';

let model: Model;
beforeAll(async () => {
  model = await load(await tinyModel(), { context: 256, kv: 'f32' });
});
afterAll(() => model.dispose());

describe('evaluating tokens', () => {
  const ids = [1, 40, 41, 42, 43, 44, 45, 46];

  test('calls back for the requested rows, independent of the step size', async () => {
    const small = await load(await tinyModel(), { context: 256, kv: 'f32', stepTokens: 3 });
    const all: Float32Array[] = [];
    await model.evaluate(ids, 'all', (row, values) => {
      expect(row).toBe(all.length);
      all.push(values.slice());
    });
    expect(all.map(({ length }) => length)).toEqual(ids.map(() => 512));
    const some = new Map<number, Float32Array>();
    await small.evaluate(ids, [1, 4, 7], (row, values) => some.set(row, values.slice()));
    expect([...some.keys()]).toEqual([1, 4, 7]);
    for (const [row, values] of some)
      for (const [id, value] of values.entries()) expect(value).toBeCloseTo(all[row][id], 3);
    small.dispose();
  });

  test('log-probabilities belong to the actual next tokens', async () => {
    const found = await model.logProbabilities(ids);
    expect(found.map(({ id }) => id)).toEqual(ids.slice(1));
    let total = 0;
    await model.evaluate(ids, [2], (_, logits) => {
      for (const logit of logits) total += Math.exp(logit);
      expect(found[2].logProbability).toBeCloseTo(logits[ids[3]] - Math.log(total), 5);
    });
  });

  test('embeddings are pooled as requested', async () => {
    const last = await model.embed(ids, { pooling: 'last' });
    const mean = await model.embed(ids);
    expect(last).toHaveLength(256);
    const hidden: Float32Array[] = [];
    await model.evaluate(ids, 'all', (_, values) => hidden.push(values.slice()), { output: 'hidden' });
    for (const i of [0, 17, 255]) {
      expect(last[i]).toBeCloseTo(hidden[7][i], 4);
      expect(mean[i]).toBeCloseTo(hidden.reduce((sum, values) => sum + values[i], 0) / 8, 4);
    }
    expect(await model.embed('a pear')).toHaveLength(256);
  });

  test.each([[[3, 3]], [[8]], [[-1]], [[0.5]]])('the rows %o are rejected', async (rows) => {
    await expect(model.evaluate(ids, rows, () => {})).rejects.toThrow(/row/);
  });
});

describe('evaluating a text', () => {
  test('agrees with the definition on every token of a chunk', async () => {
    const found = await evaluateText(model, gardenText, { context: 100, maxTokens: 150, all: true });
    const ids = model.tokenizer.encode(gardenText).slice(0, 150);
    const second = [model.tokenizer.bos!, ...ids.slice(101)];
    const scored = [...(await model.logProbabilities(ids.slice(0, 100))), ...(await model.logProbabilities(second))];
    const nll = -scored.reduce((sum, { logProbability }) => sum + logProbability, 0);
    const bytes = scored.reduce((sum, { id }) => sum + model.tokenizer.bytes(id).length, 0);
    expect(found.tokens).toBe(148);
    expect(found.nll).toBeCloseTo(nll / 148, 3);
    expect(found.perplexity).toBeCloseTo(Math.exp(found.nll), 6);
    expect(found.bitsPerByte).toBeCloseTo(nll / Math.LN2 / bytes, 3);
    expect(found.kld).toBeUndefined();
  });

  test('scores only the replies of conversations, each document separately', async () => {
    const gpt2 = await load(await tinyModel('gpt2'), { context: 256, kv: 'f32' });
    const first = 'A: a pear\nB: in the garden<|endoftext|>\nA: how so\nB: so<|endoftext|>';
    const second = 'A: who\nB: the gardener';
    const text = `${first}\n\n${second}\n\n\nA: none\n\n`;
    const parts = { after: 'B:', until: '<|endoftext|>' };
    const found = await evaluateText(gpt2, text, { separator: '\n\n', parts });
    const { tokenizer } = gpt2;
    let [nll, tokens] = [0, 0];
    for (const [document, replies] of [
      [first, [' in the garden<|endoftext|>', ' so<|endoftext|>']],
      [`${second}<|endoftext|>`, [' the gardener<|endoftext|>']],
    ] as const) {
      const ids = tokenizer.encode(document, { addEos: false });
      const scored = await gpt2.logProbabilities(ids);
      for (const reply of replies) {
        const begin = document.indexOf(reply);
        const before = tokenizer.encode(document.slice(0, begin), { addEos: false }).length;
        const end = tokenizer.encode(document.slice(0, begin + reply.length), { addEos: false }).length;
        for (const { logProbability } of scored.slice(before - 1, end - 1)) nll -= logProbability;
        tokens += end - before;
      }
    }
    expect(found.tokens).toBe(tokens);
    expect(found.nll).toBeCloseTo(nll / tokens, 3);
    expect(found.bitsPerByte).toBeCloseTo(nll / Math.LN2 / ' in the garden so the gardener'.length, 3);
    await expect(evaluateText(gpt2, text, { parts })).rejects.toThrow(/parts is set, expected separator/);
    const nothing = { separator: '\n\n', parts: { after: 'C:', until: '<|endoftext|>' } };
    await expect(evaluateText(gpt2, text, nothing)).rejects.toThrow(/without "C:"/);
    gpt2.dispose();
  });

  test('a model has no KL divergence from itself', async () => {
    const twin = await load(await tinyModel(), { context: 256, kv: 'f32' });
    const found = await evaluateText(model, gardenText, { context: 128, maxTokens: 300, reference: twin });
    expect(found.tokens).toBe(2 * 63);
    expect(found.kld!.mean).toBeLessThan(1e-9);
    expect(found.top1).toBe(1);
    twin.dispose();
  });

  test('a quantized model has a small KL divergence', async () => {
    const quantized = await load(await tinyModel('llama', 'Q4_0'), { context: 256, kv: 'f32' });
    const found = await evaluateText(quantized, gardenText, { context: 128, maxTokens: 256, reference: model });
    expect(found.kld!.mean).toBeGreaterThan(1e-5);
    expect(found.kld!.p99).toBeGreaterThan(found.kld!.mean);
    expect(found.kld!.sigma).toBeLessThan(found.kld!.mean);
    expect(found.top1).toBeGreaterThan(0.5);
    quantized.dispose();
  });

  test('a reference with another tokenizer is refused, even with as many tokens', async () => {
    using gpt2 = await load(await tinyModel('gpt2'), { context: 256, kv: 'f32' });
    expect(gpt2.summary.vocabulary).toBe(model.summary.vocabulary);
    await expect(evaluateText(model, gardenText, { context: 128, reference: gpt2 })).rejects.toThrow(
      /reference is .*, which encodes texts differently, expected the tokenizer of/,
    );
  });

  test('invalid input is rejected', async () => {
    await expect(evaluateText(model, 'short', { context: 128 })).rejects.toThrow(/expected at least a chunk of 128/);
    await expect(evaluateText(model, gardenText, { context: 512 })).rejects.toThrow(/chunks have 512 tokens but/);
  });
});

test('measured speeds are plausible', async () => {
  const speed = await measureSpeed(model, { prefill: 16, decode: 4, runs: 2 });
  expect(speed).toMatchObject({ ...model.backend });
  expect(speed.prefillTokensPerSecond).toBeGreaterThan(0);
  expect(speed.weightBytesPerSecond / speed.decodeTokensPerSecond).toBeCloseTo(model.weightBytesPerToken, 0);
  await expect(measureSpeed(model, { prefill: 256, decode: 1 })).rejects.toThrow(/more than the context of 256/);
});

describe('without loading', () => {
  test('a model can be inspected', async () => {
    const found = await inspect(await tinyModel('llama', 'Q4_0'));
    expect(found.model).toEqual(
      model.summary && expect.objectContaining({ architecture: 'llama', parameters: model.summary.parameters }),
    );
    expect(found.metadata['tokenizer.ggml.tokens']).toBe('[string × 512]');
    expect(found.tensors.find(({ name }) => name === 'blk.1.attn_q.weight')).toMatchObject({
      format: 'Q4_0',
      shape: [256, 256],
    });
    expect(found.graph!.nodes).toContain('blk.0.attention');
    expect(JSON.parse(JSON.stringify(found))).toEqual(found);
  });

  test('a tokenizer can be loaded', async () => {
    const tokenizer = await loadTokenizer(await tinyModel());
    expect(tokenizer.encode('a pear')).toEqual(model.tokenizer.encode('a pear'));
  });
});
