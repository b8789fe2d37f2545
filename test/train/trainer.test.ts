/** Small training runs from start to end: their output, reproducibility and errors. */
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeModel } from '../../scripts/models/index.ts';
import { openCheckpoint } from '../../src/formats/open.ts';
import { FormatError, load, OptionError, SourceError, UnsupportedError } from '../../src/index.ts';
import { DivergedError, ResumeError, type TrainingOptions, train } from '../../src/train/index.ts';
import { backend } from './backend.ts';
import { type TinyRun, tinyRun } from './tinyRun.ts';

let run: TinyRun;
beforeEach(async () => {
  run = await tinyRun();
});
afterEach(() => run.remove());

const start = (path: string, options: TrainingOptions = {}) => train(path, { backend, ...options });

/** Recipe changes for a separate folder and output file. */
const apart = (name: string, changes: object = {}) => ({
  ...changes,
  checkpoints: { folder: name, every: 4 },
  output: { path: `${name}.gguf`, ...(changes as { output?: object }).output },
});

const samples = { prompts: ['the '], every: 6, tokens: 8 };

/** Runs a number of steps, then aborts. */
async function cut(path: string, steps: number, resume = false): Promise<void> {
  const controller = new AbortController();
  const ended = start(path, {
    resume,
    signal: controller.signal,
    onLine: (line) => {
      if (line.kind === 'step' && line.step === steps) controller.abort(new Error('enough'));
    },
  });
  await expect(ended).rejects.toThrow('enough');
}

describe('a run', () => {
  it('learns, and writes a model that loads', async () => {
    const result = await start(await run.recipe({ samples }));
    expect(result).toMatchObject({ steps: 12, reason: 'all steps are done', parameters: 33_536 });
    const log = await run.log();
    const kinds = log.map(({ kind, step }) => `${step} ${kind}`);
    expect(kinds.slice(0, 4)).toEqual(['0 start', '0 evaluation', '0 sample', '1 step']);
    expect(kinds.filter((kind) => !kind.endsWith(' step')).slice(3)).toEqual([
      '5 evaluation',
      '6 sample',
      '10 evaluation',
      '12 evaluation',
      '12 sample',
      '12 end',
    ]);
    expect(result.best!.loss).toBeLessThan(2.2);
    expect(log[1]).toMatchObject({ texts: [{ name: 'text.txt' }] });
    expect(await readdir(run.path('run'))).toEqual(
      expect.arrayContaining(['log.jsonl', 'report.html', 'step-00000012.safetensors', 'tokenizer.gguf']),
    );
    const model = await load(run.path('model.gguf'), { backend });
    expect(model.summary).toMatchObject({ name: 'tiny', architecture: 'llama', trainedContext: 16 });
    expect((await model.session().generate('the ', { maxTokens: 4 }).result).tokens).toBe(4);
    model.dispose();
  });

  it('is reproducible, and resumes exactly', async () => {
    const changes = { samples, dropout: 0.1, data: { ...(await dataOf()), accumulation: 2, batch: 2 } };
    await start(await run.recipe(apart('whole', changes)));
    const path = await run.recipe(apart('parts', changes), 'parts.json');
    await cut(path, 3);
    await cut(path, 5, true);
    await cut(path, 8, true);
    await start(path, { resume: true });
    const without = (lines: object[]) => lines.slice(1);
    expect(without(await run.log('parts'))).toEqual(without(await run.log('whole')));
    expect(await readFile(run.path('parts.gguf'))).toEqual(await readFile(run.path('whole.gguf')));
  });

  it('is the same with gradient accumulation and with activation checkpointing', async () => {
    const data = await dataOf();
    const losses = async (name: string, changes: object) => {
      await start(await run.recipe(apart(name, changes), `${name}.json`));
      const steps = (await run.log(name)).filter(({ kind }) => kind === 'step');
      return steps.map((line) => (line as { loss?: number }).loss!);
    };
    const whole = await losses('whole', {});
    const added = await losses('added', { data: { ...data, batch: 1, accumulation: 4 } });
    for (const [i, loss] of added.entries()) expect(loss).toBeCloseTo(whole[i], 3);
    expect(await losses('again', { activationCheckpointing: true })).toEqual(whole);
  });

  it('stops early if configured, with the best weights', async () => {
    const evaluation = { every: 2 };
    const earlyStopping = { patience: 2, minimumImprovement: 100 };
    const result = await start(await run.recipe({ evaluation, earlyStopping }));
    expect(result).toMatchObject({ steps: 4, reason: 'no improvement in the last 2 evaluations' });
  });

  it('writes the weights of its best evaluation', async () => {
    // the model learns and then diverges, because the learning rate is far too high
    const optimizer = { learningRate: 3, minimumLearningRate: 3, warmup: 9, clip: 0 };
    const evaluation = { every: 1 };
    const { best } = await start(await run.recipe({ optimizer, evaluation, steps: 10 }));
    expect(best!.step).toBeLessThan(10);
    const evaluated = await start(
      await run.recipe(
        {
          model: { start: 'model.gguf' },
          tokenizer: undefined,
          steps: 1,
          evaluation,
          ...apart('again'),
        },
        'again.json',
      ),
    );
    const first = (await run.log('again')).find(({ kind }) => kind === 'evaluation')!;
    expect((first as { loss?: number }).loss).toBeCloseTo(best!.loss, 5);
    expect(evaluated.parameters).toBe(33_536);
  });

  it('keeps tensors that are not trained, such as rope factors', async () => {
    await writeFile(run.path('made.gguf'), await makeModel({ architecture: 'llama31', format: 'F32' }));
    const changes = { model: { start: 'made.gguf' }, tokenizer: undefined, steps: 1, ...apart('divided') };
    const { output } = await start(await run.recipe(changes, 'divided.json'));
    const valuesOf = async (path: string) => {
      const checkpoint = await openCheckpoint(path);
      const tensor = checkpoint.tensors.get('rope_freqs.weight')!;
      const bytes = new Uint8Array(tensor.byteLength);
      await tensor.read(0, bytes);
      await checkpoint.close();
      return bytes;
    };
    expect(await valuesOf(output)).toEqual(await valuesOf(run.path('made.gguf')));
  });

  it("writes matrices in the recipe's format", async () => {
    await start(await run.recipe({ output: { format: 'Q8_0', chatTemplate: '{{ messages }}' } }));
    const model = await load(run.path('model.gguf'), { backend });
    expect(model.summary.formats).toEqual({ F32: 5, Q8_0: 15 });
    expect(model.summary.chatTemplate).toBe(true);
    model.dispose();
    const wide = start(await run.recipe(apart('wide', { output: { format: 'Q4_K' } })));
    await expect(wide).rejects.toThrow(OptionError);
    await expect(wide).rejects.toThrow(/output\.format is Q4_K, expected a format with blocks that divide rows of 32/);
  });

  it('keeps biases zero if the recipe has none', async () => {
    const model = { architecture: 'gpt2', layers: 1, width: 32, heads: 2 };
    const { parameters } = await start(await run.recipe(apart('without', { model, steps: 2 })));
    const withBiases = await start(
      await run.recipe(apart('with', { model: { ...model, bias: true }, steps: 2 }), 'b.json'),
    );
    // 3 norms, and the outputs of four matrices
    expect(withBiases.parameters - parameters).toBe(3 * 32 + 3 * 32 + 32 + 128 + 32);
    await start(
      await run.recipe(apart('llama', { model: { ...model, architecture: 'llama', bias: true } }), 'c.json'),
    ).then(
      () => expect.fail('a llama has no biases'),
      (error) => expect(error).toBeInstanceOf(OptionError),
    );
  });
});

describe('a run that cannot continue', () => {
  it('stops if the loss is NaN, and keeps its last checkpoint', async () => {
    const optimizer = { learningRate: 1e30, minimumLearningRate: 1e30, warmup: 9, clip: 0, weightDecay: 0 };
    const path = await run.recipe({ optimizer });
    const ended = start(path);
    await expect(ended).rejects.toThrow(DivergedError);
    await expect(ended).rejects.toThrow(
      /in step \d+ the loss is .* norm is (NaN|Infinity); the last checkpoint is unchanged/,
    );
    expect((await run.log()).at(-1)).toMatchObject({ kind: 'end', reason: expect.stringContaining('the loss is') });
    expect(await readdir(run.path('run'))).toContain('step-00000000.safetensors');
    await expect(start(path, { resume: true })).rejects.toThrow(DivergedError);
  });

  it('resumes only with the same recipe and data', async () => {
    const path = await run.recipe();
    await cut(path, 4);
    await expect(start(path)).rejects.toThrow(/contains a run of 4 steps/);
    const other = start(await run.recipe({ optimizer: { learningRate: 0.02 } }), { resume: true });
    await expect(other).rejects.toThrow(ResumeError);
    await expect(other).rejects.toThrow(/has changed since the run started, in optimizer\.learningRate/);
    await writeFile(run.path('text.txt'), `${await readFile(run.path('text.txt'), 'utf8')}the end`);
    await expect(start(await run.recipe(), { resume: true })).rejects.toThrow(
      /the texts or the tokenizer have changed/,
    );
  });

  it('names the broken file', async () => {
    await writeFile(run.path('text.txt'), Uint8Array.of(0x61, 0xff, 0x62));
    await expect(start(await run.recipe())).rejects.toThrow(FormatError);
    await rm(run.path('text.txt'));
    await expect(start(await run.recipe())).rejects.toThrow(SourceError);
    const model = { architecture: 'mamba', layers: 1, width: 32, heads: 2 };
    await expect(start(await run.recipe({ model }))).rejects.toThrow(UnsupportedError);
  });

  it('resumes from the previous checkpoint if the last one is damaged', async () => {
    const path = await run.recipe({ evaluation: { every: 100 } });
    await start(path);
    const whole = await run.log();
    const last = run.path('run/step-00000012.safetensors');
    const bytes = await readFile(last);
    bytes[bytes.length >> 1] ^= 1;
    await writeFile(last, bytes);
    await start(path, { resume: true });
    expect(await run.log()).toEqual(whole);
  });
});

async function dataOf(): Promise<object> {
  return JSON.parse(await readFile(await run.recipe(), 'utf8')).data;
}
