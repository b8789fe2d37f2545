/** The bundle in headless Chromium: the same tokens as the same build in Node, with and without threads. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { makeModel } from '../../scripts/models/index.ts';
import type * as Espalier from '../../src/index.ts';
import { sharedData } from '../sharedData.ts';
import { haveChromium, openPage, startChromium, type TestPage } from './chromium.ts';
import { bundleFolder, type PageServer, servePages } from './pageServer.ts';

/** Globals that the page's script sets. */
declare const espalier: typeof Espalier;

const MOST_GZIPPED_BYTES = 210_000;
const TOKENS = 200;
const PROMPT = 'Once upon a time there was a tree';
/** Size of the parts of a download in the private file system. */
const PART_BYTES = 16 * 1024 * 1024;

const storiesPath = sharedData('weights/stories260K.gguf');
const saplingPath = fileURLToPath(new URL('../../models/sapling.gguf', import.meta.url));
const models = ['tiny', 'sapling', ...(storiesPath ? ['stories260K'] : [])];

interface Answer {
  readonly ids: readonly number[];
  readonly threads: number;
}

/** Tokens of the same build in Node. */
function idsInNode(path: string): number[] {
  const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
  const args = [main, 'run', path, PROMPT, '-n', String(TOKENS), '--temperature', '0', '--json'];
  const output = execFileSync(process.execPath, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  return (JSON.parse(output.trim().split('\n').at(-1)!) as Answer).ids as number[];
}

/** Loads a model in a page by its URL, generates greedily and disposes of it. */
function generateIn(
  page: Page,
  path: string,
  loading: Espalier.LoadOptions = {},
  maxTokens: number = TOKENS,
): Promise<Answer> {
  const generating = { temperature: 0, maxTokens };
  return page.evaluate(
    async ({ path, loading, generating, prompt }) => {
      const model = await espalier.load(path, loading);
      const { ids } = await model.session().generate(prompt, generating).result;
      const threads = Number(model.backend.settings.threads);
      model.dispose();
      return { ids, threads };
    },
    { path, loading, generating, prompt: PROMPT },
  );
}

it('a page without a bundler reads little, and its worker a part of the kernels; nothing needs Node', () => {
  const files = readdirSync(bundleFolder).map((name) => ({ name, text: readFileSync(bundleFolder + name, 'utf8') }));
  const gzipped = (text: string) => gzipSync(text, { level: 9 }).length;
  for (const { text } of files) expect(text).not.toMatch(/["']node:|\brequire\(/);
  const page = importedBy('espalier.js');
  // of one build: the core, and a part for the formats of a model
  const kernels = [only(/^relaxedI16\.core-/), only(/^relaxedI16\.legacyQuants-/), only(/^relaxedI16\.floats-/)];
  const worker = [...importedBy('espalier.worker.js'), ...importedBy(only(/^loadFunctions-/)), ...kernels];
  const size = (names: readonly string[]) =>
    [...new Set(names)].reduce((sum, name) => sum + gzipped(files.find((file) => file.name === name)!.text), 0);
  const kilobytes = (bytes: number) => (bytes / 1000).toFixed(1);
  console.log(`bundle: page ${kilobytes(size(page))} kB, worker ${kilobytes(size(worker))} kB, gzipped`);
  expect(size(page)).toBeLessThanOrEqual(25_000);
  expect(size(worker)).toBeLessThanOrEqual(MOST_GZIPPED_BYTES);

  /** A file and all that it imports when it is loaded. */
  function importedBy(name: string): string[] {
    const { text } = files.find((file) => file.name === name)!;
    const names = [...text.matchAll(/(?:from|import)"\.\/([\w.-]+)"/g)].map((match) => match[1]);
    return [name, ...names.flatMap(importedBy)];
  }
  function only(pattern: RegExp): string {
    return files.find((file) => pattern.test(file.name))!.name;
  }
});

describe.skipIf(!haveChromium())('in Chromium', () => {
  let browser: Browser;
  let server: PageServer;
  let folder: string;
  let opened: TestPage[] = [];
  const expected = new Map<string, number[]>();

  const open = async (url: string): Promise<Page> => {
    const opening = await openPage(browser, url);
    opened.push(opening);
    return opening.page;
  };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'espalier-browser-'));
    const tiny = await makeModel({ architecture: 'llama', format: 'Q4_0' });
    writeFileSync(join(folder, 'tiny.gguf'), tiny);
    expected.set('tiny', idsInNode(join(folder, 'tiny.gguf')));
    server = await servePages();
    server.files.set('/tiny.gguf', tiny);
    expected.set('sapling', idsInNode(saplingPath));
    server.files.set('/sapling.gguf', readFileSync(saplingPath));
    if (storiesPath) {
      expected.set('stories260K', idsInNode(storiesPath));
      server.files.set('/stories260K.gguf', readFileSync(storiesPath));
    }
    browser = await startChromium();
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
    rmSync(folder, { recursive: true });
  });
  beforeEach(() => {
    opened = [];
    server.requests.length = 0;
    server.throttle = undefined;
    server.uncached = false;
  });
  afterEach(async () => {
    for (const { page, errors } of opened) {
      await page.close();
      expect(errors).toEqual([]);
    }
  });

  describe.each(models)('%s', (name) => {
    it('generates the same as Node, with threads', async () => {
      const page = await open(server.isolated);
      expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
      const { ids, threads } = await generateIn(page, `/${name}.gguf`, { threads: 2 });
      expect(threads).toBe(2);
      expect(ids).toEqual(expected.get(name));
      expect(ids.length).toBeGreaterThan(20);
    });

    it('generates the same with one thread, without cross-origin isolation', async () => {
      const page = await open(server.plain);
      expect(await page.evaluate(() => crossOriginIsolated)).toBe(false);
      const { ids, threads } = await generateIn(page, `/${name}.gguf`, { threads: 2 });
      expect(threads).toBe(1);
      expect(ids).toEqual(expected.get(name));
    });

    it('generates the same in a worker', async () => {
      const page = await open(server.isolated);
      const task = { source: `/${name}.gguf`, prompt: PROMPT, loading: { threads: 2 } };
      const generating = { temperature: 0, maxTokens: TOKENS };
      const answer = await page.evaluate(
        (task) => {
          const worker = new Worker('/worker.js', { type: 'module' });
          worker.postMessage(task);
          return new Promise<unknown>((resolve, reject) => {
            worker.onmessage = ({ data }) => resolve(data);
            worker.onerror = ({ message }) => reject(new Error(message));
          });
        },
        { ...task, generating },
      );
      expect(answer).toEqual({ ids: expected.get(name), threads: 2, limits: [] });
    });
  });

  it('loads a selected File, and a Blob', async () => {
    const page = await open(server.isolated);
    await page.setInputFiles('input', join(folder, 'tiny.gguf'));
    const found = await page.evaluate(
      async ({ prompt, maxTokens }) => {
        const [file] = document.querySelector('input')!.files!;
        const answers: { source: string; ids: readonly number[] }[] = [];
        for (const source of [file, new Blob([await file.arrayBuffer()])]) {
          const model = await espalier.load(source);
          const { ids } = await model.session().generate(prompt, { temperature: 0, maxTokens }).result;
          answers.push({ source: model.summary.source, ids });
          model.dispose();
        }
        return answers;
      },
      { prompt: PROMPT, maxTokens: TOKENS },
    );
    const ids = expected.get('tiny');
    expect(found).toEqual([
      { source: 'tiny.gguf', ids },
      { source: 'blob', ids },
    ]);
  });

  it('releases threads on dispose, and loads again', async () => {
    const page = await open(server.isolated);
    const few = 20;
    for (let i = 0; i < 5; i++) {
      const { ids, threads } = await generateIn(page, '/tiny.gguf', { threads: 2 }, few);
      expect(threads).toBe(2);
      expect(ids).toEqual(expected.get('tiny')!.slice(0, few));
      await expect.poll(() => page.workers().length).toBe(0);
    }
  });

  it('stops loading when aborted, and loads afterwards', async () => {
    const page = await open(server.isolated);
    // the server sends the header but not the weights
    let chunks = 0;
    server.throttle = () => (++chunks > 4 ? new Promise((resolve) => setTimeout(resolve, 500)) : Promise.resolve());
    const reason = await page.evaluate(() => {
      const controller = new AbortController();
      const onProgress = () => controller.abort(new Error('the reader left'));
      return espalier.load('/tiny.gguf', { signal: controller.signal, onProgress }).catch(String);
    });
    expect(reason).toBe('Error: the reader left');
    server.throttle = undefined;
    expect((await generateIn(page, '/tiny.gguf')).ids).toEqual(expected.get('tiny'));
  });

  it('stops generating when aborted, and the session stays usable', async () => {
    const page = await open(server.isolated);
    const found = await page.evaluate(
      async ({ prompt, maxTokens }) => {
        const model = await espalier.load('/tiny.gguf', { threads: 2 });
        const session = model.session();
        const controller = new AbortController();
        const options = { temperature: 0, maxTokens, signal: controller.signal };
        const generation = session.generate(prompt, options);
        let pieces = 0;
        let reason: unknown;
        try {
          for await (const _ of generation) if (++pieces === 5) controller.abort(new Error('enough'));
        } catch (error) {
          reason = String(error);
        }
        const { finishReason } = await generation.result;
        const { ids, reusedTokens } = await session.generate(prompt, { temperature: 0, maxTokens }).result;
        model.dispose();
        return { reason, finishReason, pieces, ids, reused: reusedTokens > 0 };
      },
      { prompt: PROMPT, maxTokens: TOKENS },
    );
    expect(found).toMatchObject({ reason: 'Error: enough', finishReason: 'aborted', pieces: 5, reused: true });
    expect(found.ids).toEqual(expected.get('tiny'));
  });

  it('reports an HTML page instead of a model, and bytes that are not a model', async () => {
    const page = await open(server.isolated);
    server.files.set('/broken.gguf', server.files.get('/tiny.gguf')!.subarray(0, 100_000));
    const failure = (path: string) =>
      page.evaluate(
        (path) =>
          espalier.load(path).then(
            () => 'loaded',
            (error: Error) => `${error.name} ${error instanceof espalier.EspalierError} ${error.message}`,
          ),
        path,
      );
    const { origin } = new URL(server.isolated);
    expect(await failure('/missing.gguf')).toBe(
      `SourceError true ${origin}/missing.gguf: the server sent an HTML page instead of a file`,
    );
    expect(await failure('/broken.gguf')).toMatch(/^FormatError true .*broken\.gguf: .* truncated/);
  });

  it('a download to the private file system resumes, and is not repeated', async () => {
    const path = '/owner/repo/resolve/main/large.gguf';
    const large = await makeModel({ architecture: 'llama', format: 'F32', dimensions: { ffn: 3072 } });
    expect(large.length).toBeGreaterThan(PART_BYTES + 1_000_000);
    server.files.set(path, large);
    server.uncached = true;
    server.cutAfter = PART_BYTES + 3_000_000;
    const context = await browser.newContext();
    const load = async () => {
      const { page } = await openPage(context, server.isolated);
      const outcome = await page.evaluate(async (prompt) => {
        const cache = { endpoint: location.origin, retry: { tries: 1 } };
        const model = await espalier.load('hf:owner/repo/large.gguf', { cache }).catch(String);
        if (typeof model === 'string') return model;
        const { ids } = await model.session().generate(prompt, { temperature: 0, maxTokens: 10 }).result;
        model.dispose();
        return ids.length;
      }, PROMPT);
      await page.close();
      return outcome;
    };
    expect(await load()).toMatch(/large\.gguf: the connection broke at byte 1[6-9],[\d,]+ of/);
    expect(await load()).toBe(10);
    expect(await load()).toBe(10);
    const [first, second, ...more] = server.requests.filter((request) => request.path === path).map(({ from }) => from);
    expect([first, more]).toEqual([0, []]);
    expect(second).toBeGreaterThan(PART_BYTES);
    await context.close();
  });
});
