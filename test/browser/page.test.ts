/** The API in a page, where the model runs in a worker: the same calls, errors, signals and streams as elsewhere. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { makeModel } from '../../scripts/models/index.ts';
import type * as Espalier from '../../src/index.ts';
import { haveChromium, openPage, startChromium } from './chromium.ts';
import { isolation, type PageServer, servePages } from './pageServer.ts';

declare const espalier: typeof Espalier;

const PROMPT = 'Once upon a time there was a tree';
/** Response headers of a page with a strict security policy. */
const strict = {
  ...isolation,
  'content-security-policy': "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src data:",
};

describe.skipIf(!haveChromium())('a page', () => {
  let browser: Browser;
  let server: PageServer;
  let page: Page;
  let errors: string[];

  beforeAll(async () => {
    server = await servePages();
    server.files.set('/tiny.gguf', await makeModel({ architecture: 'llama', format: 'Q4_0' }));
    server.pages.set('/strict.html', strict);
    browser = await startChromium();
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });
  beforeEach(async () => {
    server.withoutWorkerFile = false;
    ({ page, errors } = await openPage(browser, server.isolated));
  });
  afterEach(async () => {
    await page.close();
  });

  it('adapts to what the page knows of its device, and tells the page why', async () => {
    const found = await page.evaluate(async (prompt) => {
      const events: { why: string; signals: string[] }[] = [];
      const onChange = ({ why, signals }: Espalier.AdaptEvent) => events.push({ why, signals: Object.keys(signals) });
      const model = await espalier.load('/tiny.gguf', { threads: 2, adapt: { deadlineMs: 1000, onChange } });
      const { ids } = await model.session().generate(prompt, { maxTokens: 12 }).result;
      const alone = await espalier.load('/tiny.gguf', { threads: 2 });
      const expected = await alone.session().generate(prompt, { maxTokens: 12 }).result;
      for (let i = 0; i < 100 && events.length === 0; i++) await new Promise((resolve) => setTimeout(resolve, 50));
      const wrong = await espalier.load('/tiny.gguf', { adapt: { deadlineMs: -1 } }).catch((error) => error.message);
      model.dispose();
      alone.dispose();
      return { ids, expected: expected.ids, event: events[0], wrong };
    }, PROMPT);
    expect(found.ids).toEqual(found.expected);
    expect(found.event?.why).toMatch(/^\d threads?: 95% of the tokens in [\d.]+ ms of 1000$/);
    expect(found.event?.signals).toEqual(expect.arrayContaining(['at', 'hidden']));
    expect(found.wrong).toMatch(/deadlineMs is -1/);
  });

  it('has its model in a worker, whose fields it shows and whose methods it calls', async () => {
    const found = await page.evaluate(async (prompt) => {
      const model = await espalier.load('/tiny.gguf', { threads: 2 });
      const session = model.session();
      const before = { tokens: session.tokens.length, context: session.context };
      const { text, ids, promptTokens } = await session.generate(prompt, { temperature: 0, maxTokens: 12 }).result;
      const clone = session.clone();
      const again = await clone.generate(prompt, { temperature: 0, maxTokens: 12 }).result;
      const rows: number[] = [];
      await model.evaluate([1, 2, 3], 'all', (row, values) => rows.push(row, values.length));
      const many = await model.generateMany(['a', 'b'], { temperature: 0, maxTokens: 4 });
      const [{ text: whole }] = await model.generateMany(['a'], { temperature: 0, maxTokens: 20 });
      const stop = [...whole].slice(1, 3).join('');
      const nextTurn = (parts: number) => (parts < 2 ? '; then ' : undefined);
      const [turns] = await model.generateMany(['a'], { temperature: 0, maxTokens: 20, stop, nextTurn });
      const outcome = {
        before,
        text,
        same: again.text === text,
        reused: again.reusedTokens === promptTokens - 1,
        tokens: session.tokens.length,
        context: model.context === session.context,
        backend: model.backend,
        architecture: model.summary.architecture,
        fits: model.estimate.fits,
        memory: model.memoryBytes > 0,
        decoded: await model.tokenizer.decode(ids, { continues: true }),
        special: model.tokenizer.endOfGeneration instanceof Set,
        embedding: (await model.embed('a tree')) instanceof Float32Array,
        logProbabilities: (await model.logProbabilities('a tree')).length > 0,
        rows,
        vocabulary: model.summary.vocabulary,
        many: many.map(({ tokens }) => tokens),
        turns: turns.parts.length,
        joined: turns.text === turns.parts.join('; then '),
        isModel: 'session' in model,
        members: Object.keys(model).includes('summary'),
      };
      model.dispose();
      return { ...outcome, after: model.memoryBytes, still: model.backend.backend };
    }, PROMPT);
    expect(found).toMatchObject({
      before: { tokens: 0 },
      same: true,
      reused: true,
      context: true,
      backend: { backend: 'wasm', settings: { threads: 2 }, limits: [] },
      architecture: 'llama',
      fits: true,
      memory: true,
      special: true,
      embedding: true,
      logProbabilities: true,
      many: [4, 4],
      turns: 2,
      joined: true,
      isModel: true,
      members: true,
      after: 0,
      still: 'wasm',
    });
    expect(found.decoded).toBe(found.text);
    expect(found.before.context).toBeGreaterThan(0);
    expect(found.tokens).toBeGreaterThan(12);
    expect(found.rows).toEqual([0, found.vocabulary, 1, found.vocabulary, 2, found.vocabulary]);
    await expect.poll(() => page.workers().length).toBe(0);
    expect(errors).toEqual([]);
  });

  it('streams pieces in order, stops where the loop is left, and goes on', async () => {
    const found = await page.evaluate(async (prompt) => {
      const model = await espalier.load('/tiny.gguf', { threads: 1 });
      const session = model.session();
      const all = await session.generate(prompt, { temperature: 0, maxTokens: 60 }).result;
      let text = '';
      for await (const piece of session.generate(prompt, { temperature: 0, maxTokens: 60 })) text += piece.text;
      const left = session.generate(prompt, { temperature: 0, maxTokens: 60 });
      let pieces = 0;
      for await (const _ of left) if (++pieces === 3) break;
      const reason = (await left.result).finishReason;
      const busy = session.generate(prompt);
      await busy.next();
      const code = await session.generate(prompt).result.catch((error) => error.code);
      await busy.return();
      const slow = session.generate(prompt, { temperature: 0, maxTokens: 60 });
      await slow.next();
      await new Promise((resolve) => setTimeout(resolve, 300));
      let rest = 1;
      for await (const _ of slow) rest++;
      model.dispose();
      return { same: text === all.text, tokens: all.tokens, pieces, reason, code, rest };
    }, PROMPT);
    expect(found).toMatchObject({ same: true, pieces: 3, reason: 'aborted', code: 'SESSION_BUSY' });
    expect(found.rest).toBeGreaterThan(20);
    expect(errors).toEqual([]);
  });

  it('meets the same errors, with class, code, data and cause', async () => {
    const found = await page.evaluate(async () => {
      const tell = (error: Espalier.EspalierError) => ({
        name: error.name,
        code: error.code,
        data: error.data,
        isError: error instanceof Error,
        isOurs: error instanceof espalier.EspalierError,
        isOption: error instanceof espalier.OptionError,
        stack: typeof error.stack,
      });
      const option = await espalier.load('/tiny.gguf', { threads: 0 }).catch(tell);
      const source = await espalier.load('/missing.gguf', { cache: { retry: { tries: 1 } } as never }).catch(tell);
      const model = await espalier.load('/tiny.gguf', { threads: 1, context: 64 });
      const bad = await model.session().generate('a', { topP: 7 }).result.catch(tell);
      const long = await model.session().generate('a '.repeat(500)).result.catch(tell);
      const thrown = await model
        .evaluate([1, 2], 'all', () => {
          throw new RangeError('the visitor had enough');
        })
        .catch(String);
      const session = model.session();
      session.dispose();
      const disposed = await session.generate('a').result.catch(tell);
      const reference = await espalier.load('/tiny.gguf', { threads: 1 });
      const elsewhere = await espalier.evaluateText(model, 'a tree', { reference }).catch(tell);
      reference.dispose();
      model.dispose();
      const gone = await model.session().generate('a').result.catch(tell);
      const uncloneable = await espalier.load({ getFile: 1 } as never).catch((error) => error.name);
      return { option, source, bad, long, thrown, disposed, elsewhere, gone, uncloneable };
    });
    expect(found.option).toMatchObject({
      name: 'OptionError',
      code: 'BAD_OPTION',
      isError: true,
      isOurs: true,
      isOption: true,
    });
    expect(found.option).toMatchObject({ data: { option: 'threads' }, stack: 'string' });
    expect(found.source).toMatchObject({ name: 'SourceError', isOurs: true, isOption: false });
    expect(found.bad).toMatchObject({ name: 'OptionError', data: { option: 'topP' } });
    expect(found.long).toMatchObject({ name: 'ContextError', data: { context: 64 } });
    expect(found.thrown).toBe('RangeError: the visitor had enough');
    expect(found.disposed).toMatchObject({ code: 'DISPOSED' });
    expect(found.elsewhere).toMatchObject({ isOption: true, data: { option: 'reference' } });
    expect(found.gone).toMatchObject({ code: 'DISPOSED' });
    expect(found.uncloneable).toMatch(/Error/);
    await expect.poll(() => page.workers().length).toBe(0);
  });

  it('aborts with the very reason of its signal, before, in loading and in generating', async () => {
    const found = await page.evaluate(async (prompt) => {
      const reason = { why: 'the reader left' };
      const before = await espalier.load('/tiny.gguf', { signal: AbortSignal.abort(reason) }).catch((error) => error);
      const loading = new AbortController();
      const onProgress = () => loading.abort(reason);
      const during = await espalier.load('/tiny.gguf', { signal: loading.signal, onProgress }).catch((error) => error);
      const model = await espalier.load('/tiny.gguf', { threads: 1 });
      const controller = new AbortController();
      const { signal } = controller;
      const generation = model.session().generate(prompt, { temperature: 0, maxTokens: 200, signal });
      let pieces = 0;
      let thrown: unknown;
      try {
        for await (const _ of generation) if (++pieces === 5) controller.abort(reason);
      } catch (error) {
        thrown = error;
      }
      const { finishReason } = await generation.result;
      const plain = new AbortController();
      const other = model.session().generate(prompt, { signal: plain.signal });
      await other.next();
      plain.abort();
      let name = '';
      try {
        for await (const _ of other);
      } catch (error) {
        name = (error as Error).name;
      }
      model.dispose();
      return { before: before === reason, during: during === reason, thrown: thrown === reason, finishReason, name };
    }, PROMPT);
    expect(found).toEqual({ before: true, during: true, thrown: true, finishReason: 'aborted', name: 'AbortError' });
    await expect.poll(() => page.workers().length).toBe(0);
    expect(errors).toEqual([]);
  });

  it('gives sources that are no URLs to its worker, and asks about them', async () => {
    const found = await page.evaluate(async () => {
      const bytes = await (await fetch('/tiny.gguf')).arrayBuffer();
      const blob = new Blob([bytes]);
      const sources = [
        new URL('/tiny.gguf', location.href),
        blob,
        new File([bytes], 'a.gguf'),
        bytes,
        new Uint8Array(bytes),
        await fetch('/tiny.gguf'),
        blob.stream(),
        'tiny.gguf',
      ];
      const names: string[] = [];
      const stages = new Set<string>();
      for (const source of sources) {
        const model = await espalier.load(source, { threads: 1, onProgress: ({ stage }) => stages.add(stage) });
        names.push(model.summary.architecture);
        model.dispose();
      }
      const { fits } = await espalier.estimate(blob);
      const { summary } = (await espalier.inspect(blob)) as unknown as { summary?: unknown };
      const tokenizer = await espalier.loadTokenizer(blob);
      const ids = await tokenizer.encode('a tree');
      const model = await espalier.load(blob, { threads: 1 });
      const evaluation = await espalier.evaluateText(model, 'Once upon a time there was a tree. '.repeat(40), {});
      model.dispose();
      return {
        names,
        stages: [...stages],
        fits,
        summary,
        ids,
        perplexity: evaluation.perplexity > 1,
        length: bytes.byteLength,
      };
    });
    expect(found.names).toEqual(Array(8).fill('llama'));
    expect(found.stages).toContain('load');
    expect(found).toMatchObject({ fits: true, perplexity: true });
    expect(found.ids.length).toBeGreaterThan(1);
    expect(found.length).toBeGreaterThan(0);
  });

  it('reads embeddings row by row from files of the private file system, picked or downloaded', async () => {
    const found = await page.evaluate(async (prompt) => {
      const directory = await navigator.storage.getDirectory();
      const handle = await directory.getFileHandle('rows.gguf', { create: true });
      const stream = await handle.createWritable();
      await stream.write(await (await fetch('/tiny.gguf')).blob());
      await stream.close();
      const sources = [await handle.getFile(), '/tiny.gguf'];
      const stored = await Promise.all(
        sources.map((source) => espalier.load(source, { threads: 1, embeddings: 'file' })),
      );
      const resident = await espalier.load('/tiny.gguf', { threads: 1, embeddings: 'memory' });
      const texts: string[] = [];
      const bytes: number[] = [];
      for (const model of [resident, ...stored]) {
        texts.push((await model.session().generate(prompt, { temperature: 0, maxTokens: 20 }).result).text);
        bytes.push(model.estimate.storedBytes);
        model.dispose();
      }
      return { texts, bytes };
    }, PROMPT);
    expect(new Set(found.texts).size).toBe(1);
    expect(found.bytes[0]).toBe(0);
    expect(found.bytes[1]).toBeGreaterThan(0);
    expect(found.bytes[2]).toBe(found.bytes[1]);
  });

  it('loses sessions that nobody holds, and ends workers of models that nobody holds', async () => {
    const found = await page.evaluate(async (prompt) => {
      const model = await espalier.load('/tiny.gguf', { threads: 1, context: 2048 });
      const { cacheBytes } = await (async () => {
        const session = model.session();
        await session.generate(prompt, { maxTokens: 1 }).result;
        return session;
      })();
      const sessions = Math.ceil(1.2e9 / cacheBytes);
      for (let i = 0; i < Math.min(sessions, 3000); i++) {
        await model.session().generate([1], { maxTokens: 1 }).result;
        // pages collect what is garbage when they have time; here a full collection is asked for by large buffers
        if (i % 50 === 0) Array.from({ length: 40 }, () => new ArrayBuffer(2 ** 25));
      }
      await model.session().generate([1], { maxTokens: 1 }).result;
      const held = model.memoryBytes;
      model.dispose();
      return { held, all: sessions * cacheBytes };
    }, PROMPT);
    expect(found.held).toBeLessThan(found.all);
  });

  it('hears of a worker that ends', async () => {
    const code = await page.evaluate(async (prompt) => {
      const workers: Worker[] = [];
      const Original = Worker;
      globalThis.Worker = class extends Original {
        constructor(url: string | URL, options?: WorkerOptions) {
          super(url, options);
          workers.push(this);
        }
      };
      const model = await espalier.load('/tiny.gguf', { threads: 1 });
      const generation = model.session().generate(prompt, { maxTokens: 500 });
      await generation.next();
      workers[0].dispatchEvent(new ErrorEvent('error', { message: 'out of memory' }));
      const codes: string[] = [];
      await generation.result.catch((error) => codes.push(error.code, error.message));
      await model
        .session()
        .generate(prompt)
        .result.catch((error) => codes.push(error.code));
      return codes;
    }, PROMPT);
    expect(code).toEqual(['WORKER_LOST', 'the worker of this model ended: out of memory', 'WORKER_LOST']);
  });

  it('works with all threads under a strict policy, without blob:', async () => {
    const opened = await openPage(browser, new URL('/strict.html', server.plain).href);
    const found = await opened.page.evaluate(async (prompt) => {
      const model = await espalier.load('/tiny.gguf', { threads: 2 });
      const { tokens } = await model.session().generate(prompt, { maxTokens: 5 }).result;
      const { backend } = model;
      model.dispose();
      return { tokens, backend };
    }, PROMPT);
    await opened.page.close();
    expect(found).toMatchObject({ tokens: 5, backend: { settings: { threads: 2 }, limits: [] } });
  });

  it('takes another URL of the worker, and runs on its own thread where there is none', async () => {
    server.withoutWorkerFile = true;
    const found = await page.evaluate(async (prompt) => {
      const load = async (workerUrl?: string) => {
        const model = await espalier.load('/tiny.gguf', { threads: 1, ...(workerUrl && { workerUrl }) });
        const { tokens } = await model.session().generate(prompt, { maxTokens: 5 }).result;
        const { limits } = model.backend;
        model.dispose();
        return { tokens, limits };
      };
      return { own: await load(), other: await load('/copied/worker.js') };
    }, PROMPT);
    const limits = [expect.stringMatching(/^on the page's own thread: its worker did not start: .*workerUrl/)];
    expect(found.own).toEqual({ tokens: 5, limits });
    expect(found.other).toEqual({ tokens: 5, limits: [] });
  });
});
