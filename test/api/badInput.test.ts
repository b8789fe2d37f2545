/** What callers do wrong, and what happens to them: a typed error, the other sequences continue, and nothing leaks. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { load, MemoryError, OptionError } from '../../src/index.ts';
import { tinyModel } from './tinyModel.ts';

const built = fileURLToPath(new URL('../../dist/index.js', import.meta.url));
const CONTEXT = 128;
const prompt = (length: number, seed = 1) => Array.from({ length }, (_, i) => 3 + ((seed * 37 + i * i + 5 * i) % 90));

describe('a budget of no page', () => {
  it.each([0, 1, 100])('refuses each generation with the numbers: %s bytes', async (cacheBytes) => {
    const model = await load(await tinyModel(), { context: CONTEXT, cacheBytes, threads: 1 });
    const failed = await model
      .session()
      .generate([1, 2, 3], { maxTokens: 4 })
      .result.catch((error) => error);
    expect(failed).toBeInstanceOf(MemoryError);
    expect(failed.data).toMatchObject({ pages: expect.any(Number), availablePages: 0 });
    await expect(model.evaluate([1, 2], 'all', () => undefined)).rejects.toThrow(MemoryError);
    // the model is as it was
    expect(model.memoryBytes).toBeGreaterThan(0);
    model.dispose();
  });

  it.each([-1, Number.NaN, 'much'])('is refused as an option: %s', async (cacheBytes) => {
    const options = { context: CONTEXT, cacheBytes: cacheBytes as number };
    await expect(load(await tinyModel(), options)).rejects.toThrow(OptionError);
  });
});

describe('sequences beside one that fails', () => {
  it('give what they give alone: aborted prompts, disposed sessions, steps out of memory', async () => {
    const model = await load(await tinyModel(), { context: CONTEXT, stepTokens: 8, threads: 1 });
    const expected = await model.session().generate(prompt(60), { maxTokens: 20, temperature: 0 }).result;
    const others = [2, 3, 4].map((seed) => {
      const controller = new AbortController();
      const session = model.session();
      let calls = 0;
      const onProgress = () => {
        if (++calls < seed) return;
        if (seed === 4) session.dispose();
        else controller.abort(new Error('enough'));
      };
      return session
        .generate(prompt(100, seed), { signal: controller.signal, onProgress })
        .result.catch(({ code }) => code);
    });
    const found = await model.session().generate(prompt(60), { maxTokens: 20, temperature: 0 }).result;
    expect(found.ids).toEqual(expected.ids);
    const [first, second, disposed] = await Promise.all(others);
    expect([first, second]).toEqual([1, 2].map(() => expect.objectContaining({ finishReason: 'aborted' })));
    expect(disposed).toBe('DISPOSED');
    model.dispose();
  });
});

describe('50 rounds of load, 8 sessions, abort, dispose', () => {
  it('leave no memory and no threads behind', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'espalier-rounds-'));
    try {
      const path = join(folder, 'tiny.gguf');
      writeFileSync(path, await tinyModel());
      const script = `
        import { readdirSync } from 'node:fs';
        import { load } from ${JSON.stringify(built)};
        const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
        const threads = () => ${existsSync('/proc/self/task')} ? readdirSync('/proc/self/task').length : 0;
        const seen = [];
        for (let round = 0; round < 50; round++) {
          const model = await load(${JSON.stringify(path)}, { context: 128, threads: 2, stepTokens: 16 });
          const controller = new AbortController();
          const sessions = Array.from({ length: 8 }, () => model.session());
          const results = sessions.map((session, i) => {
            const ids = Array.from({ length: 20 + 8 * i }, (_, at) => 3 + ((at * 7 + i) % 90));
            let steps = 0;
            const onProgress = () => { if (++steps === 3 && i === 7) controller.abort(new Error('enough')); };
            const { signal } = i % 2 ? controller : {};
            return session.generate(ids, { maxTokens: 6, signal, onProgress }).result;
          });
          if (round % 5 === 4) model.dispose();
          await Promise.allSettled(results);
          if (round % 3 === 0) for (const session of sessions) session.dispose();
          model.dispose();
          await pause(10);
          globalThis.gc();
          if (round % 10 === 9) {
            await pause(300);
            globalThis.gc();
            const { rss, external, heapUsed, arrayBuffers } = process.memoryUsage();
            seen.push({ rss, external, heapUsed, arrayBuffers, threads: threads() });
          }
        }
        console.log(JSON.stringify(seen));`;
      const args = ['--expose-gc', '--input-type=module', '-e', script];
      const seen: Record<string, number>[] = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }));
      const [first, last] = [seen[0], seen.at(-1)!];
      console.log(
        seen
          .map(
            ({ rss, heapUsed, threads }) =>
              `${Math.round(rss / 1e6)} MB, heap ${Math.round(heapUsed / 1e6)} MB, ${threads} threads`,
          )
          .join('; '),
      );
      expect(last.threads).toBeLessThanOrEqual(first.threads);
      expect(last.rss - first.rss).toBeLessThan(40e6);
      expect(last.heapUsed - first.heapUsed).toBeLessThan(5e6);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('work that cannot run', () => {
  it('is refused with a token id outside of the vocabulary, also in a sequence of a tool', async () => {
    using model = await load(await tinyModel(), { context: CONTEXT, threads: 1 });
    const sequence = model.sequence();
    for (const id of [99_999, -1, 1.5, Number.NaN])
      await expect(sequence.next(id)).rejects.toThrow(/id 0 of tokens is .*, expected a whole number from 0 to/);
    await sequence.next(2);
    sequence.free();
  });

  it('fails where a pacer throws, and runs again without it', async () => {
    using model = await load(await tinyModel(), { context: CONTEXT, threads: 1 });
    const run = () => model.session().generate([1, 2, 3], { maxTokens: 4, temperature: 0 }).result;
    const { ids } = await run();
    const broken = () => {
      throw new Error('the sensors are gone');
    };
    model.setPacer({ wait: broken, threads: () => undefined, observe: () => undefined });
    for (const each of await Promise.allSettled([run(), run()]))
      expect(each).toMatchObject({ status: 'rejected', reason: { message: 'the sensors are gone' } });
    model.setPacer(undefined);
    expect((await run()).ids).toEqual(ids);
  });

  it('ends with the model while it waits for memory', async () => {
    const whole = await load(await tinyModel(), { context: CONTEXT, threads: 1 });
    const { cacheBytes } = whole.estimate;
    whole.dispose();
    const model = await load(await tinyModel(), { context: CONTEXT, threads: 1, cacheBytes });
    // a stream whose consumer has stopped reading holds all of the memory
    const holder = model.session().generate(prompt(90), { maxTokens: 20, stop: [] });
    const held = holder.result.catch(({ code }) => code);
    const pieces = holder[Symbol.asyncIterator]();
    await pieces.next();
    const waiting = model.session().generate(prompt(90, 2), { maxTokens: 20 }).result;
    const ended = waiting.catch(({ code }) => code);
    model.dispose();
    expect(await ended).toBe('DISPOSED');
    await pieces.return?.();
    await held;
  });
});
