import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gardenText, makeModel } from '../../../scripts/models/index.ts';
import { seededRandom } from '../../core/random.ts';
import { openCheckpoint } from '../../formats/open.ts';
import { blockFormats } from '../../tensor/formats.ts';
import { compare } from '../compare.ts';
import type { GridFormat } from '../matrix/gridBlocks.ts';
import { quantize } from '../quantize.ts';
import { blockParts } from './blockParts.ts';
import { BlockScales } from './blockScales.ts';
import { TrainedWeights } from './trainedWeights.ts';
import { tune } from './tune.ts';

describe.each(blockFormats.filter(({ grid }) => grid).map((format) => [format.name, format as GridFormat] as const))(
  'the scales of %s',
  (_, format) => {
    const random = seededRandom(3);
    const values = Float32Array.from({ length: 4 * format.blockSize }, () => random.normal());
    const bytes = new Uint8Array(4 * format.blockBytes);
    format.encode(values, 0, bytes, 0, 4);

    it('are read and written', () => {
      const scales = new BlockScales(format, bytes);
      expect(scales.bytes()).toEqual(bytes);
      const decoded = new Float32Array(values.length);
      format.decode(bytes, 0, decoded, 0, 4);
      for (const [i, element] of scales.elements().entries()) expect(element).toBeCloseTo(decoded[i], 4);
    });

    it('have the gradients that differences have', () => {
      const scales = new BlockScales(format, bytes);
      const weights = values.map(() => random.normal());
      const objective = () => scales.elements().reduce((sum, element, i) => sum + element * weights[i], 0);
      const gradients = scales.gradients(weights);
      for (const [k, own] of scales.values.entries()) {
        const before = objective();
        own[2] += 1;
        expect(objective() - before).toBeCloseTo(gradients[k][2], 1);
        own[2] -= 1;
      }
    });
    it('and its integers are found by decoding', () => {
      const weights = new TrainedWeights('w', format, blockParts(format, bytes), undefined);
      const decoded = new Float32Array(values.length);
      format.decode(bytes, 0, decoded, 0, 4);
      for (const [i, element] of weights.elements().entries()) expect(element).toBeCloseTo(decoded[i], 5);
      const again = new Float32Array(values.length);
      format.decode(weights.bytes(), 0, again, 0, 4);
      // a scale may have the other sign, and a zero with it
      expect(again.map((value) => value + 0)).toEqual(decoded.map((value) => value + 0));
    });

    it('and the integers that the original is nearest to stay', () => {
      const weights = new TrainedWeights('w', format, blockParts(format, bytes), values);
      const decoded = new Float32Array(values.length);
      format.decode(bytes, 0, decoded, 0, 4);
      for (const [i, element] of weights.elements().entries()) expect(element).toBeCloseTo(decoded[i], 5);
    });
  },
);

describe('tune', () => {
  const folder = mkdtempSync(join(tmpdir(), 'espalier-tune-'));
  const [source, model, tuned] = ['source', 'model', 'tuned'].map((name) => join(folder, `${name}.gguf`)) as [
    string,
    string,
    string,
  ];
  const options = { text: gardenText, window: 32, steps: 40, batch: 4, learningRate: 0.01, threads: 1 };

  beforeAll(async () => {
    writeFileSync(source, await makeModel({ architecture: 'llama', format: 'F32' }));
    await quantize(source, model, { type: 'Q4_0' });
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('loses less in the same formats and bytes', async () => {
    const { before, after, isImproved, tokens } = await tune(source, model, tuned, options);
    expect(isImproved).toBe(true);
    expect(after).toBeLessThan(before);
    expect(tokens).toBe(40 * 4 * 32);
    expect(readFileSync(tuned).length).toBe(readFileSync(model).length);
    const [, a, b] = await compare(source, [model, tuned], {
      text: gardenText.slice(-1500),
      exact: true,
      speed: false,
    });
    expect(b.kld!.mean).toBeLessThan(a.kld!.mean);
  });

  it('makes the same file again, also in place of the model', async () => {
    const before = readFileSync(model);
    await tune(source, model, model, options);
    expect(readFileSync(model).equals(readFileSync(tuned))).toBe(true);
    writeFileSync(model, before);
  });

  it('keeps the model if training makes it worse', async () => {
    const { isImproved } = await tune(source, model, tuned, { ...options, steps: 3, learningRate: 0.9 });
    expect(isImproved).toBe(false);
    expect(readFileSync(tuned).equals(readFileSync(model))).toBe(true);
  });

  it('moves integers, too: less divergence in 2 bits than by scales alone', async () => {
    const low = join(folder, 'low.gguf');
    await quantize(source, low, {
      type: 'Q2_K',
      pure: true,
      calibration: { text: gardenText, window: 32, windows: 32 },
    });
    const run = { ...options, learningRate: undefined, steps: 30 };
    const scales = await tune(source, low, tuned, run);
    const { before, after, isImproved } = await tune(source, low, tuned, { ...run, train: 'weights' });
    expect(isImproved).toBe(true);
    expect(before).toBe(scales.before);
    expect(after).toBeLessThan(scales.after);
    expect(readFileSync(tuned).length).toBe(readFileSync(low).length);
    const first = readFileSync(tuned);
    await tune(source, low, tuned, { ...run, train: 'weights', threads: 2 });
    expect(readFileSync(tuned).equals(first)).toBe(true);
  });

  it('names a weight of the source that is NaN', async () => {
    const bytes = await makeModel({ architecture: 'llama', format: 'F32' });
    const checkpoint = await openCheckpoint(bytes);
    const { offset } = checkpoint.tensors.get('blk.1.ffn_up.weight') as unknown as { offset: number };
    new DataView(bytes.buffer, bytes.byteOffset).setFloat32(offset, Number.NaN, true);
    writeFileSync(join(folder, 'wrong.gguf'), bytes);
    await expect(tune(join(folder, 'wrong.gguf'), model, tuned, options)).rejects.toThrow(
      /wrong\.gguf: tensor blk\.1\.ffn_up\.weight has NaN in row 0, column 0/,
    );
  });

  it('refuses a text that is too short', async () => {
    await expect(tune(source, model, tuned, { ...options, text: gardenText.slice(0, 900) })).rejects.toThrow(
      /the text is \d+ windows of 32 tokens long, expected at least 12/,
    );
  });
});
