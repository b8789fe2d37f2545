/** LoRA adapters: training on a frozen base, writing, loading into a model, swapping. */
import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeModel } from '../../scripts/models/index.ts';
import { FormatError, load, loadAdapter, OptionError } from '../../src/index.ts';
import { train } from '../../src/train/index.ts';
import { backend } from './backend.ts';
import { type TinyRun, tinyRun } from './tinyRun.ts';

const dimensions = { width: 64, heads: 2, kvHeads: 2, headSize: 32, ffn: 64, layers: 2, vocabulary: 320 };
const lora = { rank: 4, targets: ['attn_q', 'ffn_down'] };

let run: TinyRun;
beforeAll(async () => {
  run = await tinyRun();
  for (const format of ['F32', 'Q8_0'])
    await writeFile(run.path(`${format}.gguf`), await makeModel({ architecture: 'llama', format, dimensions }));
});
afterAll(() => run.remove());

/** Trains an adapter. @returns the held-out losses before and after */
async function adapt(name: string, base: string, changes: object = {}): Promise<number[]> {
  const path = await run.recipe(
    {
      name,
      model: { start: `${base}.gguf` },
      tokenizer: undefined,
      lora,
      steps: 20,
      checkpoints: { folder: name, every: 5 },
      output: { path: `${name}.gguf` },
      ...changes,
    },
    `${name}.json`,
  );
  const { parameters } = await train(path, { backend });
  expect(parameters).toBe(2 * 4 * (64 + 64 + 64 + 64));
  const evaluations = (await run.log(name)).filter(({ kind }) => kind === 'evaluation') as { loss?: number }[];
  return evaluations.map(({ loss }) => loss!);
}

describe('an adapter', () => {
  it('learns about as much on a quantized base as on an F32 base', async () => {
    const [before, ...after] = await adapt('plain', 'F32');
    const [quantized, ...others] = await adapt('quantized', 'Q8_0');
    expect(after.at(-1)).toBeLessThan(before - 0.5);
    expect(quantized).toBeCloseTo(before, 1);
    expect(Math.abs(others.at(-1)! - after.at(-1)!)).toBeLessThan(0.1);
  });

  it('has the tensor names of llama.cpp', async () => {
    const adapter = await loadAdapter(run.path('plain.gguf'));
    expect(adapter).toMatchObject({ architecture: 'llama', alpha: 8 });
    expect([...adapter.factors.keys()]).toEqual(
      ['attn_q', 'ffn_down'].flatMap((part) => [`blk.0.${part}.weight`, `blk.1.${part}.weight`]),
    );
  });

  it('changes the output, and can be removed and set again within a session', async () => {
    await adapt('other', 'F32', { seed: 7, lora: { ...lora, alpha: 1 } });
    const [plain, adapted] = await Promise.all([
      load(run.path('F32.gguf'), { backend }),
      load(run.path('F32.gguf'), { backend, adapter: run.path('plain.gguf') }),
    ]);
    const text = 'the wall is warm';
    const said = async (model: typeof plain) => (await model.logProbabilities(text)).map((each) => each.logProbability);
    const [without, first] = [await said(plain), await said(adapted)];
    expect(first).not.toEqual(without);
    const session = adapted.session();
    const reply = async () => await session.generate(text, { maxTokens: 6 }).result;
    const before = await reply();
    await adapted.setAdapter(undefined);
    expect(await said(adapted)).toEqual(without);
    const bare = await reply();
    expect(bare.reusedTokens).toBe(0);
    expect(bare.ids).toEqual((await plain.session().generate(text, { maxTokens: 6 }).result).ids);
    await adapted.setAdapter(await loadAdapter(run.path('other.gguf')));
    expect(await said(adapted)).not.toEqual(without);
    await adapted.setAdapter(await loadAdapter(run.path('plain.gguf')));
    expect(await said(adapted)).toEqual(first);
    expect((await reply()).ids).toEqual(before.ids);
    plain.dispose();
    adapted.dispose();
  });

  it('is rejected if it does not fit the model', async () => {
    const adapter = await loadAdapter(run.path('plain.gguf'));
    const model = await load(run.path('F32.gguf'), { backend });
    await expect(model.setAdapter(adapter)).rejects.toThrow(
      /adapts blk\.0\.attn_q\.weight, but the model was loaded without room for that/,
    );
    model.dispose();
    await expect(load(run.path('F32.gguf'), { adapter: { ...adapter, architecture: 'gpt2' } })).rejects.toThrow(
      FormatError,
    );
    await expect(loadAdapter(run.path('F32.gguf'))).rejects.toThrow(/it is no LoRA adapter/);
    await expect(load(run.path('F32.gguf'), { adapter: 3 as never })).rejects.toThrow(OptionError);
    const [[matrix, factors]] = adapter.factors;
    const short = new Map([[matrix, { ...factors, b: factors.b.slice(0, -4) }]]);
    await expect(load(run.path('F32.gguf'), { backend, adapter: { ...adapter, factors: short } })).rejects.toThrow(
      /expected|is for/,
    );
    await expect(adapt('wrong', 'F32', { lora: { targets: ['attn_x'] } })).rejects.toThrow(
      /lora\.targets is attn_x, expected a matrix of/,
    );
  });

  it('resumes training exactly', async () => {
    const whole = await readFile(run.path('plain.gguf'));
    const path = run.path('plain.json');
    const recipe = JSON.parse(await readFile(path, 'utf8'));
    const parts = { ...recipe, checkpoints: { folder: 'parts', every: 5 }, output: { path: 'parts.gguf' } };
    await writeFile(run.path('parts.json'), JSON.stringify(parts));
    const controller = new AbortController();
    const cut = train(run.path('parts.json'), {
      backend,
      signal: controller.signal,
      onLine: ({ step }) => step === 7 && controller.abort(),
    });
    await expect(cut).rejects.toThrow();
    await train(run.path('parts.json'), { backend, resume: true });
    expect(await readFile(run.path('parts.gguf'))).toEqual(whole);
  });
});
