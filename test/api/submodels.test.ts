/** Submodels run instead of the whole model, from one token to the next, and keep the cache. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { gardenText } from '../../scripts/models/index.ts';
import { quantize, sortNeurons } from '../../src/compress/index.ts';
import { type AdaptEvent, inspect, load, type Model } from '../../src/index.ts';
import { tinyModel } from './tinyModel.ts';

const PROMPT = [1, 40, 41, 42, 43, 44, 45, 46, 47];
let nested: Uint8Array;
/** With half of the neurons too. */
let elastic: Uint8Array;

beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'espalier-submodels-'));
  const [source, output] = [join(folder, 'source.gguf'), join(folder, 'nested.gguf')];
  writeFileSync(source, await tinyModel('llama', 'F32'));
  await quantize(source, output, { type: 'Q4_0', nested: true });
  nested = readFileSync(output);
  const sorted = join(folder, 'sorted.gguf');
  await sortNeurons(source, sorted, { widths: [0.5], calibration: { text: gardenText, window: 64, windows: 8 } });
  await quantize(sorted, output, { type: 'Q4_0', nested: true });
  elastic = readFileSync(output);
  rmSync(folder, { recursive: true });
});

/** Logits after each token of a text. */
async function logitsOf(model: Model, tokens: readonly number[]): Promise<Float32Array[]> {
  const rows: Float32Array[] = [];
  await model.evaluate(tokens, 'all', (_, logits) => void rows.push(logits.slice()));
  return rows;
}

const textOf = async (model: Model) => (await model.session().generate(PROMPT, { maxTokens: 20 }).result).ids;

describe.each(['wasm', 'reference'] as const)('with backend %s', (backend) => {
  it('each has the same bits as the file that is loaded at its bits', async () => {
    using both = await load(nested, { backend, context: 64 });
    expect([both.submodels, both.submodel]).toEqual([['8 bits', '4 bits'], '8 bits']);
    for (const bits of [4, 8] as const) {
      using alone = await load(nested, { backend, context: 64, bits });
      expect(alone.submodels).toEqual([`${bits} bits`]);
      both.setSubmodel(`${bits} bits`);
      expect(await logitsOf(both, PROMPT)).toEqual(await logitsOf(alone, PROMPT));
    }
  });
});

it('agree between the backends', async () => {
  using wasm = await load(nested, { exact: true, kv: 'f32', context: 64 });
  using reference = await load(nested, { backend: 'reference', kv: 'f32', context: 64, bits: 8 });
  const [a, b] = [await logitsOf(wasm, PROMPT), await logitsOf(reference, PROMPT)];
  for (const [row, logits] of a.entries())
    for (const [i, value] of logits.entries()) expect(Math.abs(value - b[row][i])).toBeLessThan(1e-3);
});

it('change between two tokens, and keep the cache', async () => {
  using model = await load(nested, { context: 64 });
  const sequence = model.sequence();
  try {
    await sequence.advance(PROMPT, { rows: [], output: 'logits', onRow: () => undefined });
    const next = async () => {
      let logits: Float32Array | undefined;
      const onRow = (_: number, values: Float32Array) => void (logits = values.slice());
      await sequence.advance([50], { rows: [0], output: 'logits', onRow });
      sequence.rewind(PROMPT.length);
      return logits!;
    };
    const eight = await next();
    model.setSubmodel('4 bits');
    const four = await next();
    expect(four).not.toEqual(eight);
    // the prompt was not computed again
    expect(sequence.tokens).toEqual(PROMPT);
    model.setSubmodel('8 bits');
    expect(await next()).toEqual(eight);
  } finally {
    sequence.free();
  }
});

it('take no keys and values of each other: a session gives the same beside one of another submodel', async () => {
  const prompt = Array.from({ length: 40 }, (_, i) => 1 + ((i * i + 7 * i) % 90));
  const options = { maxTokens: 12, stop: [] };
  using alone = await load(nested, { context: 128 });
  const expected = await alone.session().generate(prompt, options).result;
  using model = await load(nested, { context: 128 });
  model.setSubmodel('4 bits');
  const small = await model.session().generate(prompt, options).result;
  model.setSubmodel('8 bits');
  const found = await model.session().generate(prompt, options).result;
  expect([found.ids, found.reusedTokens]).toEqual([expected.ids, 0]);
  // a sequence of both, whose pages belong to neither
  const mixed = model.session();
  await mixed.generate([...prompt, 7], { ...options, maxTokens: 1 }).result;
  model.setSubmodel('4 bits');
  await mixed.generate([...mixed.tokens, ...prompt], { ...options, maxTokens: 1 }).result;
  const longer = await model.session().generate([...mixed.tokens, 8], options).result;
  expect(longer.reusedTokens).toBe(32);
  // each has its own prefixes
  const again = await model.session().generate(prompt, options).result;
  expect([again.ids, again.reusedTokens]).toEqual([small.ids, 32]);
  model.setSubmodel('8 bits');
  expect((await model.session().generate(prompt, options).result).reusedTokens).toBe(32);
});

it('are generated with while the text goes on', async () => {
  using model = await load(nested, { context: 64 });
  const generation = model.session().generate(PROMPT, { maxTokens: 20 });
  let count = 0;
  for await (const _ of generation) if (++count === 5) model.setSubmodel('4 bits');
  expect((await generation.result).tokens).toBe(20);
  expect(model.submodel).toBe('4 bits');
});

it('are chosen by the governor: the whole model in time, the smaller one under a deadline it would miss', async () => {
  const events: AdaptEvent[] = [];
  using easy = await load(nested, {
    context: 64,
    adapt: { deadlineMs: 10_000, onChange: (event) => events.push(event) },
  });
  expect(await textOf(easy)).toHaveLength(20);
  // the sensors are read while the text goes on
  await vi.waitFor(() => expect(events.at(-1)?.plan).toMatchObject({ submodel: '8 bits', quality: 1 }), 10_000);
  const names = new Set(events.map(({ plan }) => plan.submodel));
  expect([...names]).toEqual(['8 bits']);
});

it('are one for other files, and other names are refused', async () => {
  using model = await load(await tinyModel('llama', 'Q4_0'), { context: 64 });
  expect([model.submodels, model.submodel]).toEqual([['whole'], 'whole']);
  expect(() => model.setSubmodel('4 bits')).toThrow(/submodel is "?4 bits"?, expected one of whole/);
});

describe('of a file with nested widths and bits', () => {
  it('are one with exact weights, whose matrices are whole', async () => {
    using exact = await load(elastic, { exact: true, kv: 'f32', context: 64 });
    expect(exact.submodels).toEqual(['8 bits']);
    const { graph } = await inspect(elastic);
    expect(graph!.nodes).toContain('ffn_down.slab1');
    const size = exact.summary.parameters;
    using both = await load(elastic, { context: 64 });
    expect(both.summary.parameters).toBe(size);
  });

  it('are all combinations, the best first, each with the bits of the file that is loaded so', async () => {
    using model = await load(elastic, { context: 64 });
    expect(model.submodels).toEqual(['8 bits', '4 bits', '8 bits, 50% of the neurons', '4 bits, 50% of the neurons']);
    for (const [bits, width] of [
      [8, 0.5],
      [4, 0.5],
      [4, 1],
    ] as const) {
      using alone = await load(elastic, { context: 64, bits, width });
      model.setSubmodel(width === 1 ? `${bits} bits` : `${bits} bits, 50% of the neurons`);
      expect(await logitsOf(model, PROMPT)).toEqual(await logitsOf(alone, PROMPT));
    }
  });

  it('agree between the backends', async () => {
    using wasm = await load(elastic, { exact: true, kv: 'f32', context: 64, width: 0.5 });
    using reference = await load(elastic, { backend: 'reference', kv: 'f32', context: 64, bits: 8, width: 0.5 });
    const [a, b] = [await logitsOf(wasm, PROMPT), await logitsOf(reference, PROMPT)];
    for (const [row, logits] of a.entries())
      for (const [i, value] of logits.entries()) expect(Math.abs(value - b[row][i])).toBeLessThan(1e-3);
  });
});

it('a pacer that names a submodel of an earlier generation has the chosen one run', async () => {
  using model = await load(nested, { context: 64 });
  model.setSubmodel('4 bits');
  const expected = await textOf(model);
  model.setPacer({ wait: () => 0, threads: () => undefined, submodel: () => 'half', observe: () => undefined });
  expect(await textOf(model)).toEqual(expected);
});
