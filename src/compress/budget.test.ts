import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gardenText, makeModel } from '../../scripts/models/index.ts';
import { openCheckpoint } from '../formats/open.ts';
import { compare } from './compare.ts';
import { type QuantizeOptions, quantize } from './quantize.ts';

const folder = mkdtempSync(join(tmpdir(), 'espalier-budget-'));
const path = (name: string) => join(folder, name);
const source = path('source.gguf');

beforeAll(async () => {
  writeFileSync(source, await makeModel({ architecture: 'llama', format: 'F32' }));
});
afterAll(() => rmSync(folder, { recursive: true }));

const files = () => readdirSync(folder).sort();
const run = (output: string, options: Partial<QuantizeOptions> = {}) =>
  quantize(source, path(output), { type: 'Q4_0', ...options });

describe('a budget', () => {
  const calibration = { text: gardenText, window: 64, windows: 4 };

  it('gives a better model in at most the bytes of a type', async () => {
    const stages = new Set<string>();
    const onProgress = ({ stage }: { stage: string }) => stages.add(stage);
    const like = await run('like.gguf', { type: undefined, like: 'Q4_0', generations: 2, calibration, onProgress });
    expect(stages).toContain('evolution');
    const plain = await run('q4.gguf', { calibration });
    expect(like.bytes).toBeLessThanOrEqual(plain.bytes);
    const text = gardenText.slice(0, 2000);
    const [, a, b] = await compare(source, [path('q4.gguf'), path('like.gguf')], { text, exact: true, speed: false });
    expect(b.kld!.mean).toBeLessThan(a.kld!.mean);
  });

  it('holds for the whole file', async () => {
    await run('bytes.gguf', { type: undefined, maxBytes: 560_000, generations: 0, calibration });
    expect(statSync(path('bytes.gguf')).size).toBeLessThanOrEqual(560_000);
    const { bitsPerWeight } = await run('bits.gguf', { type: undefined, targetBits: 5.5, generations: 0, calibration });
    expect(bitsPerWeight).toBeLessThanOrEqual(5.5);
    expect(bitsPerWeight).toBeGreaterThan(5.2);
  });

  it('keeps the formats that options name', async () => {
    const named = { tensorTypes: [['blk.1.ffn_up', 'q8_0']] as const, outputTensorType: 'q5_1' };
    const options = { type: undefined, targetBits: 6, generations: 1, calibration, ...named };
    const { tensors, bitsPerWeight } = await run('named.gguf', options);
    const formats = new Map(tensors.map(({ name, format }) => [name, format]));
    expect(formats.get('blk.1.ffn_up.weight')).toBe('Q8_0');
    expect(formats.get('output.weight')).toBe('Q5_1');
    expect(new Set(formats.values()).size).toBeGreaterThan(3);
    expect(bitsPerWeight).toBeLessThanOrEqual(6);
    rmSync(path('named.gguf'));
  });

  it('is planned without measuring', async () => {
    const stages: string[] = [];
    const onProgress = ({ stage }: { stage: string }) => stages.push(stage);
    const options = { type: undefined, targetBits: 5.5, calibration, dryRun: true, onProgress };
    const { bitsPerWeight, memoryBytes } = await run('planned.gguf', options);
    expect(stages).toEqual([]);
    expect(bitsPerWeight).toBeLessThanOrEqual(5.5);
    expect(bitsPerWeight).toBeGreaterThan(5.2);
    // the search has the whole model in F32
    expect(memoryBytes).toBeGreaterThan(statSync(source).size);
  });

  it('continues a search that was interrupted, and chooses the same formats', async () => {
    const found = files();
    const options = { type: undefined, targetBits: 5.5, generations: 2, calibration };
    for (const [stage, item] of [
      ['sensitivities', 'blk.1'],
      ['evolution', ''],
      ['quantize', ''],
    ] as const) {
      const controller = new AbortController();
      const onProgress = (each: { stage: string; item?: string }) => {
        if (each.stage === stage && each.item?.startsWith(item)) controller.abort(new Error('enough'));
      };
      const interrupted = run('search.gguf', { ...options, signal: controller.signal, onProgress });
      await expect(interrupted).rejects.toThrow('enough');
      expect(files()).toContain('search.gguf.budget.json');
      expect(files()).not.toContain('search.gguf');
    }
    const stages = new Set<string>();
    await run('search.gguf', { ...options, onProgress: ({ stage }) => stages.add(stage) });
    expect([...stages]).toEqual(['quantize']);
    await run('whole.gguf', options);
    expect(readFileSync(path('search.gguf')).equals(readFileSync(path('whole.gguf')))).toBe(true);
    for (const name of ['search.gguf', 'whole.gguf']) rmSync(path(name));
    expect(files()).toEqual(found);
  });

  it.each([
    ['bits that are too few', { targetBits: 2 }, /targetBits is 2, expected at least \d\.\d+ bits per weight/],
    ['bytes that are too few', { maxBytes: 100_000 }, /maxBytes is 100000, expected at least \d+ bytes/],
    ['one with pure', { targetBits: 5, pure: true }, /pure is true/],
    [
      'one beside a type',
      { type: 'Q4_0', targetBits: 4 },
      /expected exactly one of type, targetBits, maxBytes, like, maxMs and maxJoules/,
    ],
    ['neither', {}, /type is missing, expected exactly one/],
    ['one without a text', { targetBits: 5, calibration: undefined }, /calibration is missing, expected a text/],
    ['nonsense', { maxBytes: -1 }, /maxBytes is -1/],
    ['generations beside a type', { type: 'Q4_0', generations: 3 }, /generations is given beside type Q4_0/],
    ['half a generation', { targetBits: 5, generations: 0.5 }, /generations is 0.5/],
  ] as [string, Partial<QuantizeOptions>, RegExp][])('refuses %s', async (_, options, message) => {
    await expect(run('refused.gguf', { type: undefined, calibration, ...options })).rejects.toThrow(message);
  });

  it('refuses a quantized source before the search', async () => {
    await run('quantized.gguf');
    const found = files();
    const options = { targetBits: 5.5, calibration, onProgress: ({ stage }: { stage: string }) => expect.fail(stage) };
    await expect(quantize(path('quantized.gguf'), path('refused.gguf'), options)).rejects.toThrow(
      /is Q4_0, expected F32, F16 or BF16.*--allow-requantize/,
    );
    expect(files()).toEqual(found);
  });

  it.each(['blk.1.ffn_up.weight', 'blk.1.attn_norm.weight'])('names NaN in %s before the search', async (name) => {
    const found = files();
    const bad = await makeModel({ architecture: 'llama', format: 'F32' });
    const tensor = (await openCheckpoint(bad)).tensors.get(name) as unknown as { offset: number };
    new DataView(bad.buffer, bad.byteOffset).setFloat32(tensor.offset + 4, Number.NaN, true);
    const onProgress = ({ stage }: { stage: string }) => expect(stage).not.toBe('sensitivities');
    await expect(quantize(bad, path('nan.gguf'), { targetBits: 5.5, calibration, onProgress })).rejects.toThrow(
      `${name} has NaN in row 0, column 1, expected finite numbers`,
    );
    expect(files()).toEqual(found);
  });
});
