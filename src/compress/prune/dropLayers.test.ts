import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { gardenText, makeModel } from '../../../scripts/models/index.ts';
import { openCheckpoint } from '../../formats/open.ts';
import { load } from '../../runtime/load.ts';
import { compare } from '../compare.ts';
import { dropLayers } from './dropLayers.ts';

const folder = mkdtempSync(join(tmpdir(), 'espalier-drop-'));
const path = (name: string) => join(folder, name);
const calibration = { text: gardenText, window: 32, windows: 8 };
const make = async (name: string, options: Parameters<typeof makeModel>[0]) =>
  writeFileSync(path(name), await makeModel(options));
afterAll(() => rmSync(folder, { recursive: true }));

describe('dropLayers', () => {
  it('removes the block with the least influence, from a quantized model, too', async () => {
    await make('llama.gguf', { architecture: 'llama', format: 'Q8_0', dimensions: { layers: 4 } });
    const { dropped, influence } = await dropLayers(path('llama.gguf'), path('three.gguf'), { layers: 1, calibration });
    expect(influence).toHaveLength(4);
    expect(dropped).toEqual([influence!.indexOf(Math.min(...influence!))]);
    const model = await load(path('three.gguf'));
    expect(model.summary.formats.Q8_0).toBeGreaterThan(5);
    model.dispose();
    const losses: number[] = [];
    for (const layer of [0, 1, 2, 3]) {
      await dropLayers(path('llama.gguf'), path('one.gguf'), { layers: [layer] });
      const [, row] = await compare(path('llama.gguf'), [path('one.gguf')], {
        text: gardenText.slice(0, 900),
        speed: false,
      });
      losses.push(row.kld!.mean);
    }
    expect(losses[dropped[0]]).toBeLessThan(Math.max(...losses));
  });

  it('drops as many blocks as the divergence on held-out text allows', async () => {
    const run = (maxDivergence: number) =>
      dropLayers(path('llama.gguf'), path('auto.gguf'), { layers: 'auto', maxDivergence, calibration });
    const { dropped, divergence, tried, influence } = await run(1e3);
    expect(dropped).toHaveLength(3);
    expect(tried!.map(({ dropped: each }) => each.length)).toEqual([1, 2, 3]);
    expect(tried![0].dropped).toEqual([influence!.indexOf(Math.min(...influence!))]);
    expect(divergence).toBe(tried![2].divergence);
    expect(tried![1].divergence).toBeGreaterThan(tried![0].divergence!);
    const one = await run((tried![0].divergence! + tried![1].divergence!) / 2);
    expect(one).toMatchObject({ dropped: tried![0].dropped, divergence: tried![0].divergence });
    expect(one.tried).toEqual(tried!.slice(0, 2));
    await dropLayers(path('llama.gguf'), path('named.gguf'), { layers: one.dropped });
    expect(readFileSync(path('auto.gguf')).equals(readFileSync(path('named.gguf')))).toBe(true);
    const { text, window: context } = calibration;
    const heldOut = { text: text.slice(Math.floor((7 / 8) * text.length)), context, maxTokens: 4096, speed: false };
    const [, row] = await compare(path('llama.gguf'), [path('named.gguf')], heldOut);
    expect(row.kld!.mean).toBeCloseTo(tried![0].divergence!, 6);
    await expect(run(1e-9)).rejects.toThrow(/maxDivergence is 1e-9, expected at least .*which dropping block \d costs/);
  });

  it('refuses where another part would fall to a block', async () => {
    await make('gemma.gguf', { architecture: 'gemma3', format: 'F32', dimensions: { layers: 6 } });
    await expect(dropLayers(path('gemma.gguf'), path('refused.gguf'), { layers: [1] })).rejects.toThrow(
      /dropping blocks 1, after which/,
    );
  });

  it.each(['token_embd.weight', 'blk.2.attn_norm.weight', 'blk.1.ffn_down.weight'])(
    'refuses NaN in %s',
    async (name) => {
      const bytes = await makeModel({ architecture: 'llama', format: 'F32', dimensions: { layers: 4 } });
      const tensor = (await openCheckpoint(bytes)).tensors.get(name) as unknown as { offset: number };
      new DataView(bytes.buffer, bytes.byteOffset).setFloat32(tensor.offset + 4, Number.NaN, true);
      const message = `${name} has NaN in row 0, column 1, expected finite numbers`;
      for (const options of [{ layers: [3] }, { layers: 1, calibration }])
        await expect(dropLayers(bytes, path('refused.gguf'), options)).rejects.toThrow(message);
      expect(readdirSync(folder)).not.toContain('refused.gguf');
    },
  );

  it.each([
    ['an index outside', { layers: [7] }, /layers is 7, expected indices from 0 to 3/],
    ['all blocks', { layers: [0, 1, 2, 3] }, /expected 1 to 3 of the 4 blocks/],
    ['a count below 1', { layers: -1, calibration }, /layers is -1, expected 1 to 3 of the 4 blocks/],
    ['a limit for a count', { layers: 1, maxDivergence: 1, calibration }, /maxDivergence is 1, expected layers/],
    ['a number without a text', { layers: 1 }, /calibration is missing, expected a text/],
  ])('refuses %s', async (_, options, message) => {
    await expect(dropLayers(path('llama.gguf'), path('refused.gguf'), options)).rejects.toThrow(message);
    expect(readdirSync(folder)).not.toContain('refused.gguf');
  });
});
