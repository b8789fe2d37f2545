/** Models loaded from installed packages: components, updates, tests before a version is used. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { makeModel } from '../../scripts/models/index.ts';
import { seededRandom } from '../../src/core/random.ts';
import { memorySink } from '../../src/formats/byteSink.ts';
import { writeGguf } from '../../src/formats/gguf/write.ts';
import { memorySource } from '../../src/formats/sources/memory.ts';
import { inspect, type LoadOptions, load, loadTokenizer, type Model } from '../../src/index.ts';
import { adapterContents } from '../../src/models/adapter.ts';
import {
  type ComponentToPack,
  type Manifest,
  openStore,
  type PackageStore,
  type PullOptions,
  probe,
  publish,
  pull,
} from '../../src/package/index.ts';
import { memoryPublication } from '../memoryPublication.ts';

const TOKENS = [1, 5, 9, 2];
let base: Uint8Array;
let second: Uint8Array;
let legal: Uint8Array;
let poet: Uint8Array;

async function makeAdapter(seed: number, rank: number): Promise<Uint8Array> {
  const random = seededRandom(seed);
  const { tensors } = await inspect(base);
  const [outputs, inputs] = tensors.find(({ name }) => name === 'blk.0.attn_q.weight')!.shape as [number, number];
  const values = (count: number) => Float32Array.from({ length: count }, () => random.normal());
  const factors = new Map([['blk.0.attn_q.weight', { rank, a: values(rank * inputs), b: values(outputs * rank) }]]);
  const sink = memorySink();
  await writeGguf(sink, adapterContents({ architecture: 'llama', alpha: 8, factors }, 'adapter'));
  return sink.bytes();
}

/** The base with other weights at its end. */
function changed(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  for (let i = 0; i < 3000; i++) copy[copy.length - 100 - 2 * i] ^= 0x11;
  return copy;
}

const folder = mkdtempSync(join(tmpdir(), 'espalier-packages-'));
afterAll(() => rmSync(folder, { recursive: true }));
let packages: string;
let store: PackageStore;
let count = 0;
const site = new Map<string, Uint8Array>();

beforeAll(async () => {
  base = await makeModel({ architecture: 'llama', format: 'Q8_0' });
  second = changed(base);
  [legal, poet] = await Promise.all([makeAdapter(1, 2), makeAdapter(2, 4)]);
});
beforeEach(() => {
  packages = join(folder, String(count++));
  store = openStore(packages);
  site.clear();
});

async function install(
  version: string,
  model: Uint8Array,
  options: PullOptions = {},
  more: Partial<ComponentToPack> = {},
) {
  const component = (role: string, fileName: string, bytes: Uint8Array) => ({
    role,
    fileName,
    source: memorySource(bytes),
  });
  const components = [
    { ...component('base', 'tiny.gguf', model), ...more },
    component('adapter/legal', 'legal.gguf', legal),
    component('adapter/poet', 'poet.gguf', poet),
    component('template', 'template.jinja', new TextEncoder().encode(`version ${version}`)),
  ];
  await publish(memoryPublication(site), components, { name: 'acme/tiny', version });
  return pull(store, memoryPublication(site), options);
}

const open = (options: LoadOptions = {}) => load('package:acme/tiny', { packages, threads: 1, ...options });

async function logits(model: Model): Promise<number[]> {
  const found: number[] = [];
  await model.evaluate(TOKENS, [TOKENS.length - 1], (_, values) => found.push(...values));
  return found;
}

async function logitsOf(bytes: Uint8Array, options: LoadOptions = {}): Promise<number[]> {
  const model = await load(bytes, { threads: 1, ...options });
  const found = await logits(model);
  model.dispose();
  return found;
}

describe('a model of a package', () => {
  it('is the file that was published, with its template', async () => {
    await install('1', base);
    const model = await open();
    expect(await logits(model)).toEqual(await logitsOf(base));
    expect(model.renderPrompt([{ role: 'user', content: 'x' }])).toBe('version 1');
    expect(model.generation).toMatch(/^[0-9a-f]{64}$/);
    model.dispose();
    expect((await inspect('package:acme/tiny', { packages })).tensors.length).toBeGreaterThan(5);
    expect((await loadTokenizer('package:acme/tiny', { packages })).encode('a').length).toBeGreaterThan(0);
    await expect(load('package:acme/other', { packages })).rejects.toThrow('is not installed; installed: acme/tiny');
    await expect(load('package:acme/tiny#draft', { packages })).rejects.toMatchObject({ code: 'NOT_IN_PACKAGE' });
  });

  it('switches between adapters of other ranks, as if each were loaded alone', async () => {
    await install('1', base);
    const model = await open({ components: ['adapter/legal', 'adapter/poet'] });
    const plain = await logitsOf(base);
    const expected = { legal: await logitsOf(base, { adapter: legal }), poet: await logitsOf(base, { adapter: poet }) };
    expect(expected.legal).not.toEqual(plain);
    const close = async (wanted: readonly number[]) => {
      for (const [i, value] of (await logits(model)).entries()) expect(value).toBeCloseTo(wanted[i], 3);
    };
    await close(plain);
    for (const name of ['legal', 'poet', 'legal'] as const) {
      await model.setAdapter(`adapter/${name}`);
      await close(expected[name]);
    }
    await model.setAdapter(undefined);
    await close(plain);
    await expect(model.setAdapter('adapter/x')).rejects.toThrow('adapter/legal, adapter/poet');
    model.dispose();
    await expect(open({ components: ['adapter/x'] })).rejects.toMatchObject({ code: 'NOT_IN_PACKAGE' });
    await expect(load(base, { components: ['adapter/legal'] })).rejects.toThrow('components');
  });

  it('moves to the next generation when it is told to; sessions keep theirs', async () => {
    await install('1', base);
    const model = await open();
    const session = model.session();
    const before = await session.generate(TOKENS, { temperature: 0, maxTokens: 6 }).result;
    await install('2', second);
    expect(await logits(model)).toEqual(await logitsOf(base));
    expect(await model.update()).toBe(true);
    expect(await model.update()).toBe(false);
    expect(await logits(model)).toEqual(await logitsOf(second));
    expect(model.renderPrompt([{ role: 'user', content: 'x' }])).toBe('version 2');
    session.reset();
    expect((await session.generate(TOKENS, { temperature: 0, maxTokens: 6 }).result).ids).toEqual(before.ids);
    session.dispose();
    expect(() => session.clone()).toThrow();
    await store.rollback('acme/tiny');
    expect(await model.update()).toBe(true);
    expect(await logits(model)).toEqual(await logitsOf(base));
    model.dispose();
    const other = await load(base, { threads: 1 });
    await expect(other.update()).rejects.toThrow('package:NAME');
    other.dispose();
  });
});

describe('a new version', () => {
  const options = { load: { threads: 1 } };
  const probing = (): PullOptions => ({
    probe: async (manifest) => void (await probe(store, manifest, options)),
  });

  it('is used after its checks passed, and not if one fails', async () => {
    const text = 'Once upon a time';
    await install('1', base, probing(), { checks: [{ text, maxLoss: 100 }] });
    const { generation } = (await store.current('acme/tiny'))!;
    const [result] = await probe(store, await store.manifest(generation), options);
    expect(result.found).toBeGreaterThan(1);
    const bad = install('2', second, probing(), { checks: [{ text, maxLoss: 0.5 }] });
    await expect(bad).rejects.toMatchObject({ code: 'PROBE_FAILED', data: { role: 'base' } });
    const model = await open();
    expect(await logits(model)).toEqual(await logitsOf(base));
    model.dispose();
    const answers = { prompt: 'Once', includes: 'no model would write this' };
    await expect(install('3', second, probing(), { checks: [answers] })).rejects.toThrow(
      'expected "no model would write',
    );
    expect((await store.usage()).packages).toMatchObject([{ version: '1' }]);
    const rude = (model: Model) => {
      // the model is loaded and works
      expect(model.tokenizer.encode('Once').length).toBeGreaterThan(0);
      throw new Error('its answer is rude');
    };
    const judged = async (manifest: Manifest) => void (await probe(store, manifest, { ...options, check: rude }));
    await expect(install('4', second, { probe: judged })).rejects.toThrow('its answer is rude');
    expect((await store.usage()).packages).toMatchObject([{ version: '1' }]);
    await expect(install('4', second, { probe: () => Promise.reject(new Error('my own check')) })).rejects.toThrow(
      'my own',
    );
    expect(await install('5', second, probing())).toMatchObject({ version: '5', changed: true });
  });

  it('that does not load or computes no numbers is refused', async () => {
    await install('1', base);
    const broken = base.slice();
    broken.fill(0xff, broken.length - 20_000);
    await expect(install('2', broken, probing())).rejects.toThrow();
    await expect(install('3', base.subarray(0, 9000), probing())).rejects.toThrow();
    expect((await store.usage()).packages).toMatchObject([{ version: '1' }]);
  });

  it('that was being tested when the process died is not used, and is tested again', async () => {
    await install('1', base);
    const { generation: first } = (await store.current('acme/tiny'))!;
    await expect(
      install('2', second, { probe: () => new Promise((_, reject) => setTimeout(reject, 10)) }),
    ).rejects.toBe(undefined);
    const [{ generation }] = [JSON.parse(new TextDecoder().decode(site.get('latest.json')!))];
    await store.commit(await manifestOf(generation), true);
    const again = openStore(packages);
    const model = await open();
    expect(model.generation).toBe(first);
    model.dispose();
    expect(await again.collect()).toBe(0);
    expect(await pull(again, memoryPublication(site), probing())).toMatchObject({ version: '2', changed: true });
    expect((await again.current('acme/tiny'))!.previous).toBe(first);
  });

  async function manifestOf(generation: string) {
    const { readManifest } = await import('../../src/package/index.ts');
    return readManifest(site.get(`manifests/${generation}.json`)!, 'm', generation);
  }
});
