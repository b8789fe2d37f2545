/** Many sessions at a time: they share steps and prefixes, take turns, wait for memory, and never disturb each other. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { load, MemoryError, type Model } from '../../src/index.ts';
import { tinyModel } from './tinyModel.ts';

const CONTEXT = 256;
let bytes: Uint8Array;
let model: Model;
beforeAll(async () => {
  bytes = await tinyModel();
  model = await load(bytes, { context: CONTEXT, threads: 2 });
});
afterAll(() => model.dispose());

const prompt = (seed: number, length: number) =>
  Array.from({ length }, (_, i) => 3 + ((seed * 37 + i * i + 5 * i) % 90));

/** Continuation of a prompt by a fresh model, without other sequences. */
async function alone(ids: readonly number[], options: object): Promise<readonly number[]> {
  const fresh = await load(bytes, { context: CONTEXT, threads: 1, stepTokens: 16 });
  const { ids: found } = await fresh.session().generate(ids, options).result;
  fresh.dispose();
  return found;
}

describe('sessions that generate at the same time', () => {
  it('give what each gives alone, greedily and by seed', async () => {
    const all = Array.from({ length: 9 }, (_, i) => ({
      ids: prompt(i, 3 + 11 * i),
      options: { maxTokens: 12, temperature: i % 2, seed: i, stop: [] },
    }));
    const found = await Promise.all(all.map(({ ids, options }) => model.session().generate(ids, options).result));
    for (const [i, { ids, options }] of all.entries()) expect(found[i].ids).toEqual(await alone(ids, options));
  });

  it('share steps: more of them need hardly more steps', async () => {
    let steps = 0;
    const counted = await load(bytes, { context: CONTEXT, trace: true, threads: 1 });
    const onProgress = () => {
      steps++;
    };
    const generate = (i: number) => counted.session().generate(prompt(i, 40), { maxTokens: 1, onProgress }).result;
    await Promise.all([0, 1, 2, 3].map(generate));
    expect(steps).toBe(4);
    counted.dispose();
  });

  it('do not compute what another one has computed, and do not change it', async () => {
    const shared = prompt(100, 100);
    const first = model.session();
    await first.generate(shared, { maxTokens: 2 }).result;
    const second = await model.session().generate([...shared, 7, 8], { maxTokens: 5 }).result;
    expect(second.reusedTokens).toBe(96);
    expect(second.ids).toEqual(await alone([...shared, 7, 8], { maxTokens: 5 }));
    const clone = first.clone();
    const [a, b] = await Promise.all([
      first.generate([...shared, 9], { maxTokens: 5 }).result,
      clone.generate([...shared, 11], { maxTokens: 5 }).result,
    ]);
    expect(a.ids).toEqual(await alone([...shared, 9], { maxTokens: 5 }));
    expect(b.ids).toEqual(await alone([...shared, 11], { maxTokens: 5 }));
  });

  it('are cancelled before the next step, in the prompt too, and others go on', async () => {
    const small = await load(bytes, { context: CONTEXT, stepTokens: 8, threads: 1 });
    const controller = new AbortController();
    const seen: number[] = [];
    const cancelled = small.session();
    const first = cancelled.generate(prompt(1, 200), {
      signal: controller.signal,
      onProgress: ({ done }) => {
        seen.push(done);
        if (seen.length === 3) controller.abort(new Error('enough'));
      },
    });
    const second = small.session().generate(prompt(2, 60), { maxTokens: 6 }).result;
    await expect(first.next()).rejects.toThrow('enough');
    expect(seen).toHaveLength(3);
    expect((await second).ids).toEqual(await alone(prompt(2, 60), { maxTokens: 6 }));
    // what was computed of the prompt is not computed again
    const again = await cancelled.generate(prompt(1, 200), { maxTokens: 4 }).result;
    expect(again.reusedTokens).toBe(seen.at(-1));
    expect(again.ids).toEqual(await alone(prompt(1, 200), { maxTokens: 4 }));
    small.dispose();
  });
});

describe('memory of sessions', () => {
  it('is what their positions take', async () => {
    const own = await load(bytes, { context: 4096, threads: 1 });
    const before = own.memoryBytes;
    const sessions = Array.from({ length: 32 }, () => own.session());
    await Promise.all(sessions.map((session, i) => session.generate(prompt(i, 90), { maxTokens: 11 }).result));
    const positions = sessions.reduce((sum, { tokens }) => sum + tokens.length, 0);
    expect(positions).toBe(32 * 100);
    const perPosition = own.estimate.cacheBytes / 4096;
    expect((own.memoryBytes - before) / (positions * perPosition)).toBeLessThan(1.2);
    own.dispose();
  });

  it('is waited for where it is short, first come, first served, and none is lost', async () => {
    // room for two of them at a time: 3 pages and one to copy, each
    const { cacheBytes } = await pageBytes();
    const short = await load(bytes, { context: CONTEXT, cacheBytes: 8 * cacheBytes, threads: 1 });
    const finished: number[] = [];
    const all = await Promise.all(
      Array.from({ length: 64 }, async (_, i) => {
        const { ids } = await short.session().generate(prompt(i, 40), { maxTokens: 4 }).result;
        finished.push(i);
        return ids.length;
      }),
    );
    expect(all.filter((count) => count > 0)).toHaveLength(64);
    for (const [place, i] of finished.entries()) expect(Math.abs(place - i)).toBeLessThanOrEqual(2);
    short.dispose();
  });

  it('that can never be there is refused with the numbers, and others go on', async () => {
    const { cacheBytes } = await pageBytes();
    const short = await load(bytes, { context: CONTEXT, cacheBytes: 6 * cacheBytes, threads: 1 });
    const fitting = short.session().generate(prompt(1, 20), { maxTokens: 20 }).result;
    const refusal = await short
      .session()
      .generate(prompt(2, 100), { maxTokens: 8 })
      .result.catch((error) => error);
    expect(refusal).toBeInstanceOf(MemoryError);
    expect(refusal.data).toMatchObject({ pages: 8, availablePages: 6, needed: 8 * cacheBytes });
    expect((await fitting).tokens).toBe(20);
    // without a maximum of tokens it ends where the room does
    const open = await short.session().generate(prompt(3, 10), { stop: [] }).result;
    expect(['context', 'stop']).toContain(open.finishReason);
    short.dispose();

    const none = await load(bytes, { context: CONTEXT, cacheBytes: 0, threads: 1 });
    await expect(none.session().generate([3, 4], { maxTokens: 1 }).result).rejects.toThrow(MemoryError);
    none.dispose();
  });

  it('is released by those who leave while they wait, are aborted or disposed of', async () => {
    const { cacheBytes } = await pageBytes();
    const short = await load(bytes, { context: CONTEXT, cacheBytes: 6 * cacheBytes, prefixCacheBytes: 0, threads: 1 });
    const before = short.memoryBytes;
    for (let round = 0; round < 10; round++) {
      const controller = new AbortController();
      const running = short.session();
      const stream = running.generate(prompt(round, 20), { maxTokens: 40 });
      await stream.next();
      const waiting = short.session();
      const refused = waiting.generate(prompt(round + 50, 20), { maxTokens: 40, signal: controller.signal }).result;
      controller.abort(new Error('no more'));
      expect((await refused).finishReason).toBe('aborted');
      if (round % 2 === 0) await stream.return();
      else running.dispose();
      if (round % 2 === 1) await expect(stream.result).rejects.toMatchObject({ code: 'DISPOSED' });
      running.dispose();
      waiting.dispose();
    }
    expect(short.memoryBytes - before).toBeLessThan(cacheBytes);
    short.dispose();
  });
});

/** Bytes of a page of the model's keys and values. */
async function pageBytes(): Promise<{ readonly cacheBytes: number }> {
  return { cacheBytes: model.estimate.cacheBytes / (CONTEXT / 16) };
}

describe('logits of a whole model', () => {
  const formats = ['Q4_0', 'Q8_0', 'Q5_1', 'Q4_K', 'Q6_K', 'Q2_K', 'IQ4_XS', 'TQ2_0', 'MXFP4', 'F16', 'BF16', 'F32'];

  it.each(formats)(
    'in %s have the same bits in pieces of any size, with any number of threads, and in company',
    async (format) => {
      const file = await tinyModel('llama', format);
      const ids = prompt(5, 40);
      const logits = async (stepTokens: number, threads: number, company = 0): Promise<number[]> => {
        const fresh = await load(file, { context: CONTEXT, stepTokens, threads });
        const others = Array.from(
          { length: company },
          (_, i) => fresh.session().generate(prompt(i, 7 + i), { maxTokens: 30, temperature: 0, stop: [] }).result,
        );
        const rows: number[] = [];
        await fresh.evaluate(ids, 'all', (_, values) => void rows.push(...values));
        await Promise.all(others);
        fresh.dispose();
        return rows;
      };
      const expected = Float32Array.from(await logits(1, 1));
      for (const [stepTokens, threads, company] of [
        [3, 1, 0],
        [8, 2, 0],
        [64, 2, 0],
        [16, 2, 5],
      ] as const) {
        const found = Float32Array.from(await logits(stepTokens, threads, company));
        expect(
          Buffer.compare(Buffer.from(found.buffer), Buffer.from(expected.buffer)),
          `${stepTokens} ${threads}`,
        ).toBe(0);
      }
    },
  );
});
