import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readFamilyGoldens } from '../../scripts/models/familyGoldens.ts';
import { gardenText, makeModel } from '../../scripts/models/index.ts';
import { filesOf } from '../../scripts/models/skeleton.ts';
import { ggufBytes } from '../formats/gguf/write.ts';
import { openCheckpoint } from '../formats/open.ts';
import { tensorValues } from '../formats/tensorValues.ts';
import { compare } from './compare.ts';
import { rotate } from './rotate.ts';

const folder = mkdtempSync(join(tmpdir(), 'espalier-rotate-'));
const path = (name: string) => join(folder, name);
const make = async (name: string, options: Parameters<typeof makeModel>[0]) =>
  writeFileSync(path(name), await makeModel(options));
afterAll(() => rmSync(folder, { recursive: true }));

/** Largest magnitude of a channel of the embeddings, relative to the mean. */
async function outlier(file: string): Promise<number> {
  const checkpoint = await openCheckpoint(path(file));
  const tensor = checkpoint.tensors.get('token_embd.weight')!;
  const values = await tensorValues(tensor);
  await checkpoint.close();
  const sums = new Float64Array(tensor.shape[1]);
  for (const [i, value] of values.entries()) sums[i % sums.length] += value ** 2;
  return Math.max(...sums) / (sums.reduce((sum, value) => sum + value) / sums.length);
}

describe('rotate', () => {
  it.each([
    ['llama', {}],
    ['qwen2', {}],
    ['qwen3', {}],
    // 224 = 7 · 32: Hadamard matrices along the diagonal
    ['llama', { width: 224, heads: 7, kvHeads: 7, headSize: 32 }],
  ])('computes the same in %s %o', async (architecture, dimensions) => {
    await make('source.gguf', { architecture, format: 'F32', dimensions });
    await rotate(path('source.gguf'), path('rotated.gguf'));
    const text = gardenText.slice(0, 900);
    const [, row] = await compare(path('source.gguf'), [path('rotated.gguf')], { text, exact: true, speed: false });
    expect(row.kld!.mean).toBeLessThan(1e-6);
    expect(row.top1).toBeGreaterThan(0.99);
    const [before, after] = [await openCheckpoint(path('source.gguf')), await openCheckpoint(path('rotated.gguf'))];
    const values = async (name: string) => [
      await tensorValues(before.tensors.get(name)!),
      await tensorValues(after.tensors.get(name)!),
    ];
    const [q, rotatedQ] = await values('blk.0.attn_q.weight');
    expect(q.some((value, i) => Math.abs(value - rotatedQ[i]) > 1e-3)).toBe(true);
    expect((await values('blk.0.attn_norm.weight'))[1].every((value) => value === 1)).toBe(true);
    await before.close();
    await after.close();
  });

  it('spreads outliers over all channels', async () => {
    await make('source.gguf', { architecture: 'llama', format: 'F32' });
    const source = await openCheckpoint(path('source.gguf'));
    const tensors: Parameters<typeof ggufBytes>[0]['tensors'][number][] = [];
    for (const { name, format, shape } of source.tensors.values()) {
      const values = await tensorValues(source.tensors.get(name)!);
      if (name === 'token_embd.weight') for (let i = 3; i < values.length; i += shape[1]) values[i] *= 30;
      tensors.push({ name, format, shape, data: new Uint8Array(values.buffer) });
    }
    const metadata = [...source.metadata] as Parameters<typeof ggufBytes>[0]['metadata'];
    writeFileSync(path('outlier.gguf'), await ggufBytes({ metadata, tensors }));
    await source.close();
    await rotate(path('outlier.gguf'), path('rotated.gguf'), { seed: 2 });
    expect(await outlier('outlier.gguf')).toBeGreaterThan(50);
    expect(await outlier('rotated.gguf')).toBeLessThan(3);
  });

  it.each([
    ['tied embeddings', { architecture: 'smollm2', format: 'F32' }, /tied embeddings/],
    ['a quantized model', { architecture: 'llama', format: 'Q8_0' }, /tensors in Q8_0/],
    ['norms with biases', { architecture: 'gpt2', format: 'F32' }, /rotating a model with/],
    ['norms behind the matrices', { architecture: 'gemma3', format: 'F32' }, /rotating a model with/],
  ])('refuses %s', async (_, options, message) => {
    await make('wrong.gguf', options);
    await expect(rotate(path('wrong.gguf'), path('refused.gguf'))).rejects.toThrow(message);
    expect(readdirSync(folder)).not.toContain('refused.gguf');
  });

  it.each(['token_embd.weight', 'blk.1.ffn_norm.weight', 'blk.0.ffn_down.weight'])(
    'refuses NaN in %s',
    async (name) => {
      const bytes = await makeModel({ architecture: 'llama', format: 'F32' });
      const checkpoint = await openCheckpoint(bytes);
      const { offset } = checkpoint.tensors.get(name) as unknown as { offset: number };
      new DataView(bytes.buffer, bytes.byteOffset).setFloat32(offset + 8, Number.NaN, true);
      writeFileSync(path('wrong.gguf'), bytes);
      await expect(rotate(path('wrong.gguf'), path('refused.gguf'))).rejects.toThrow(
        `tensor ${name} has NaN in row 0, column 2`,
      );
      expect(readdirSync(folder)).not.toContain('refused.gguf');
    },
  );

  it.each([
    // layer norms with gains but without biases: their tensors have the names that Llama's have
    ['mpt', /attn_qkv\.weight without the RMS norm blk\.0\.attn_norm\.weight/],
    // layer norms without tensors
    ['olmo', /attn_q\.weight without the RMS norm/],
  ])('refuses the layer norms of an untied %s', async (architecture, message) => {
    const { families } = await readFamilyGoldens();
    const skeletons = families.map(({ skeleton }) => skeleton).filter((each) => each.kind === 'gguf');
    const { tensors, ...skeleton } = skeletons.find(({ metadata }) =>
      metadata.some(([key, { value }]) => key === 'general.architecture' && value === architecture),
    )!;
    const own = /^(token_embd|output_norm|blk\.\d+\.(attn_(norm|q|k|v|qkv|output)|ffn_(norm|gate|up|down)))\.weight$/;
    const untied = Object.entries(tensors).filter(([name]) => own.test(name));
    untied.push(['output.weight', tensors['token_embd.weight']]);
    const [bytes] = (await filesOf({ ...skeleton, tensors: Object.fromEntries(untied) })).values();
    writeFileSync(path('wrong.gguf'), bytes);
    await expect(rotate(path('wrong.gguf'), path('refused.gguf'))).rejects.toThrow(message);
  });
});
