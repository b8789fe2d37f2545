/** Early exits: training on a frozen model, writing, loading, calibrating. */
import { readFile, writeFile } from 'node:fs/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeModel } from '../../scripts/models/index.ts';
import { calibrateExit, sampleExit, withPromise } from '../../src/adapt/index.ts';
import type { Checkpoint } from '../../src/formats/checkpoint.ts';
import { openCheckpoint } from '../../src/formats/open.ts';
import { EspalierError, FormatError, load } from '../../src/index.ts';
import { readExitHeader } from '../../src/models/exits.ts';
import { train } from '../../src/train/index.ts';
import { backend } from './backend.ts';
import { type TinyRun, tinyRun } from './tinyRun.ts';

const dimensions = { width: 64, heads: 2, kvHeads: 2, headSize: 32, ffn: 64, layers: 3, vocabulary: 320 };
let run: TinyRun;
beforeAll(async () => {
  run = await tinyRun();
  await writeFile(run.path('base.gguf'), await makeModel({ architecture: 'llama', format: 'Q8_0', dimensions }));
});
afterAll(() => run.remove());

const recipe = (changes: object = {}) =>
  run.recipe({
    name: 'exit',
    model: { start: 'base.gguf' },
    tokenizer: undefined,
    exit: { depth: 1, tokens: 96 },
    steps: 40,
    checkpoints: { folder: 'exit', every: 20 },
    output: { path: 'exit.gguf', format: 'Q8_0' },
    ...changes,
  });

describe('an exit', () => {
  it('learns what the whole model predicts, and leaves the model as it is', async () => {
    const before = await readFile(run.path('base.gguf'));
    const { parameters } = await train(await recipe(), { backend });
    expect(parameters).toBe(4 * 64 * 64 + 3 * 64 * 64 + 3 * 64);
    const losses = (await run.log('exit')).filter(({ kind }) => kind === 'evaluation') as { loss?: number }[];
    expect(losses.at(-1)!.loss).toBeLessThan(0.7 * losses[0].loss!);
    expect(await readFile(run.path('base.gguf'))).toEqual(before);
  });

  it('is loaded beside its model, and says how many prompts a promise takes', async () => {
    using model = await load(run.path('base.gguf'), { exit: run.path('exit.gguf'), backend });
    expect(model.exit).toMatchObject({ depth: 1, promises: [] });
    expect(model.exit!.tokens).toHaveLength(96);
    await expect(sampleExit(model, ['the pear'], { tokens: 1 })).rejects.toThrow(/tokens is 1, expected .* at least 2/);
    const samples = await sampleExit(model, ['the pear', 'a warm day', 'old'], { tokens: 12 });
    expect(samples).toHaveLength(3);
    expect(() => calibrateExit(samples)).toThrow(/prompts is 3, expected at least 30\d to promise a risk of 0.01/);
    // a loose promise on average is possible with one prompt
    const promise = calibrateExit(samples, { risk: 0.9, delta: 0 });
    const file = await withPromise(run.path('exit.gguf'), promise, model);
    using calibrated = await load(run.path('base.gguf'), { exit: file, backend });
    expect(calibrated.exit!.promises).toEqual([{ ...promise, ...calibrated.exit!.binding }]);
    expect(calibrated.exit!.binding).toEqual(model.exit!.binding);
    using session = calibrated.session();
    const options = { exit: 'calibrated', exitRisk: 0.95, maxTokens: 20 } as const;
    expect((await session.generate('the pear', options).result).tokens).toBeGreaterThan(0);
    expect(() => session.generate('the pear', { ...options, exitRisk: 0.5 })).toThrow(/calibrated for \(0.9\)/);
  });

  it('is refused by name if the recipe contradicts itself', async () => {
    const problem = async (changes: object) =>
      train(await recipe({ checkpoints: { folder: 'x' }, ...changes }), { backend });
    await expect(problem({ exit: { depth: 3 } })).rejects.toThrow(/exit.depth is 3, expected less than the 3 layers/);
    await expect(problem({ exit: { depth: 1, tokens: 400 } })).rejects.toThrow(/exit.tokens is 400/);
    await expect(problem({ lora: {} })).rejects.toThrow(/exit and lora are set/);
    await expect(problem({ distillation: { teachers: [{ path: 'base.gguf' }] } })).rejects.toThrow(/its own model/);
  });

  it('with any metadata is read or throws a typed error', async () => {
    const file = await openCheckpoint(run.path('exit.gguf'));
    const value = fc.oneof(
      fc.integer(),
      fc.double(),
      fc.string(),
      fc.array(fc.oneof(fc.integer(), fc.double())),
      fc.jsonValue(),
    );
    const keys = [
      ...file.metadata.keys(),
      ...['risk', 'delta', 'threshold', 'exited', 'prompts'].map((key) => `espalier.exit.${key}`),
    ];
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...keys), value, { minKeys: 1 }), (changes) => {
        const { name, kind, tensors, byteLength } = file;
        const metadata = new Map([...file.metadata, ...Object.entries(changes)]);
        const spoiled: Checkpoint = { name, kind, tensors, byteLength, metadata, close: async () => undefined };
        try {
          readExitHeader(spoiled);
        } catch (error) {
          expect(error).toBeInstanceOf(EspalierError);
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
    );
    await file.close();
  });
});
