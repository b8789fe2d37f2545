import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gardenText, makeModel } from '../../../scripts/models/index.ts';
import { openCheckpoint } from '../../formats/open.ts';
import { tensorValues } from '../../formats/tensorValues.ts';
import { compare } from '../compare.ts';
import { type PruneOptions, prune } from './prune.ts';

const folder = mkdtempSync(join(tmpdir(), 'espalier-prune-'));
const path = (name: string) => join(folder, name);
const source = path('source.gguf');
const calibration = { text: gardenText, window: 64, windows: 16 };
const run = (name: string, options: PruneOptions) => prune(source, path(name), options);

beforeAll(async () => writeFileSync(source, await makeModel({ architecture: 'llama', format: 'F32' })));
afterAll(() => rmSync(folder, { recursive: true }));

async function valuesOf(name: string, tensor: string): Promise<{ values: Float32Array; columns: number }> {
  const checkpoint = await openCheckpoint(path(name));
  const found = checkpoint.tensors.get(tensor)!;
  const values = await tensorValues(found);
  await checkpoint.close();
  return { values, columns: found.shape.at(-1)! };
}

describe('prune', () => {
  it('loses less with calibration: magnitude > Wanda > SparseGPT', async () => {
    for (const method of ['magnitude', 'wanda', 'sparsegpt'] as const) {
      const { sparsity, tensors } = await run(`${method}.gguf`, { method, sparsity: 0.5, calibration });
      expect(sparsity).toBeCloseTo(0.5, 2);
      expect(tensors.every(({ notes }) => notes.length === 0)).toBe(true);
    }
    const files = ['magnitude', 'wanda', 'sparsegpt'].map((name) => path(`${name}.gguf`));
    const [, a, b, c] = await compare(source, files, { text: gardenText.slice(0, 2000), exact: true, speed: false });
    expect(b.kld!.mean).toBeLessThan(a.kld!.mean);
    expect(c.kld!.mean).toBeLessThan(b.kld!.mean);
  });

  it.each(['magnitude', 'wanda', 'sparsegpt'] as const)('keeps 2 of every 4 weights by %s', async (method) => {
    await run('pattern.gguf', { method, pattern: '2:4', calibration });
    const { values } = await valuesOf('pattern.gguf', 'blk.1.ffn_down.weight');
    for (let i = 0; i < values.length; i += 4)
      expect(values.slice(i, i + 4).filter((value) => value === 0).length).toBe(2);
  });

  it.each(['3:5', '2:6', '5:50'])(
    'keeps the weights of %s by SparseGPT, though 128 channels are no whole groups',
    async (pattern) => {
      await run('pattern.gguf', { pattern, calibration });
      const [keep, of] = pattern.split(':').map(Number) as [number, number];
      for (const tensor of ['blk.1.ffn_down.weight', 'blk.0.attn_q.weight']) {
        const { values, columns } = await valuesOf('pattern.gguf', tensor);
        for (let row = 0; row < values.length; row += columns)
          for (let i = row; i < row + columns; i += of) {
            const group = values.subarray(i, Math.min(i + of, row + columns));
            expect(group.filter((value) => value !== 0).length).toBeLessThanOrEqual(keep);
          }
      }
    },
  );

  it('continues when it was interrupted, with the same bytes, and keeps what it has when the disk is full', async () => {
    const whole = await run('whole.gguf', { sparsity: 0.5, calibration });
    const controller = new AbortController();
    const onProgress = ({ item, stage }: { item?: string; stage: string }) => {
      expect(stage).toBe('prune');
      if (item?.startsWith('blk.1')) controller.abort(new Error('enough'));
    };
    const options = { sparsity: 0.5, calibration };
    await expect(run('again.gguf', { ...options, signal: controller.signal, onProgress })).rejects.toThrow('enough');
    const kept = () => readdirSync(folder).filter((name) => name.startsWith('again.gguf.solved.tensor.blk.0'));
    const before = kept();
    expect(before.length).toBeGreaterThan(4);
    if (existsSync('/dev/full')) {
      symlinkSync('/dev/full', path('again.gguf.partial'));
      await expect(run('again.gguf', options)).rejects.toThrow(
        /again\.gguf: the disk is full; free some space and resume/,
      );
      expect(kept()).toEqual(before);
      expect(existsSync(path('again.gguf'))).toBe(false);
    }
    const resumed = await run('again.gguf', options);
    expect({ ...resumed, seconds: 0 }).toEqual({ ...whole, seconds: 0 });
    expect(readFileSync(path('again.gguf')).equals(readFileSync(path('whole.gguf')))).toBe(true);
    expect(kept()).toEqual([]);
  });

  it('leaves embeddings, norms and the output as they are', async () => {
    for (const name of ['token_embd.weight', 'blk.0.attn_norm.weight', 'output_norm.weight'])
      expect(await valuesOf('sparsegpt.gguf', name)).toEqual(await valuesOf('source.gguf', name));
  });

  it.each([
    ['no share', {}, /sparsity is missing, expected exactly one of sparsity and pattern/],
    ['both', { sparsity: 0.5, pattern: '2:4' }, /given beside a pattern/],
    ['a pattern that keeps all', { pattern: '4:4' }, /pattern is 4:4, expected N:M with N below M/],
    ['all weights', { sparsity: 1 }, /sparsity is 1, expected a share between 0 and 1/],
    [
      'Wanda without a text',
      { sparsity: 0.5, method: 'wanda' },
      /calibration is missing, expected a text, which wanda needs/,
    ],
  ] as [string, PruneOptions, RegExp][])('refuses %s', async (_, options, message) => {
    await expect(run('refused.gguf', options)).rejects.toThrow(message);
    expect(readdirSync(folder)).not.toContain('refused.gguf');
  });

  it('refuses a quantized source', async () => {
    writeFileSync(path('q4.gguf'), await makeModel({ architecture: 'llama', format: 'Q4_0' }));
    await expect(prune(path('q4.gguf'), path('refused.gguf'), { sparsity: 0.5 })).rejects.toThrow(
      /Q4_0 is not supported; supported: F32, F16, BF16/,
    );
  });
});
