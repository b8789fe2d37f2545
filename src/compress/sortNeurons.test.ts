/** Sorted neurons: the same model, and narrower ones in it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gardenText, makeModel } from '../../scripts/models/index.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { openCheckpoint } from '../formats/open.ts';
import { tensorValues } from '../formats/tensorValues.ts';
import { buildModel } from '../models/buildModel.ts';
import { atWidth, WIDTHS, widthIndex, widthsOf } from '../models/nestedWidths.ts';
import { evaluateText } from '../runtime/evaluateText.ts';
import { load } from '../runtime/load.ts';
import { quantize } from './quantize.ts';
import { sortNeurons } from './sortNeurons.ts';

const folder = mkdtempSync(join(tmpdir(), 'espalier-neurons-'));
const path = (name: string) => join(folder, name);
const [source, sorted] = [path('source.gguf'), path('sorted.gguf')];
const calibration = { text: gardenText, window: 64, windows: 16 };
let whole: number;

beforeAll(async () => {
  writeFileSync(source, await makeModel({ architecture: 'llama', format: 'F32' }));
  const { widths, importance } = await sortNeurons(source, sorted, { widths: [0.75, 0.5], calibration });
  whole = widths.at(-1)!;
  expect(widths).toEqual([Math.round((0.5 * whole) / 32) * 32, Math.round((0.75 * whole) / 32) * 32, whole]);
  expect(importance.at(-1)).toBeCloseTo(1);
  expect(importance[0]).toBeGreaterThan(widths[0] / whole);
});
afterAll(() => rmSync(folder, { recursive: true }));

async function opened<T>(name: string, use: (file: Checkpoint) => Promise<T> | T): Promise<T> {
  const file = await openCheckpoint(name);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

const exact = { exact: true, kv: 'f32', context: 64 } as const;

describe('a model with sorted neurons', () => {
  it('computes what the original computes', async () => {
    using original = await load(source, exact);
    using model = await load(sorted, exact);
    const { kld } = await evaluateText(model, gardenText.slice(0, 800), { context: 64, reference: original });
    expect(kld!.mean).toBeLessThan(1e-7);
  });

  it('has the same neurons in another order', async () => {
    const values = (name: string) => (file: Checkpoint) => tensorValues(file.tensors.get(name)!);
    for (const name of ['blk.1.ffn_up.weight', 'blk.1.ffn_down.weight']) {
      const [before, after] = [await opened(source, values(name)), await opened(sorted, values(name))];
      expect(after).not.toEqual(before);
      expect(Float32Array.from(after).sort()).toEqual(Float32Array.from(before).sort());
    }
  });

  it.each([0.5, 0.75])('runs with a share of %f of them, as a file with only those', async (width) => {
    const narrow = path(`narrow-${width}.gguf`);
    await opened(sorted, async (file) => {
      const widths = widthsOf(file)!;
      const index = widthIndex(file, widths, width);
      const view = atWidth(file, widths, index);
      const { graph } = buildModel(view);
      expect(graph.nodes.find(({ label }) => label === 'blk.0.ffn_up')!.shape[1]).toBe(widths[index]);
    });
    await quantize(sorted, narrow, { type: 'Q8_0' });
    using part = await load(narrow, { ...exact, width });
    using model = await load(narrow, exact);
    const { perplexity } = await evaluateText(part, gardenText.slice(0, 800), { context: 64 });
    const { perplexity: best } = await evaluateText(model, gardenText.slice(0, 800), { context: 64 });
    expect(perplexity).not.toBe(best);
    expect(part.estimate.weightBytes).toBeLessThan(model.estimate.weightBytes);
  });
});

describe('refuses', () => {
  it('shares that are none, or leave nothing', async () => {
    const sort = (widths: readonly number[]) => sortNeurons(source, path('no.gguf'), { widths, calibration });
    await expect(sort([0.5, 1.5])).rejects.toThrow(/widths is 1.5, expected shares of the neurons between 0 and 1/);
    await expect(sort([0.001])).rejects.toThrow(/expected shares that leave between 32/);
    await expect(sort([])).rejects.toThrow(/widths/);
  });

  it('a width that the file does not have', async () => {
    await expect(load(sorted, { width: 0.6 })).rejects.toThrow(/width is 0.6, expected one of 0.50, 0.75, 1.00/);
    await expect(load(source, { width: 0.5 })).rejects.toThrow(
      /expected nothing for .*source.gguf, which has no nested widths/,
    );
    await expect(load(sorted, { width: 0 })).rejects.toThrow(/width is 0, expected a share of the neurons/);
  });

  it('widths that are not ascending up to the whole', async () => {
    await opened(sorted, (file) => {
      for (const widths of [
        [64, 32, whole],
        [32, 64],
        [0, whole],
        [1.5, whole],
        Array.from({ length: 9 }, (_, i) => whole - 8 + i),
        'all',
        [],
      ]) {
        const metadata = new Map(file.metadata).set(WIDTHS, widths);
        expect(() => widthsOf({ ...file, kind: 'gguf', metadata })).toThrow(/espalier.widths is/);
      }
      expect(() => atWidth(file, [33, whole], 1).tensors).not.toThrow();
    });
  });

  it('models whose gate and up are one matrix', async () => {
    writeFileSync(path('fused.gguf'), await makeModel({ architecture: 'phi3', format: 'F32' }));
    await expect(sortNeurons(path('fused.gguf'), path('no.gguf'), { widths: [0.5], calibration })).rejects.toThrow(
      /nested widths with the tensor blk.0.ffn_up.weight/,
    );
  });
});
