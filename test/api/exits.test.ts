/** An early exit changes the speed of a text; lossless never its tokens, calibrated only those that leave. */
import { describe, expect, it } from 'vitest';
import { writeGguf } from '../../src/formats/gguf/write.ts';
import { openCheckpoint } from '../../src/formats/open.ts';
import { type GenerateOptions, type LoadOptions, load } from '../../src/index.ts';
import type { BoundPromise, ExitHeader, ExitPromise } from '../../src/models/exitPart.ts';
import { exitMetadata, freshExit, readExitHeader } from '../../src/models/exits.ts';
import { tinyModel } from './tinyModel.ts';

const prompts = [[1, 40, 41, 42], [1, 9, 8, 7, 6, 5], [1]];
const promise = { risk: 0.01, delta: 0.05, exited: 0.5, prompts: 400 };

/** An untrained exit after the first layer. */
async function exitOf(
  model: Uint8Array,
  promises: readonly BoundPromise[] = [],
  changes: Partial<ExitHeader> = {},
): Promise<Uint8Array> {
  const base = await openCheckpoint(model);
  const vocabulary = base.tensors.get('token_embd.weight')!.shape[0];
  const exit = freshExit(
    base,
    1,
    Int32Array.from({ length: Math.floor(vocabulary / 2) }, (_, i) => 2 * i),
  );
  const tensors = await Promise.all(
    [...exit.tensors.values()].map(async ({ name, shape, format, byteLength, read }) => {
      const data = new Uint8Array(byteLength);
      await read(0, data);
      return { name, shape, format, data };
    }),
  );
  const parts: Uint8Array[] = [];
  const sink = { write: async (bytes: Uint8Array) => void parts.push(bytes.slice()) };
  await writeGguf(sink, { metadata: exitMetadata({ ...readExitHeader(exit), promises, ...changes }), tensors });
  return new Uint8Array(Buffer.concat(parts));
}

/** An untrained exit with promises for this model. */
async function calibrated(model: Uint8Array, promises: readonly ExitPromise[]): Promise<Uint8Array> {
  using loaded = await load(model, { exit: await exitOf(model) });
  const { binding } = loaded.exit!;
  return exitOf(
    model,
    promises.map((each) => ({ ...each, ...binding })),
  );
}

const settings: readonly GenerateOptions[] = [
  { maxTokens: 70 },
  { maxTokens: 50, temperature: 0.7, seed: 5 },
  { maxTokens: 50, temperature: 1, seed: 6, repetitionPenalty: 1.2 },
  {},
];

describe('an exit', () => {
  it.each(['F32', 'Q4_0'])('drafts without changing a token, in %s', async (format) => {
    const file = await tinyModel('llama', format);
    using early = await load(file, { exit: await exitOf(file), context: 160 });
    using alone = await load(file, { context: 160 });
    let drafted = 0;
    for (const prompt of prompts)
      for (const options of settings) {
        const fixed = { seed: 1, ...options };
        using session = early.session();
        using other = alone.session();
        const a = await session.generate(prompt, { ...fixed, exit: 'lossless' }).result;
        const b = await other.generate(prompt, { ...fixed, draft: 'off' }).result;
        expect([a.ids, a.text, a.finishReason]).toEqual([b.ids, b.text, b.finishReason]);
        // a session continues after it, with the keys and values of all layers
        const next = [...prompt, ...a.ids.slice(0, 20), 3];
        const [c, d] = await Promise.all(
          [session, other].map((each) => each.generate(next, { maxTokens: 12, seed: 1 }).result),
        );
        expect(c.ids).toEqual(d.ids);
        drafted += a.draftedTokens;
      }
    expect(drafted).toBeGreaterThan(0);
  });

  it('takes confident tokens, and computes all others with the whole model', async () => {
    const file = await tinyModel('llama', 'Q8_0');
    using alone = await load(file, { context: 160 });
    const found: [exited: number, different: number][] = [];
    // the exit is untrained: with a small risk, two tokens that the online check compares would end it
    const exitRisk = 0.9;
    for (const threshold of [1e9, 0.3, 0.1, -1]) {
      const exit = await calibrated(file, [{ ...promise, risk: exitRisk, threshold }]);
      using early = await load(file, { exit, context: 160 });
      using session = early.session();
      const options = { maxTokens: 60, exit: 'calibrated', exitRisk } as const;
      const { ids, exitedTokens } = await session.generate(prompts[0], options).result;
      const all = [...prompts[0], ...ids];
      let different = 0;
      const rows = ids.map((_, i) => prompts[0].length - 1 + i);
      await alone.evaluate(all, rows, (row, logits) => {
        if (logits.indexOf(Math.max(...logits)) !== all[row + 1]) different++;
      });
      expect(different).toBeLessThanOrEqual(exitedTokens);
      found.push([exitedTokens, different]);
      // the first token follows from the prompt, which runs through all layers
      if (threshold < 0) expect(exitedTokens).toBeGreaterThanOrEqual(ids.length - 1);
    }
    expect(found[0]).toEqual([0, 0]);
    expect(found[3][0]).toBeGreaterThan(0);
  });

  it('goes on with the whole model, and says why, where tokens contradict the promise', async () => {
    const file = await tinyModel('llama', 'Q8_0');
    using early = await load(file, { exit: await calibrated(file, [{ ...promise, threshold: -1 }]), context: 600 });
    using session = early.session();
    // of some 560 wrong tokens at least two are compared, whatever is drawn for this seed
    const options = { maxTokens: 590, exit: 'calibrated', seed: 1 } as const;
    const { ids, exitedTokens, exitProblem } = await session.generate(prompts[0], options).result;
    expect(exitProblem).toMatch(/differed from the whole model/);
    expect(exitedTokens).toBeLessThan(ids.length - 1);
  });

  it('runs beside other streams', async () => {
    const file = await tinyModel('llama', 'Q8_0');
    using model = await load(file, { exit: await exitOf(file), context: 160 });
    const texts = (concurrent: boolean) => {
      const runs = prompts.map((prompt, i) => async () => {
        using session = model.session();
        const exit = i === 1 ? 'off' : 'lossless';
        return (await session.generate(prompt, { maxTokens: 40, exit, draft: 'off' }).result).ids;
      });
      if (concurrent) return Promise.all(runs.map((run) => run()));
      return runs.reduce<Promise<(readonly number[])[]>>(
        async (before, run) => [...(await before), await run()],
        Promise.resolve([]),
      );
    };
    expect(await texts(true)).toEqual(await texts(false));
  });

  it('keeps its promise only with the weights and the formats that it was calibrated with', async () => {
    const file = await tinyModel('llama', 'Q8_0');
    const exit = await calibrated(file, [{ ...promise, threshold: 2 }]);
    const generate = async (source: Uint8Array, options: LoadOptions) => {
      using model = await load(source, { exit, context: 64, ...options });
      const notes = model.backend.limits.filter((limit) => limit.startsWith('exit: '));
      // a lossless exit promises nothing
      expect((await model.session().generate([1], { exit: 'lossless', maxTokens: 9 }).result).tokens).toBe(9);
      const early = async () => await model.session().generate([1], { exit: 'calibrated', maxTokens: 9 }).result;
      return { notes, problem: await early().then(() => 'none', String) };
    };
    expect(await generate(file, {})).toEqual({ notes: [], problem: 'none' });
    // the fingerprint samples each tensor, and training changes all of them
    const tuned = file.slice();
    for (let i = tuned.length - 5; i > tuned.length / 2; i -= 97) tuned[i] ^= 1;
    for (const [source, options, why] of [
      [await tinyModel('llama', 'Q4_0'), {}, 'other weights or formats of weights'],
      [tuned, {}, 'other weights or formats of weights'],
      [file, { exact: true }, 'other weights or formats of weights'],
      [file, { kv: 'q8_0' }, 'keys and values in F16'],
    ] as const) {
      const { notes, problem } = await generate(source, options);
      expect(notes).toEqual([`exit: the promise of 0.01 was calibrated with ${why}, and is not used`]);
      expect(problem).toMatch(`exitRisk is 0.01, expected a risk that the exit was calibrated for (none`);
      expect(problem).toMatch(`the promise of 0.01 was calibrated with ${why}`);
    }
  });

  it('is refused by name where it cannot be used', async () => {
    const file = await tinyModel('llama', 'Q8_0');
    using plain = await load(file);
    expect(() => plain.session().generate([1], { exit: 'lossless' })).toThrow(/loaded with the option 'exit'/);
    using model = await load(file, { exit: await calibrated(file, [{ ...promise, threshold: 2 }]) });
    const generate = (options: GenerateOptions) => () => model.session().generate([1], options);
    expect(generate({ exit: 'calibrated', temperature: 1 })).toThrow(/temperature is 1, expected 0/);
    expect(generate({ exit: 'calibrated', exitRisk: 0.001 })).toThrow(/exitRisk is 0.001/);
    expect(generate({ exit: 'lossless', logProbabilities: 1 })).toThrow(/logProbabilities/);
    for (const exit of ['lossless', 'off'] as const)
      expect(generate({ exit, exitRisk: 0.01 })).toThrow(/exitRisk is 0.01, expected .*calibrated/);
    await expect(load(file, { exit: file })).rejects.toThrow(/it is no exit/);
    const other = await exitOf(await tinyModel('qwen3', 'Q8_0'));
    await expect(load(file, { exit: other })).rejects.toThrow(/for architecture qwen3, but .* is llama/);
    // of the model before blocks or tokens were removed
    const deeper = await exitOf(file, [], { layers: 7 });
    await expect(load(file, { exit: deeper })).rejects.toThrow(/for a model with 7 layers, but .* has \d+: train/);
    const larger = await exitOf(file, [], { vocabulary: 9999 });
    await expect(load(file, { exit: larger })).rejects.toThrow(/a vocabulary of 9999 tokens, but .* has \d+: train/);
  });
});
