import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { gardenText, makeModel } from '../../scripts/models/index.ts';
import { seededRandom } from '../core/random.ts';
import { cardPage } from './card/cardPage.ts';
import { readImatrix, writeImatrix } from './imatrix.ts';
import { describeOutliers, InputHistogram, type InputQuantiles, QUANTILES } from './inputQuantiles.ts';
import { measureImportance } from './measureImportance.ts';
import { quantize } from './quantize.ts';

const folder = mkdtempSync(join(tmpdir(), 'espalier-quantiles-'));
const path = (name: string) => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true }));

describe('a histogram', () => {
  const random = seededRandom(3);
  const [tokens, channels] = [500, 40];
  const rows = Float32Array.from({ length: tokens * channels }, (_, i) =>
    i % channels === 7 ? 30 * random.normal() : random.normal() ** 3,
  );

  it('has the quantiles of the absolute values to 2%, and the exact maximum', () => {
    const histogram = new InputHistogram(channels);
    histogram.add(rows);
    const { quantiles, values } = histogram.result(['w']);
    const sorted = rows.map(Math.abs).sort();
    expect(values).toBe(rows.length);
    for (const [i, share] of QUANTILES.entries()) {
      const exact = sorted[Math.ceil(share * sorted.length) - 1];
      expect(Math.abs(quantiles[i] / exact - 1)).toBeLessThan(share === 1 ? 1e-12 : 0.02);
    }
  });

  it('is the same in any order and in any pieces', () => {
    const [whole, pieces] = [new InputHistogram(channels), new InputHistogram(channels)];
    whole.add(rows);
    for (const at of [3, 1, 0, 4, 2]) pieces.add(rows.subarray(at * 100 * channels, (at + 1) * 100 * channels));
    expect(pieces.result(['w']).quantiles).toEqual(whole.result(['w']).quantiles);
  });

  it('names channels that stand out', () => {
    const histogram = new InputHistogram(channels);
    histogram.add(rows);
    const found = histogram.result(['blk.0.ffn_down.weight', 'x']);
    expect(found.outliers.map(({ channel }) => channel)).toEqual([7]);
    expect(found.outliers[0].ratio).toBeGreaterThan(6);
    expect(describeOutliers(found)).toMatch(/^blk\.0\.ffn_down\.weight: input channels 7 \([\d.]+ ×\) are/);
    expect(describeOutliers({ tensors: ['w'], outliers: [] })).toBeUndefined();
  });

  it('of zeros and of nothing has quantiles of 0', () => {
    const histogram = new InputHistogram(2);
    expect(histogram.result([]).quantiles).toEqual([0, 0, 0, 0, 0]);
    histogram.add(new Float32Array(8));
    expect(histogram.result([]).quantiles).toEqual([0, 0, 0, 0, 0]);
  });
});

describe('quantiles of a model', () => {
  const calibration = { text: gardenText, window: 64, windows: 9 };

  it('are kept beside the importance, which is the same without them', async () => {
    const model = await makeModel({ architecture: 'llama', format: 'F32' });
    const inputs: InputQuantiles[] = [];
    const with_ = await measureImportance(model, {
      ...calibration,
      quantiles: true,
      onInput: (each) => inputs.push(each),
    });
    const without = await measureImportance(model, calibration);
    await writeImatrix(path('with.gguf'), with_);
    await writeImatrix(path('without.gguf'), without);
    const [read, plain] = [await readImatrix(path('with.gguf')), await readImatrix(path('without.gguf'))];
    expect([...plain.entries.values()].some(({ quantiles }) => quantiles)).toBe(false);
    expect(readFileSync(path('without.gguf')).includes('quantiles')).toBe(false);
    for (const [name, { squares, tokens, quantiles }] of read.entries) {
      expect(squares).toEqual(plain.entries.get(name)!.squares);
      const input = inputs.find(({ tensors }) => tensors.includes(name))!;
      expect(quantiles).toEqual([...Float32Array.from(input.quantiles)]);
      expect(input.values).toBe(tokens[0] * squares.length);
      const mean = squares.reduce((sum, value) => sum + value, 0) / input.values;
      const [median, , p99, , maximum] = input.quantiles;
      expect(median ** 2).toBeLessThan(mean);
      expect(maximum ** 2).toBeGreaterThan(mean);
      expect(p99).toBeLessThanOrEqual(maximum);
    }
  });

  it('are in the result and in the card of a calibrated file, also of a run that continued', async () => {
    const model = await makeModel({ architecture: 'llama', format: 'F32' });
    const options = { type: 'Q4_0', calibration };
    const whole = await quantize(model, path('q4.gguf'), options);
    const down = whole.tensors.find(({ name }) => name === 'blk.1.ffn_down.weight')!.input!;
    expect(down.tensors).toEqual(['blk.1.ffn_down.weight']);
    expect(whole.tensors.find(({ name }) => name === 'blk.1.attn_k.weight')!.input!.tensors).toHaveLength(3);
    const controller = new AbortController();
    const onProgress = ({ item }: { item?: string }) => item?.startsWith('blk.1.ffn') && controller.abort();
    await expect(
      quantize(model, path('again.gguf'), { ...options, signal: controller.signal, onProgress }),
    ).rejects.toThrow();
    const again = await quantize(model, path('again.gguf'), options);
    expect(again.tensors).toEqual(whole.tensors);
    const quality = {
      text: { name: 'a', sha256: '' },
      source: {},
      model: { perplexity: 1, perplexityRatio: 1, tokens: 1 },
    };
    const file = { name: 'm', bytes: 1, sha256: '' };
    const card = { model: file, source: file, recipe: {}, stages: [], result: whole, prompts: [], quality };
    const page = cardPage(card as unknown as Parameters<typeof cardPage>[0]);
    expect(page).toContain(`<td>blk.1.ffn_down.weight</td><td>${down.quantiles[0].toPrecision(3)}</td>`);
  });
});
