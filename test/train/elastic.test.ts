/** Nested widths: training of all of them at once. */
import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gardenText, makeModel } from '../../scripts/models/index.ts';
import { sortNeurons } from '../../src/compress/index.ts';
import { evaluateText, load } from '../../src/index.ts';
import { train } from '../../src/train/index.ts';
import { backend } from './backend.ts';
import { type TinyRun, text, tinyRun } from './tinyRun.ts';

const dimensions = { width: 64, heads: 2, kvHeads: 2, headSize: 32, ffn: 64, layers: 2, vocabulary: 320 };
let run: TinyRun;
beforeAll(async () => {
  run = await tinyRun();
  await writeFile(run.path('base.gguf'), await makeModel({ architecture: 'llama', format: 'F32', dimensions }));
  const calibration = { text: gardenText, window: 64, windows: 8 };
  await sortNeurons(run.path('base.gguf'), run.path('sorted.gguf'), { widths: [0.5], calibration });
});
afterAll(() => run.remove());

const recipe = (changes: object = {}) =>
  run.recipe({
    name: 'elastic',
    model: { start: 'sorted.gguf' },
    tokenizer: undefined,
    elastic: true,
    steps: 30,
    checkpoints: { folder: 'elastic', every: 10 },
    output: { path: 'elastic.gguf' },
    ...changes,
  });

async function lossOf(file: string, width: number): Promise<number> {
  using model = await load(run.path(file), { width, context: 64, backend });
  return Math.log((await evaluateText(model, text.slice(0, 600), { context: 64 })).perplexity);
}

describe('nested widths', () => {
  it('learn together', async () => {
    await train(await recipe(), { backend });
    for (const width of [0.5, 1])
      expect(await lossOf('elastic.gguf', width)).toBeLessThan(0.95 * (await lossOf('sorted.gguf', width)));
  });

  it('go on after an interruption with the same weights', async () => {
    const controller = new AbortController();
    const again = await recipe({ checkpoints: { folder: 'again', every: 10 }, output: { path: 'again.gguf' } });
    const onLine = (line: { kind: string; step: number }) => {
      if (line.kind === 'step' && line.step === 15) controller.abort(new Error('enough'));
    };
    await expect(train(again, { backend, onLine, signal: controller.signal })).rejects.toThrow('enough');
    await train(again, { backend, resume: true });
    const [a, b] = [await readFile(run.path('elastic.gguf')), await readFile(run.path('again.gguf'))];
    expect(a.equals(b)).toBe(true);
  });

  it('are refused where the model has none, or is not trained itself', async () => {
    const other = { checkpoints: { folder: 'other' } };
    await expect(train(await recipe({ ...other, model: { start: 'base.gguf' } }), { backend })).rejects.toThrow(
      /elastic is true, expected false for .*base.gguf, which has no nested widths/,
    );
    await expect(train(await recipe({ ...other, lora: {} }), { backend })).rejects.toThrow(
      /elastic trains the weights/,
    );
  });
});
