import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gardenText, makeModel } from '../../../scripts/models/index.ts';
import { ggufBytes } from '../../formats/gguf/write.ts';
import { openCheckpoint } from '../../formats/open.ts';
import { tensorValues } from '../../formats/tensorValues.ts';
import { load } from '../../runtime/load.ts';
import { formatByName } from '../../tensor/formats.ts';
import { compare } from '../compare.ts';
import { narrow } from './narrow.ts';

const folder = mkdtempSync(join(tmpdir(), 'espalier-narrow-'));
const path = (name: string) => join(folder, name);
const calibration = { text: gardenText, window: 32, windows: 16 };
const divergence = async (from: string, to: string) => {
  const options = { text: gardenText.slice(0, 900), exact: true, speed: false };
  return (await compare(path(from), [path(to)], options))[1].kld!.mean;
};

/** Writes a copy of a model whose tensors are changed. */
async function change(from: string, to: string, edit: (name: string, values: Float32Array, columns: number) => void) {
  const checkpoint = await openCheckpoint(path(from));
  const tensors: {
    name: string;
    format: ReturnType<typeof formatByName>;
    shape: readonly number[];
    data: Uint8Array;
  }[] = [];
  for (const [name, tensor] of checkpoint.tensors) {
    const values = await tensorValues(tensor);
    edit(name, values, tensor.shape.at(-1)!);
    tensors.push({ name, format: formatByName('F32'), shape: tensor.shape, data: new Uint8Array(values.buffer) });
  }
  const metadata = [...checkpoint.metadata] as Parameters<typeof ggufBytes>[0]['metadata'];
  writeFileSync(path(to), await ggufBytes({ metadata, tensors }));
  await checkpoint.close();
}

beforeAll(async () => {
  writeFileSync(path('llama.gguf'), await makeModel({ architecture: 'llama', format: 'F32' }));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('narrow', () => {
  it('removes neurons and heads without effect, and nothing changes', async () => {
    // of every block, neurons 0, 3, 6 … and the first key-value head
    await change('llama.gguf', 'idle.gguf', (name, values, columns) => {
      if (/ffn_gate/.test(name))
        for (let row = 0; row < 96; row += 3) values.fill(0, row * columns, (row + 1) * columns);
      if (/attn_v/.test(name)) values.fill(0, 0, values.length / 4);
    });
    const checkpoint = await openCheckpoint(path('idle.gguf'));
    const neurons = Number(checkpoint.metadata.get('llama.feed_forward_length'));
    const heads = Number(checkpoint.metadata.get('llama.attention.head_count_kv'));
    await checkpoint.close();
    expect(heads).toBe(4);
    const keepNeurons = (neurons - 32) / neurons;
    const result = await narrow(path('idle.gguf'), path('busy.gguf'), { keepNeurons, keepHeads: 0.75, calibration });
    expect(result.neurons).toEqual([neurons, neurons - 32]);
    expect(result.heads).toEqual([4, 3]);
    expect(await divergence('idle.gguf', 'busy.gguf')).toBeLessThan(1e-6);
    expect(readFileSync(path('busy.gguf')).length).toBeLessThan(readFileSync(path('idle.gguf')).length);
  });

  it('makes up for what it removes: less divergence than without', async () => {
    const { parameters } = await narrow(path('llama.gguf'), path('half.gguf'), { keepNeurons: 0.5, calibration });
    const before = await openCheckpoint(path('llama.gguf'));
    const after = await openCheckpoint(path('half.gguf'));
    const all = [...before.tensors.values()].reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
    expect(parameters).toBeLessThan(all);
    // the same neurons, with the weights that they had
    const kept = new Map<string, Float32Array>();
    for (const [name, tensor] of after.tensors) {
      const own = await tensorValues(tensor);
      if (!/ffn_down/.test(name)) {
        kept.set(name, own);
        continue;
      }
      const [gate, own0] = [name.replace('down', 'gate'), await tensorValues(before.tensors.get(name)!)];
      const [rows, columns] = tensor.shape as [number, number];
      const width = before.tensors.get(gate)!.shape[1];
      const gates = [
        await tensorValues(before.tensors.get(gate)!),
        await tensorValues(after.tensors.get(gate)!),
      ] as const;
      const all = own0.length / rows;
      const places = Array.from(
        { length: columns },
        (_, i) => Array.from({ length: all }, (_, j) => j).find((j) => gates[0][j * width] === gates[1][i * width])!,
      );
      kept.set(
        name,
        Float32Array.from(
          { length: rows * columns },
          (_, i) => own0[Math.floor(i / columns) * all + places[i % columns]],
        ),
      );
    }
    await before.close();
    await after.close();
    await change('half.gguf', 'uncompensated.gguf', (name, values) => values.set(kept.get(name)!));
    expect(await divergence('llama.gguf', 'half.gguf')).toBeLessThan(
      0.8 * (await divergence('llama.gguf', 'uncompensated.gguf')),
    );
  });

  it.each(['qwen2', 'gemma3', 'qwen3'])('narrows %s', async (architecture) => {
    writeFileSync(path('other.gguf'), await makeModel({ architecture, format: 'F16' }));
    const { heads } = await narrow(path('other.gguf'), path('narrow.gguf'), { keep: 0.5, calibration });
    expect(heads[1]).toBe(Math.max(1, Math.round(heads[0] / 2)));
    const model = await load(path('narrow.gguf'));
    expect(model.summary.formats.F16).toBeGreaterThan(5);
    model.dispose();
  });

  it('names the matrices that nothing can be said about', async () => {
    await change('llama.gguf', 'silent.gguf', (name, values) => {
      if (name === 'blk.1.ffn_up.weight') values.fill(0);
    });
    const { notes } = await narrow(path('silent.gguf'), path('quiet.gguf'), { keep: 0.5, calibration });
    expect(notes).toEqual([expect.stringMatching(/^blk\.1\.ffn_down\.weight: its calibration never fired/)]);
    expect((await narrow(path('llama.gguf'), path('quiet.gguf'), { keep: 0.5, calibration })).notes).toEqual([]);
  });

  it.each(['token_embd.weight', 'blk.0.attn_norm.weight', 'blk.1.attn_q.weight', 'blk.1.ffn_down.weight'])(
    'refuses NaN in %s',
    async (tensor) => {
      await change('llama.gguf', 'nan.gguf', (name, values) => {
        if (name === tensor) values[1] = Number.NaN;
      });
      await expect(narrow(path('nan.gguf'), path('refused.gguf'), { keep: 0.5, calibration })).rejects.toThrow(
        `${tensor} has NaN in row 0, column 1, expected finite numbers`,
      );
      expect(readdirSync(folder)).not.toContain('refused.gguf');
    },
  );

  it.each([
    ['parts that it does not know', { architecture: 'phi3', format: 'F32' }, { keep: 0.5 }, /blocks have.*attn_qkv/],
    ['a quantized model', { architecture: 'llama', format: 'Q8_0' }, { keep: 0.5 }, /Q8_0/],
    ['a share of all', { architecture: 'llama', format: 'F32' }, { keep: 1 }, /keep is 1/],
    ['no share', { architecture: 'llama', format: 'F32' }, {}, /keep is missing/],
    ['a share of nothing', { architecture: 'llama', format: 'F32' }, { keepNeurons: 0 }, /keepNeurons is 0/],
  ])('refuses %s', async (_, options, shares, message) => {
    writeFileSync(path('wrong.gguf'), await makeModel(options));
    await expect(narrow(path('wrong.gguf'), path('refused.gguf'), { ...shares, calibration })).rejects.toThrow(message);
    expect(readdirSync(folder)).not.toContain('refused.gguf');
  });
});
