import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { estimate, type LoadOptions, load, MemoryError, openCheckpoint } from '../../src/index.ts';
import { startHub } from '../hubServer.ts';
import { tinyModel } from './tinyModel.ts';

describe('loading', () => {
  test('describes the model', async () => {
    const model = await load(await tinyModel('llama', 'Q4_0'));
    expect(model.summary).toMatchObject({
      architecture: 'llama',
      trainedContext: 2048,
      vocabulary: 512,
      chatTemplate: false,
      formats: { Q4_0: expect.any(Number), F32: expect.any(Number) },
    });
    expect(model.context).toBe(2048);
    model.dispose();
  });

  test('takes a checkpoint that is open, and leaves it open', async () => {
    const checkpoint = await openCheckpoint(await tinyModel());
    let closed = 0;
    const close = checkpoint.close.bind(checkpoint);
    checkpoint.close = async () => {
      closed++;
      await close();
    };
    const needs = await estimate(checkpoint, { context: 64 });
    const models = [await load(checkpoint, { context: 64 }), await load(checkpoint, { context: 32 })];
    expect(models[0].estimate.weightBytes).toBe(needs.weightBytes);
    expect(await models[0].logProbabilities([1, 2, 3])).toEqual(await models[1].logProbabilities([1, 2, 3]));
    for (const model of models) model.dispose();
    expect(closed).toBe(0);
    await checkpoint.close();
    await expect(load({ tensors: 3 } as never)).rejects.toThrow(/source is an object|expected a path/);
  });

  test('reports progress in bytes up to the total', async () => {
    const seen: number[] = [];
    const model = await load(await tinyModel(), {
      context: 64,
      onProgress: ({ stage, done, total, unit }) => {
        expect([stage, unit]).toEqual(['load', 'bytes']);
        seen.push(done / total);
      },
    });
    expect(seen.at(-1)).toBe(1);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    model.dispose();
  });

  test('reads a file from a server in order, and no byte twice', async () => {
    const hub = await startHub();
    hub.files.set('/tiny.gguf', await tinyModel('llama', 'Q4_0'));
    const model = await load(`${hub.url}/tiny.gguf`, { context: 64 });
    model.dispose();
    await hub.close();
    const starts = hub.requests.filter(({ range }) => range).map(({ range }) => Number(/\d+/.exec(range!)![0]));
    // reading the header may go a little beyond its end
    expect(starts.length).toBeLessThanOrEqual(2);
    expect(starts).toEqual([...starts].sort((a, b) => a - b));
  });

  test('can be aborted', async () => {
    await expect(load(await tinyModel(), { signal: AbortSignal.abort() })).rejects.toMatchObject({
      name: 'AbortError',
    });
  });

  test.each([
    [{ contxt: 5 } as LoadOptions, /option contxt is 5, expected one of the options signal/],
    [{ context: 0 }, /context is 0, expected a whole number from 1/],
    [{ kv: 'q4_0' } as unknown as LoadOptions, /kv is "q4_0", expected 'f32' or 'f16' or 'q8_0'/],
    [{ backend: 'cuda' } as unknown as LoadOptions, /backend is "cuda", expected 'auto' or/],
  ])('the options %o are rejected', async (options, message) => {
    await expect(load(await tinyModel(), options)).rejects.toThrow(message);
  });

  test('learned positions limit the context', async () => {
    await expect(load(await tinyModel('gpt2'), { context: 4096 })).rejects.toThrow(
      /context is 4096, expected at most 512/,
    );
  });
});

describe('memory', () => {
  test('is estimated before loading', async () => {
    const bytes = await tinyModel();
    const reckoned = await estimate(bytes, { context: 1000, kv: 'f16' });
    // two layers, keys and values of 4 heads of 32, two bytes each, in pages of 16 positions
    expect(reckoned.cacheBytes).toBe(2 * 2 * 1008 * 4 * 32 * 2);
    expect(reckoned.weightBytes).toBeLessThan(bytes.length);
    expect(reckoned.weightBytes).toBeGreaterThan(0.9 * bytes.length);
    expect(reckoned.totalBytes).toBe(reckoned.weightBytes + reckoned.cacheBytes + reckoned.activationBytes);
    expect(reckoned.fits).toBe(true);
    const eighth = await estimate(bytes, { context: 1000, kv: 'q8_0' });
    expect(eighth.cacheBytes / reckoned.cacheBytes).toBeCloseTo(34 / 64, 6);
  });

  test('that is not available throws an error with the numbers', async () => {
    const bytes = await tinyModel();
    const options = { context: 2 ** 24 };
    const reckoned = await estimate(bytes, options);
    expect(reckoned.fits).toBe(false);
    const refusal = await load(bytes, options).catch((error) => error);
    expect(refusal).toBeInstanceOf(MemoryError);
    expect(refusal.message).toContain(`needs ${reckoned.totalBytes.toLocaleString('en-US')} bytes but`);
    expect(refusal.data).toMatchObject({ cacheBytes: reckoned.cacheBytes, weightBytes: reckoned.weightBytes });
  });
});

describe('disposing', () => {
  test('ends sessions, and may be repeated', async () => {
    const model = await load(await tinyModel(), { context: 64 });
    const session = model.session();
    const generation = session.generate('It was raining a bit');
    await generation.next();
    model.dispose();
    model.dispose();
    await expect(generation.result).rejects.toMatchObject({ code: 'DISPOSED' });
    expect(() => model.session()).toThrow(/disposed/);
    expect(() => session.dispose()).not.toThrow();
  });

  test('releases memory and threads, over 50 loads', async () => {
    setFlagsFromString('--expose-gc');
    const collect: () => void = runInNewContext('gc');
    const bytes = await tinyModel('llama', 'Q8_0');
    const once = async () => {
      const model = await load(bytes, { context: 2048, kv: 'f32', threads: 2 });
      await model.session().generate('One day', { maxTokens: 2 }).result;
      model.dispose();
    };
    const settled = async () => {
      await sleep(200);
      collect();
      await sleep(200);
      return process.memoryUsage().rss;
    };
    const handles = process.getActiveResourcesInfo().length;
    for (let i = 0; i < 5; i++) await once();
    const before = await settled();
    for (let i = 0; i < 45; i++) await once();
    const grown = (await settled()) - before;
    expect(process.getActiveResourcesInfo().length).toBeLessThanOrEqual(handles + 1);
    // each load takes about 6 MB; 45 leaks would be 270 MB
    expect(grown).toBeLessThan(40e6);
  });
});
