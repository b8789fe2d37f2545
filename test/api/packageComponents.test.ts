/** Components of packages: fetched and loaded where they are wanted, tested alone. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { writeHuggingFaceModel } from '../../scripts/models/index.ts';
import { seededRandom } from '../../src/core/random.ts';
import { memorySink } from '../../src/formats/byteSink.ts';
import { readGguf } from '../../src/formats/gguf/read.ts';
import { type GgufValue, typedMetadata, writeGguf } from '../../src/formats/gguf/write.ts';
import { memorySource } from '../../src/formats/sources/memory.ts';
import { type LoadOptions, load, loadTokenizer, type Model } from '../../src/index.ts';
import { adapterContents } from '../../src/models/adapter.ts';
import { type ComponentToPack, openStore, type PackageStore, probe, publish, pull } from '../../src/package/index.ts';
import { formatByName } from '../../src/tensor/formats.ts';
import { memoryPublication } from '../memoryPublication.ts';
import { tinyModel } from './tinyModel.ts';

const TOKENS = [1, 5, 9, 2];
const WIDTH = 256;
const folder = mkdtempSync(join(tmpdir(), 'espalier-components-'));
afterAll(() => rmSync(folder, { recursive: true }));
const site = new Map<string, Uint8Array>();
let packages: string;
let store: PackageStore;
let count = 0;
beforeEach(() => {
  packages = join(folder, `store${count++}`);
  store = openStore(packages);
  site.clear();
});

const component = (role: string, fileName: string, bytes: Uint8Array, more: Partial<ComponentToPack> = {}) => ({
  role,
  fileName,
  source: memorySource(bytes),
  ...more,
});
const publishAll = (version: string, components: readonly ComponentToPack[]) =>
  publish(memoryPublication(site), components, { name: 'tiny', version });
const remote = () => memoryPublication(site);
const open = (options: LoadOptions = {}) => load('package:tiny', { packages, threads: 1, ...options });

async function logits(model: Model): Promise<number[]> {
  const found: number[] = [];
  await model.evaluate(TOKENS, [TOKENS.length - 1], (_, values) => found.push(...values));
  return found;
}

/** A GGUF with one matrix in F32. */
async function part(name: string, rows: number, columns: number, seed: number, architecture = 'llama') {
  const random = seededRandom(seed);
  const values = Float32Array.from({ length: rows * columns }, () => random.normal() / 16);
  const metadata: [string, GgufValue][] = [
    ['general.architecture', architecture],
    ['general.name', name],
  ];
  const tensor = { name, format: formatByName('F32'), shape: [rows, columns], data: new Uint8Array(values.buffer) };
  const sink = memorySink();
  await writeGguf(sink, { metadata, tensors: [tensor] });
  return { bytes: sink.bytes(), values };
}

/** The model's file, with other tensors, or as one of several parts. */
async function rewritten(
  bytes: Uint8Array,
  choose: (name: string, i: number) => boolean,
  more: readonly (readonly [string, GgufValue])[] = [],
  replaced?: { readonly name: string; readonly data: Uint8Array },
): Promise<Uint8Array> {
  const file = await readGguf(memorySource(bytes));
  const tensors = [...file.tensors.values()].filter(({ name }, i) => choose(name, i));
  const sink = memorySink();
  const data = (tensor: (typeof tensors)[number]) => async () => {
    const read = new Uint8Array(tensor.byteLength);
    await tensor.read(0, read);
    return tensor.name === replaced?.name ? replaced.data : read;
  };
  await writeGguf(sink, {
    metadata: [...typedMetadata(file), ...more],
    tensors: tensors.map((tensor) => ({
      name: tensor.name,
      format: tensor.format,
      shape: tensor.shape,
      data: data(tensor),
    })),
  });
  return sink.bytes();
}

let base: Uint8Array;
beforeAll(async () => {
  base = await tinyModel('llama', 'F32');
});

describe('components of an installed package', () => {
  it('are fetched where they are wanted, and stay so in the next version', async () => {
    const head = await part('cls.output.weight', 3, WIDTH, 1);
    const card = new TextEncoder().encode('a card');
    const all = () => [
      component('base', 'tiny.gguf', base),
      component('head/topics', 'topics.gguf', head.bytes),
      component('card', 'card.md', card),
    ];
    await publishAll('1', all());
    const { plan } = await pull(store, remote(), { components: [] });
    expect(plan.totalBytes).toBe(base.length);
    const [usage] = (await store.usage()).packages;
    expect(usage).toMatchObject({ roles: ['base'], previousBytes: 0 });
    // padding between tensors is not stored
    expect(usage.bytes).toBeGreaterThan(0.99 * base.length);
    const model = await open();
    expect((await logits(model)).length).toBeGreaterThan(10);
    model.dispose();
    const message = { code: 'NOT_FETCHED', message: expect.stringContaining('pull the package with this component') };
    await expect(open({ components: ['head/topics'] })).rejects.toMatchObject(message);
    const { generation } = (await store.current('tiny'))!;
    await expect(probe(store, await store.manifest(generation), { role: 'head/topics' })).rejects.toMatchObject(
      message,
    );
    await expect(pull(store, remote(), { components: ['head/x'] })).rejects.toMatchObject({ code: 'NOT_IN_PACKAGE' });
    expect(await pull(store, remote())).toMatchObject({ changed: false });

    const added = await pull(store, remote(), { components: ['head/topics'] });
    expect(added).toMatchObject({ changed: true, plan: { pieces: { delta: 0 } } });
    expect(added.plan.fetchBytes).toBeLessThan(head.bytes.length + 1);
    await publishAll('2', all());
    expect(await pull(store, remote())).toMatchObject({ version: '2', changed: true });
    expect((await store.usage()).packages[0].roles).toEqual(['base', 'head/topics']);
    expect(await store.collect()).toBe(0);
    await store.rollback('tiny');
    const { generation: first } = (await store.current('tiny'))!;
    expect(await openStore(packages).damaged(first)).toEqual([]);
    const rest = await pull(store, remote(), { components: ['card'] });
    expect(rest.changed).toBe(true);
    expect((await store.usage()).packages[0].roles).toEqual(['base', 'head/topics', 'card']);
  });

  it('a head stands beside the language head', async () => {
    const head = await part('cls.output.weight', 3, WIDTH, 1);
    const other = await part('cls.output.weight', 3, WIDTH, 1, 'qwen2');
    await publishAll('1', [
      component('base', 'tiny.gguf', base),
      component('head/topics', 'topics.gguf', head.bytes, { checks: [{ text: 'one two', maxLoss: 100 }] }),
      component('head/other', 'other.gguf', other.bytes),
    ]);
    await pull(store, remote());
    const plain = await open();
    const model = await open({ components: ['head/topics'] });
    expect(await logits(model)).toEqual(await logits(plain));
    const [scores] = await model.classify([{ ids: TOKENS, types: TOKENS.map(() => 0) }]);
    const hidden: number[] = [];
    await model.evaluate(TOKENS, [TOKENS.length - 1], (_, row) => hidden.push(...row), { output: 'hidden' });
    for (let label = 0; label < 3; label++) {
      const expected = hidden.reduce((sum, value, i) => sum + value * head.values[label * WIDTH + i], 0);
      expect(scores[label]).toBeCloseTo(expected, 3);
    }
    await expect(plain.classify([{ ids: TOKENS, types: [0, 0, 0, 0] }])).rejects.toThrow('classifier');
    for (const each of [plain, model]) each.dispose();
    await expect(open({ components: ['head/other'] })).rejects.toThrow('is for architecture qwen2');
    const manifest = await store.manifest((await store.current('tiny'))!.generation);
    const results = await probe(store, manifest, { role: 'head/topics', load: { threads: 1 } });
    expect(results).toMatchObject([{ role: 'head/topics', passed: true }]);
  });

  it('experts replace the matrices of the base', async () => {
    const name = 'blk.0.ffn_down.weight';
    const file = await readGguf(memorySource(base));
    const [rows, columns] = file.tensors.get(name)!.shape as [number, number];
    const experts = await part(name, rows, columns, 5);
    const merged = await rewritten(base, () => true, [], { name, data: new Uint8Array(experts.values.buffer) });
    await publishAll('1', [component('base', 'tiny.gguf', base), component('experts/law', 'law.gguf', experts.bytes)]);
    await pull(store, remote());
    const [model, expected] = await Promise.all([open({ components: ['experts/law'] }), load(merged, { threads: 1 })]);
    expect(await logits(model)).toEqual(await logits(expected));
    for (const each of [model, expected]) each.dispose();
  });

  it('a draft drafts, also after an update', async () => {
    const draft = await tinyModel('llama', 'Q4_0');
    const files = () => [component('base', 'tiny.gguf', base), component('draft', 'draft.gguf', draft)];
    await publishAll('1', files());
    await pull(store, remote(), {
      probe: async (manifest) => void (await probe(store, manifest, { load: { threads: 1 } })),
    });
    const [model, plain] = await Promise.all([open({ components: ['draft'], context: 96 }), open({ context: 96 })]);
    const texts = async (from: Model) => {
      const session = from.session();
      const { ids, acceptedTokens } = await session.generate(TOKENS, { maxTokens: 60, temperature: 0 }).result;
      session.dispose();
      return { ids, acceptedTokens };
    };
    const [drafted, alone] = [await texts(model), await texts(plain)];
    expect(drafted.ids).toEqual(alone.ids);
    expect(drafted.acceptedTokens).toBeGreaterThan(0);
    await publishAll('2', files());
    await pull(store, remote());
    expect(await model.update()).toBe(true);
    expect((await texts(model)).ids).toEqual(alone.ids);
    for (const each of [model, plain]) each.dispose();
    const other = await tinyModel('smollm2', 'F32');
    await publishAll('3', [component('base', 'tiny.gguf', base), component('draft', 'draft.gguf', other)]);
    await pull(store, remote());
    await expect(open({ components: ['draft'] })).rejects.toThrow('draftModel');
  });

  it('a tokenizer takes the place of the one in the file', async () => {
    const other = await tinyModel('smollm2', 'F32');
    const vocabulary = await rewritten(other, () => false);
    await publishAll('1', [
      component('base', 'tiny.gguf', base),
      component('tokenizer', 'vocabulary.gguf', vocabulary),
    ]);
    await pull(store, remote());
    const expected = await loadTokenizer(other);
    const text = 'one two three';
    expect((await loadTokenizer('package:tiny', { packages })).encode(text)).toEqual(expected.encode(text));
    const model = await open();
    expect(model.tokenizer.encode(text)).toEqual(expected.encode(text));
    model.dispose();
  });
});

describe('a base of several files', () => {
  it('is a split GGUF, which becomes one file without a download', async () => {
    const half = [...(await readGguf(memorySource(base))).tensors].length / 2;
    const name = (i: number) => `tiny-0000${i + 1}-of-00002.gguf`;
    const parts = await Promise.all(
      [0, 1].map((part) =>
        rewritten(base, (_, i) => i < half === (part === 0), [
          ['split.no', part],
          ['split.count', 2],
        ]),
      ),
    );
    await publishAll('1', [component('base', name(0), parts[0]), component(`base/${name(1)}`, name(1), parts[1])]);
    await pull(store, remote(), { components: [] });
    const [model, whole] = await Promise.all([open(), load(base, { threads: 1 })]);
    expect(await logits(model)).toEqual(await logits(whole));
    await publishAll('2', [component('base', 'tiny.gguf', base)]);
    const { plan } = await pull(store, remote());
    expect(plan.fetchBytes).toBeLessThan(20_000);
    expect(await model.update()).toBe(true);
    expect(await logits(model)).toEqual(await logits(whole));
    for (const each of [model, whole]) each.dispose();
  });

  it('is a Hugging Face folder, whose tensors have pieces of their own', async () => {
    const place = join(folder, 'huggingface');
    await writeHuggingFaceModel(place, { architecture: 'llama', format: 'F32' });
    const files = readdirSync(place).map((name) => {
      const role = name === 'model.safetensors' ? 'base' : name === 'tokenizer.json' ? 'tokenizer' : `base/${name}`;
      return component(role, name, new Uint8Array(readFileSync(join(place, name))));
    });
    const { manifest } = await publishAll('1', files);
    const sections = manifest.components.find(({ role }) => role === 'base')!.sections;
    expect(sections).toContainEqual(expect.objectContaining({ name: 'model.embed_tokens.weight', type: 'F32' }));
    await pull(store, remote());
    const [model, plain] = await Promise.all([open(), load(place, { threads: 1 })]);
    expect(await logits(model)).toEqual(await logits(plain));
    expect(model.tokenizer.encode('one two')).toEqual(plain.tokenizer.encode('one two'));
    for (const each of [model, plain]) each.dispose();
  });
});

it('an adapter is tested alone', async () => {
  const random = seededRandom(1);
  const values = (length: number) => Float32Array.from({ length }, () => random.normal());
  const factors = new Map([['blk.0.attn_q.weight', { rank: 2, a: values(2 * WIDTH), b: values(2 * WIDTH) }]]);
  const sink = memorySink();
  await writeGguf(sink, adapterContents({ architecture: 'llama', alpha: 8, factors }, 'adapter'));
  const checks = [{ prompt: 'one', includes: 'nothing would write this' }];
  await publishAll('1', [
    component('base', 'tiny.gguf', base),
    component('adapter/legal', 'legal.gguf', sink.bytes(), { checks }),
  ]);
  await pull(store, remote());
  const manifest = await store.manifest((await store.current('tiny'))!.generation);
  expect(await probe(store, manifest, { role: 'base', load: { threads: 1 } })).toEqual([]);
  await expect(probe(store, manifest, { role: 'adapter/legal', load: { threads: 1 } })).rejects.toMatchObject({
    code: 'PROBE_FAILED',
    data: { role: 'adapter/legal' },
  });
});
