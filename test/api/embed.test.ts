/** The options of `embed` and `rank`, on tiny random models. */
import { describe, expect, test } from 'vitest';
import { embedderGguf } from '../../scripts/models/embedderFiles.ts';
import { type EmbedderPlan, embedderPlans } from '../../scripts/models/embedders.ts';
import {
  ContextError,
  FormatError,
  inspect,
  load,
  type Model,
  OptionError,
  UnsupportedError,
} from '../../src/index.ts';
import { tinyModel } from './tinyModel.ts';

async function opened(name: string): Promise<Model> {
  return load(await embedderGguf(embedderPlans.find((plan) => plan.name === name)!), { threads: 1, kv: 'f32' });
}

const length = (vector: Float32Array) => Math.hypot(...vector);

describe('embedding', () => {
  test('many texts gives each the vector that it has alone', async () => {
    const model = await opened('modern-bert');
    const texts = ['the pear', 'walls', 'a wall', 'the pear, the wall.', '', 'the'];
    const together = await model.embed(texts);
    for (const [i, text] of texts.entries()) expect(together[i]).toEqual(await model.embed(text));
    model.dispose();
  });

  test('cuts vectors for Matryoshka models, then scales them to length 1', async () => {
    const model = await opened('nomic-bert');
    const whole = await model.embed('the pear', { normalize: false });
    const cut = await model.embed('the pear', { dimensions: 8 });
    expect(cut).toHaveLength(8);
    expect(length(cut)).toBeCloseTo(1, 6);
    const scale = length(whole.slice(0, 8));
    for (const [i, value] of cut.entries()) expect(value).toBeCloseTo(whole[i] / scale, 6);
    await expect(model.embed('the', { dimensions: 49 })).rejects.toThrow(OptionError);
    model.dispose();
  });

  test('puts a prefix before each text, and refuses a prompt that the model does not have', async () => {
    const model = await opened('bert');
    expect(await model.embed('pear', { prefix: 'the ' })).toEqual(await model.embed('the pear'));
    await expect(model.embed('pear', { prompt: 'query' })).rejects.toThrow(
      /prompt is "?query.*has no prompts.*`prefix`/,
    );
    await expect(model.embed('pear', { prompt: 'query', prefix: 'a' })).rejects.toThrow(OptionError);
    model.dispose();
  });

  test('refuses a text that is too long, or cuts it before its last special token', async () => {
    const model = await opened('bert');
    const text = 'the '.repeat(100);
    await expect(model.embed(text)).rejects.toThrow(ContextError);
    expect(await model.embed(text, { truncate: 'end' })).toEqual(await model.embed('the '.repeat(62)));
    model.dispose();
  });

  test('applies the dense layers of a GGUF file after pooling', async () => {
    const plan = embedderPlans.find(({ name }) => name === 'gemma-embedding')!;
    const plain = await load(await embedderGguf({ ...plan, dense: undefined }), { threads: 1 });
    const dense = await opened('gemma-embedding');
    const [a, b] = [await plain.embed('the pear'), await dense.embed('the pear')];
    expect(b).not.toEqual(a);
    expect(length(b)).toBeCloseTo(1, 5);
    plain.dispose();
    dense.dispose();
  });
});

describe('beside others', () => {
  const ids = (count: number, seed: number) => Array.from({ length: count }, (_, i) => 3 + ((seed * 37 + i * i) % 90));

  test('an embedding waits for the memory that a generation has reserved', async () => {
    const bytes = await tinyModel();
    const alone = await load(bytes, { context: 128, threads: 1 });
    const expected = await alone.embed(ids(100, 1));
    const page = alone.estimate.cacheBytes / 8;
    alone.dispose();
    const model = await load(bytes, { context: 128, threads: 1, cacheBytes: 8 * page });
    const stream = model.session().generate(ids(60, 2), { maxTokens: 50, stop: [] });
    await stream.next();
    const order: string[] = [];
    const embedding = model.embed(ids(100, 1)).finally(() => order.push('embedding'));
    const result = stream.result.finally(() => order.push('generation'));
    expect((await result).tokens).toBe(50);
    expect(await embedding).toEqual(expected);
    expect(order).toEqual(['generation', 'embedding']);
    model.dispose();
  });

  test('steps of an encoder are paced, and end with its model', async () => {
    const model = await opened('bert');
    const steps: number[] = [];
    model.setPacer({ wait: () => 0, threads: () => undefined, observe: ({ tokens }) => steps.push(tokens) });
    await model.embed(['the pear', 'the']);
    expect(steps).toHaveLength(2);
    const late = model.embed('the pear');
    model.dispose();
    await expect(late).rejects.toMatchObject({ code: 'DISPOSED' });
  });
});

describe('a file', () => {
  const plan = embedderPlans.find(({ name }) => name === 'bert')!;
  const changed = async (change: Partial<EmbedderPlan>) =>
    load(await embedderGguf({ ...plan, ...change }), { backend: 'reference' });
  const resized = (name: string, rows: number) =>
    plan.tensors.map((tensor) => (tensor.name === name ? { ...tensor, shape: [rows, tensor.shape[1]] } : tensor));

  test('that does not pool needs a pooling, and an unknown one is refused', async () => {
    const model = await changed({ metadata: { ...plan.metadata, pooling_type: 0 } });
    await expect(model.embed('the pear')).rejects.toThrow(/pooling is "?missing/);
    expect(await model.embed('the pear', { pooling: 'cls' })).toHaveLength(48);
    await expect(changed({ metadata: { ...plan.metadata, pooling_type: 7 } })).rejects.toThrow(/pooling_type.*7/);
  });

  test('of a file that calls its pooling unspecified is that of a file without one', async () => {
    const { pooling_type: _, ...silent } = plan.metadata as Record<string, unknown>;
    const unspecified = await changed({ metadata: { ...silent, pooling_type: 0xffffffff } } as Parameters<
      typeof changed
    >[0]);
    const without = await changed({ metadata: silent } as Parameters<typeof changed>[0]);
    expect(await unspecified.embed('the pear')).toEqual(await without.embed('the pear'));
  });

  test('is refused if it has fewer positions than it says, and a context that has more', async () => {
    await expect(changed({ tensors: resized('position_embd.weight', 63) })).rejects.toThrow(FormatError);
    await expect(load(await embedderGguf(plan), { context: 65 })).rejects.toThrow(/context is 65, expected at most 64/);
  });

  test('with one token type reads one text, and refuses a second type', async () => {
    const classifier = embedderPlans.find(({ name }) => name === 'bert-classifier')!;
    const tensors = classifier.tensors.map((tensor) =>
      tensor.name === 'token_types.weight' ? { ...tensor, shape: [1, 48] } : tensor,
    );
    const model = await load(await embedderGguf({ ...classifier, tensors }), { backend: 'reference' });
    expect(await model.embed('the pear')).toHaveLength(48);
    await expect(model.rank('pear', ['a wall'])).rejects.toThrow(/token type is 1/);
  });

  test('is refused for dense layers that do not fit together', async () => {
    const gemma = embedderPlans.find(({ name }) => name === 'gemma-embedding')!;
    const dense = gemma.dense!.map((layer) => ({ ...layer, shape: [layer.shape[0], layer.shape[1] - 1] }));
    await expect(load(await embedderGguf({ ...gemma, dense }))).rejects.toThrow(/dense layer dense_2 has 47 inputs/);
  });

  test('of an encoder has its whole context by default', async () => {
    const metadata = { ...plan.metadata, context_length: 6000 };
    const bytes = await embedderGguf({ ...plan, metadata, tensors: resized('position_embd.weight', 6000) });
    expect((await inspect(bytes)).memory?.context).toBe(6000);
  });
});

describe('a model that predicts no tokens', () => {
  test('refuses to generate text', async () => {
    const model = await opened('llama-not-causal');
    expect(() => model.session()).toThrow(UnsupportedError);
    expect(await model.embed('the pear')).toHaveLength(48);
    model.dispose();
  });
});

describe('ranking', () => {
  test('orders documents by a classifier on both texts', async () => {
    const model = await opened('bert-classifier');
    const documents = ['the pear', 'a wall', 'walls, pears.'];
    const ranking = await model.rank('pear', documents);
    expect(ranking.map(({ index }) => index).toSorted()).toEqual([0, 1, 2]);
    for (const { index, score } of ranking) {
      const [scores] = await model.classify([model.tokenizer.encodePair('pear', documents[index])]);
      expect(score).toBe(scores[0]);
    }
    model.dispose();
  });

  test('separates the texts as transformers does', async () => {
    const { tokenizer } = await opened('bert-classifier');
    const { ids, types } = tokenizer.encodePair('pear', 'a wall');
    expect(ids.map((id) => tokenizer.piece(id)).join('')).toBe('[CLS] pear[SEP] a wall[SEP]');
    expect(types).toEqual([0, 0, 0, 1, 1, 1]);
  });

  test('fills the template of a yes-or-no reranker and returns the probability of a yes', async () => {
    const model = await opened('qwen3-reranker');
    const [first] = await model.rank('{document}', ['a wall']);
    const ids = model.tokenizer.encode('[CLS] the {document} . a wall [SEP]', { addBos: false, addEos: false });
    const [scores] = await model.classify([{ ids, types: ids.map(() => 0) }]);
    expect(first.score).toBeCloseTo(1 / (1 + Math.exp(scores[1] - scores[0])), 6);
    const [other] = await model.rank('pear', ['a wall'], { template: '{query} {document}' });
    expect(other.score).not.toBe(first.score);
    await expect(model.rank('pear', ['a wall'], { template: '{query}' })).rejects.toThrow(/\{document\}/);
    model.dispose();
  });

  test('refuses a document that is too long, or cuts its end', async () => {
    const model = await opened('bert-classifier');
    const document = 'the '.repeat(100);
    await expect(model.rank('pear', [document])).rejects.toThrow(ContextError);
    const [cut] = await model.rank('pear', [document], { truncate: 'end' });
    const [short] = await model.rank('pear', ['the '.repeat(60)]);
    expect(cut.score).toBeCloseTo(short.score, 6);
    model.dispose();
  });

  test('is refused for a model without a classifier', async () => {
    const model = await opened('bert');
    await expect(model.rank('pear', ['a wall'])).rejects.toThrow(UnsupportedError);
    model.dispose();
  });
});
