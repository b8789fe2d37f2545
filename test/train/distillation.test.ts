/** Distillation from one or several teachers. */
import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/formats/open.ts';
import { OptionError } from '../../src/index.ts';
import { train } from '../../src/train/index.ts';
import type { LogLine } from '../../src/train/log/logLine.ts';
import { loadTeacher } from '../../src/train/teacher.ts';
import { backend } from './backend.ts';
import { type TinyRun, tinyRun } from './tinyRun.ts';

let run: TinyRun;
beforeAll(async () => {
  run = await tinyRun();
  for (const [name, seed] of [
    ['one', 1],
    ['two', 2],
  ] as const)
    await train(await run.recipe({ ...apart(name), seed, steps: 60 }, `${name}.json`), { backend });
});
afterAll(() => run.remove());

const apart = (name: string) => ({ checkpoints: { folder: name, every: 100 }, output: { path: `${name}.gguf` } });
const small = { architecture: 'llama', layers: 1, width: 32, heads: 2 };

async function lossesOf(name: string, changes: object): Promise<{ learned: number[]; heldOut: number }> {
  const recipe = { ...apart(name), model: small, tokenizer: { file: 'one.gguf' }, steps: 20, ...changes };
  const { best } = await train(await run.recipe(recipe, `${name}.json`), { backend });
  const steps = (await run.log(name)).filter(({ kind }) => kind === 'step') as { loss?: number }[];
  return { learned: steps.map(({ loss }) => loss!), heldOut: best!.loss };
}

const teachers = [{ path: 'one.gguf' }];

/** `rows` rows, all learned from the teacher. */
const asked = (rows: number) => ({ targets: new Int32Array(rows), distilled: new Uint8Array(rows).fill(1) });

describe('a student', () => {
  it('learns from a teacher, as part of the loss or all of it', async () => {
    for (const [name, distillation] of Object.entries({
      mixed: { teachers, temperature: 2 },
      alone: { teachers, hardLabels: 0, reverse: 0.5 },
    })) {
      const { learned, heldOut } = await lossesOf(name, { distillation });
      expect(learned.at(-1), name).toBeLessThan(learned[0] / 1.5);
      expect(heldOut, name).toBeLessThan(2.4);
    }
  });

  it('learns a text as written if `distill` is false', async () => {
    const data = { sources: [{ path: 'text.txt', distill: false }], sequence: 16, batch: 4, cache: 'cache' };
    const alone = await lossesOf('unasked', { data, distillation: { teachers, hardLabels: 0.25 } });
    const without = await lossesOf('without', {});
    for (const [i, loss] of without.learned.entries()) expect(alone.learned[i]).toBeCloseTo(loss, 4);
    const asked = await lossesOf('asked', { distillation: { teachers, hardLabels: 0.25 } });
    expect(asked.learned[0]).not.toBeCloseTo(alone.learned[0], 2);
  });

  it('learns the same from the same teacher twice, and with topK of all tokens', async () => {
    const { learned } = await lossesOf('plain', { distillation: { teachers } });
    const twice = [{ path: 'one.gguf', weight: 3 }, { path: 'one.gguf' }];
    const ensemble = await lossesOf('ensemble', { distillation: { teachers: twice } });
    const all = await lossesOf('all', { distillation: { teachers, topK: 1000 } });
    for (const [i, loss] of learned.entries()) {
      expect(ensemble.learned[i]).toBeCloseTo(loss, 3);
      expect(all.learned[i]).toBeCloseTo(loss, 3);
    }
    const others = await lossesOf('others', { distillation: { teachers: [...teachers, { path: 'two.gguf' }] } });
    expect(others.learned).not.toEqual(learned);
  });

  it('resumes exactly, including the sampled tail', async () => {
    const distillation = { teachers, topK: 3, tail: 4 };
    const { learned } = await lossesOf('whole', { distillation });
    const path = await run.recipe({ ...JSON.parse(await readFile(run.path('whole.json'), 'utf8')), ...apart('cut') });
    const controller = new AbortController();
    const onLine = ({ step }: LogLine) => step === 9 && controller.abort();
    await expect(train(path, { backend, signal: controller.signal, onLine })).rejects.toThrow();
    await train(path, { backend, resume: true });
    const steps = (await run.log('cut')).filter(({ kind }) => kind === 'step') as { loss?: number }[];
    expect(steps.map(({ loss }) => loss)).toEqual(learned);
  });

  it("can have a tokenizer with a subset of the teacher's tokens", async () => {
    const large = { ...apart('large'), tokenizer: { size: 320 }, steps: 20 };
    await train(await run.recipe(large, 'large.json'), { backend });
    const tokenizer = { size: 290, subsetOf: 'large.gguf', special: ['<|endoftext|>'] };
    const distillation = { teachers: [{ path: 'large.gguf' }] };
    const { learned } = await lossesOf('smaller', { tokenizer, distillation });
    expect(learned.at(-1)).toBeLessThan(learned[0] / 1.5);
  });

  it("gets the teacher's logits of its own tokens, whatever their ids", async () => {
    const checkpoint = await openCheckpoint(run.path('one.gguf'));
    const own = checkpoint.tokenizer!;
    await checkpoint.close();
    const few = { ...own, tokens: own.tokens.slice(2).toReversed() };
    const step = { tokens: [3, 1, 4, 1], rows: Int32Array.of(1, 3), sequence: 4, index: 0, ...asked(2) };
    const told = async (tokenizer: typeof own, tokens: readonly number[]) => {
      const vocabulary = tokenizer.tokens.length;
      const limits = { maxTokens: 16, maxRows: 16, context: 16, backend, tokenizer, vocabulary, seed: 1 };
      const settings = { temperature: 1, reverse: 0, hardLabels: 0, tail: 0 };
      const teacher = await loadTeacher({ ...settings, teachers: [{ path: run.path('one.gguf'), weight: 1 }] }, limits);
      const logits = await teacher.logits({ ...step, tokens: Int32Array.from(tokens) });
      const rows = [0, 1].map((row) => [...logits.subarray(row * vocabulary, (row + 1) * vocabulary)]);
      teacher.dispose();
      return rows;
    };
    const last = few.tokens.length - 1;
    const found = await told(few, step.tokens);
    const all = await told(
      own,
      step.tokens.map((id) => last - id + 2),
    );
    expect(found).toEqual(all.map((row) => row.slice(2).toReversed()));
  });

  it('cannot have tokens that a teacher lacks', async () => {
    await writeFile(run.path('text.txt'), `${await readFile(run.path('text.txt'), 'utf8')}?`);
    const other = lossesOf('other', { tokenizer: { characters: true }, distillation: { teachers } });
    await expect(other).rejects.toThrow(OptionError);
    await expect(other).rejects.toThrow(/expected the student's tokens, but it lacks 1 of them, such as "\?"/);
  });
});

describe('top k tokens with a sampled tail', () => {
  it('equal the whole distribution on average', async () => {
    const checkpoint = await openCheckpoint(run.path('one.gguf'));
    const tokenizer = checkpoint.tokenizer!;
    await checkpoint.close();
    const vocabulary = tokenizer.tokens.length;
    const limits = { maxTokens: 16, maxRows: 16, context: 16, backend, tokenizer, vocabulary, seed: 1 };
    const settings = { temperature: 2, reverse: 0, hardLabels: 0.5, tail: 0 };
    const from = [{ path: run.path('one.gguf'), weight: 1 }];
    const probabilities = async (topK: number | undefined, tail: number, index: number) => {
      const teacher = await loadTeacher({ ...settings, teachers: from, topK, tail }, limits);
      const step = { tokens: Int32Array.of(1, 2, 3, 4), rows: Int32Array.of(3), sequence: 4, ...asked(1) };
      const sum = new Float64Array(vocabulary);
      for (let i = 0; i < index; i++) {
        const weights = (await teacher.logits({ ...step, index: i })).map((logit) =>
          Math.exp(logit / settings.temperature),
        );
        const total = weights.reduce((all, weight) => all + weight, 0);
        weights.forEach((weight, id) => {
          sum[id] += weight / total / index;
        });
      }
      teacher.dispose();
      return sum;
    };
    const all = await probabilities(undefined, 0, 1);
    const drawn = await probabilities(3, 5, 2000);
    for (let id = 0; id < vocabulary; id++) expect(drawn[id]).toBeCloseTo(all[id], 2);
    const cut = await probabilities(3, 0, 1);
    expect(cut.filter((probability) => probability > 0)).toHaveLength(3);
    expect(cut.reduce((sum, probability) => sum + probability, 0)).toBeCloseTo(1, 5);
  });
});
