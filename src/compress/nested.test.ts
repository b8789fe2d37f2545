/** Nested bits: what is written, what each reading loses, and what is refused. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gardenText, makeModel } from '../../scripts/models/index.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { openCheckpoint } from '../formats/open.ts';
import { tensorValues } from '../formats/tensorValues.ts';
import { atBits, hasNestedBits } from '../models/nestedBits.ts';
import { inspect } from '../runtime/inspect.ts';
import { load } from '../runtime/load.ts';
import { compare } from './compare.ts';
import { dropLayers } from './prune/dropLayers.ts';
import { prune } from './prune/prune.ts';
import { quantize } from './quantize.ts';

const folder = mkdtempSync(join(tmpdir(), 'espalier-nested-'));
const path = (name: string) => join(folder, name);
const [source, nested] = [path('source.gguf'), path('nested.gguf')];
const calibration = { text: gardenText, window: 64, windows: 16 };
/** Everything in Q4_0 but the output matrix, as in a file with nested bits. */
const dedicated = { type: 'Q4_0', calibration, outputTensorType: 'q8_0', tensorTypes: [['ffn_down', 'q4_0']] } as const;

beforeAll(async () => {
  writeFileSync(source, await makeModel({ architecture: 'llama', format: 'F32' }));
  await quantize(source, nested, { type: 'Q4_0', nested: true, calibration });
  await quantize(source, path('q4.gguf'), dedicated);
  await quantize(source, path('q8.gguf'), { type: 'Q8_0' });
});
afterAll(() => rmSync(folder, { recursive: true }));

async function opened<T>(name: string, use: (file: Checkpoint) => Promise<T>): Promise<T> {
  const file = await openCheckpoint(name);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

describe('a file with nested bits', () => {
  it('takes the bytes of Q8_0', () => {
    expect(statSync(nested).size).toBeLessThan(1.02 * statSync(path('q8.gguf')).size);
  });

  it('has at 4 bits the tensors of a file of 4 bits, but for the embedding and the output matrix, which have 8', async () => {
    const formatsOf = async ({ tensors }: Checkpoint) =>
      new Map([...tensors].map(([name, { format }]) => [name, format.name]));
    const four = await opened(nested, (file) => formatsOf(atBits(file, 4)));
    const alone = await opened(path('q4.gguf'), formatsOf);
    expect([...four.keys()].sort()).toEqual([...alone.keys()].sort());
    const other = [...four].filter(([name, format]) => alone.get(name) !== format).map(([, format]) => format);
    expect(other.length).toBeLessThanOrEqual(2);
    expect(new Set(other)).toEqual(new Set(['Q8_0']));
  });

  it('loses at 4 bits no more than a file of 4 bits, and at 8 bits about as little as Q8_0', async () => {
    const models = [nested, path('q4.gguf'), path('q8.gguf')];
    const options = { text: gardenText.slice(0, 2000), exact: true, speed: false };
    const [, eight, four, alone, q8] = await compare(source, models, options);
    expect(eight.model).toBe(`${nested} (8 bits)`);
    expect(four.bytes).toBeLessThan(0.7 * eight.bytes);
    expect(four.kld!.mean).toBeLessThan(1.15 * alone.kld!.mean);
    expect(eight.kld!.mean).toBeLessThan(0.05 * four.kld!.mean);
    expect(eight.kld!.mean).toBeLessThan(4 * q8.kld!.mean);
  });

  it('is the sum of its planes, within a step of the low one unless the weight is out of its range', async () => {
    await opened(nested, async (file) => {
      expect(hasNestedBits(file)).toBe(true);
      const { tensors } = atBits(file, 8);
      const original = await opened(source, (plain) => tensorValues(plain.tensors.get('blk.0.ffn_up.weight')!));
      const [high, low] = [
        await tensorValues(tensors.get('blk.0.ffn_up.weight')!),
        await tensorValues(tensors.get('blk.0.ffn_up.low')!),
      ];
      const error = (sum: (i: number) => number) =>
        Math.sqrt(original.reduce((total, value, i) => total + (value - sum(i)) ** 2, 0) / original.length);
      expect(error((i) => high[i] + low[i])).toBeLessThan(error((i) => high[i]) / 5);
    });
  });

  it('has the same bytes when an interrupted run continues', async () => {
    const controller = new AbortController();
    const onProgress = ({ item }: { item?: string }) => {
      if (item?.startsWith('blk.1')) controller.abort(new Error('enough'));
    };
    const again = path('again.gguf');
    const options = { type: 'Q4_0', nested: true, calibration };
    await expect(quantize(source, again, { ...options, onProgress, signal: controller.signal })).rejects.toThrow(
      'enough',
    );
    await quantize(source, again, options);
    expect(readFileSync(again).equals(readFileSync(nested))).toBe(true);
  });

  it('is described with the memory of what is read', async () => {
    const [eight, four] = [await inspect(nested), await inspect(nested, { bits: 4 })];
    expect(eight.problems).toEqual([]);
    expect(four.memory!.weightBytes).toBeLessThan(0.7 * eight.memory!.weightBytes);
    expect(eight.tensors.find(({ name }) => name === 'blk.0.ffn_up.low')).toMatchObject({ format: 'I8' });
  });
});

describe('refuses', () => {
  it('other types than Q4_0', async () => {
    await expect(quantize(source, path('no.gguf'), { type: 'Q4_K_M', nested: true })).rejects.toThrow(
      /type is "?Q4_K_M"?, expected Q4_0 with nested bits/,
    );
  });

  it('bits of a file without nested bits, and other numbers', async () => {
    await expect(load(source, { bits: 4 })).rejects.toThrow(/bits is 4, expected nothing for .*source.gguf/);
    await expect(load(nested, { bits: 3 as 4 })).rejects.toThrow(/bits is 3, expected 4 or 8/);
  });

  it('nested files where single tensors would change', async () => {
    const output = path('no.gguf');
    for (const change of [
      () => quantize(nested, output, { type: 'Q8_0', allowRequantize: true }),
      () => prune(nested, output, { sparsity: 0.5 }),
      () => dropLayers(nested, output, { layers: 1, calibration }),
    ])
      await expect(change()).rejects.toThrow(/nested bits/);
  });

  it('low planes that do not fit', async () => {
    await opened(nested, async (file) => {
      const tensors = new Map(file.tensors);
      tensors.set('blk.0.ffn_up.low', { ...file.tensors.get('blk.0.ffn_up.low')!, shape: [4, 4] });
      expect(() => atBits({ ...file, tensors }, 8)).toThrow(/low plane blk.0.ffn_up.low is I8 \[4, 4\]/);
      tensors.delete('blk.0.ffn_up.weight');
      expect(() => atBits({ ...file, tensors }, 8)).toThrow(/expected a matrix in Q4_0 beside it/);
    });
  });
});
