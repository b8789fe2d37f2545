/** Models that a page keeps, where it may; and models that it uses all the same where it may not. */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { makeModel } from '../../scripts/models/index.ts';
import type * as Espalier from '../../src/index.ts';
import { haveChromium, openPage, startChromium } from './chromium.ts';
import { type PageServer, servePages } from './pageServer.ts';

/** Results that the page's script stores. */
declare const espalier: typeof Espalier;

const PROMPT = 'Once upon a time';

interface Outcome {
  readonly ids?: number;
  readonly error?: string;
  readonly notices: readonly Espalier.Notice[];
  /** Largest number of bytes that a download reported. */
  readonly downloaded: number;
}

/** Loads a model by a source that can be sent to the page, and generates. */
function loadIn(page: Page, source: string, loading: Espalier.LoadOptions = {}): Promise<Outcome> {
  return page.evaluate(
    async ({ source, loading, prompt }) => {
      const notices: Espalier.Notice[] = [];
      let downloaded = 0;
      const onProgress = ({ notice, stage, done }: Espalier.Progress) => {
        if (notice) notices.push(notice);
        else if (stage === 'download') downloaded = Math.max(downloaded, done);
      };
      try {
        const model = await espalier.load(source, { ...loading, onProgress });
        const { ids } = await model.session().generate(prompt, { temperature: 0, maxTokens: 5 }).result;
        model.dispose();
        return { ids: ids.length, notices, downloaded };
      } catch (error) {
        return { error: String(error), notices, downloaded };
      }
    },
    { source, loading, prompt: PROMPT },
  );
}

describe.skipIf(!haveChromium())('in Chromium', () => {
  let browser: Browser;
  let server: PageServer;
  let context: BrowserContext;
  let tiny: Uint8Array;
  let large: Uint8Array;
  let errors: string[] = [];

  const open = async (url = server.plain): Promise<Page> => {
    const opened = await openPage(context, url);
    errors = opened.errors;
    return opened.page;
  };
  /** Takes something from pages and from the worker that the model runs in. */
  const restrictAll = async (restrict: () => void): Promise<void> => {
    await context.addInitScript(restrict);
    server.workerPrelude = `(${restrict})();`;
  };
  const gets = (path: string) => server.requests.filter((request) => request.path === path).length;

  beforeAll(async () => {
    tiny = await makeModel({ architecture: 'llama', format: 'Q4_0' });
    large = await makeModel({ architecture: 'llama', format: 'F32', dimensions: { ffn: 3072 } });
    server = await servePages();
    browser = await startChromium();
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });
  beforeEach(async () => {
    context = await browser.newContext();
    server.files.clear();
    server.files.set('/tiny.gguf', tiny);
    server.files.set('/large.gguf', large);
    server.requests.length = 0;
    server.answerFirst = undefined;
    server.throttle = undefined;
    server.workerPrelude = undefined;
    server.withoutWorkerFile = false;
    server.uncached = true;
  });
  afterEach(() => context.close());

  it('a model of any URL is downloaded once, listed, used without its server, and deleted', async () => {
    const page = await open();
    expect(await loadIn(page, '/tiny.gguf')).toMatchObject({ ids: 5, notices: [], downloaded: tiny.length });
    await page.reload();
    await page.waitForFunction(() => 'espalier' in globalThis);
    expect(await loadIn(page, '/tiny.gguf')).toMatchObject({ ids: 5, notices: [] });
    expect(gets('/tiny.gguf')).toBe(1);
    expect(errors).toEqual([]);
    server.answerFirst = (request) => {
      request.socket.destroy();
      return true;
    };
    const away = await loadIn(page, '/tiny.gguf');
    expect(away).toMatchObject({ ids: 5, notices: [{ code: 'OFFLINE' }] });
    server.answerFirst = undefined;
    const found = await page.evaluate(async () => {
      const listed = await espalier.cache.list();
      const { bytes, available } = await espalier.cache.usage();
      const persisted = await espalier.cache.persist();
      const freed = await espalier.cache.delete(new URL('/tiny.gguf', location.href));
      return { listed, bytes, available, persisted, freed, left: await espalier.cache.list() };
    });
    expect(found.listed).toMatchObject([{ source: `${new URL(server.plain).origin}/tiny.gguf`, complete: true }]);
    expect(found.bytes).toBeGreaterThan(tiny.length);
    expect(found.available).toBeGreaterThan(0);
    expect(found.persisted).toBeTypeOf('boolean');
    expect(found.freed).toBeGreaterThan(tiny.length);
    expect(found.left).toEqual([]);
    expect((await loadIn(page, '/tiny.gguf')).ids).toBe(5);
    expect(gets('/tiny.gguf')).toBe(2);
  });

  it('a model that changed on the server is downloaded anew', async () => {
    const page = await open();
    await loadIn(page, '/tiny.gguf');
    server.files.set('/tiny.gguf', large);
    expect(await loadIn(page, '/tiny.gguf')).toMatchObject({ ids: 5, downloaded: large.length });
    expect(await page.evaluate(() => espalier.cache.list())).toHaveLength(1);
  });

  it('weights are loaded while the download is under way, and an estimate needs the header only', async () => {
    let sent = 0;
    server.throttle = async () => {
      sent++;
      await new Promise((resolve) => setTimeout(resolve, 2));
    };
    const page = await open();
    const { fits } = await page.evaluate(() => espalier.estimate('/large.gguf'));
    expect(fits).toBe(true);
    expect(sent).toBeLessThanOrEqual(17);
    expect(await page.evaluate(() => espalier.cache.list())).toEqual([]);
    const order = await page.evaluate(async () => {
      const stages: string[] = [];
      const model = await espalier.load('/large.gguf', {
        onProgress: ({ stage, done, total }) => {
          const text = stage === 'download' && done === total ? 'downloaded' : stage;
          if (!stages.includes(text)) stages.push(text);
        },
      });
      model.dispose();
      return stages;
    });
    expect(order.indexOf('load')).toBeLessThan(order.indexOf('downloaded'));
  });

  it.each([
    [
      'a private window',
      () =>
        Object.assign(navigator.storage, {
          getDirectory: () => Promise.reject(new DOMException('no', 'SecurityError')),
        }),
    ],
    [
      'a browser that writes in workers only',
      () => Reflect.deleteProperty(FileSystemFileHandle.prototype, 'createWritable'),
    ],
    [
      'a browser without a private file system',
      () => Object.defineProperty(navigator, 'storage', { value: undefined }),
    ],
  ])('%s: models are used without being kept, and a notice says so once', async (name, restrict) => {
    await restrictAll(restrict as () => void);
    server.withoutWorkerFile = name.endsWith('workers only');
    const page = await open();
    for (const source of ['/large.gguf', 'hf:owner/repo/tiny.gguf']) {
      server.files.set('/owner/repo/resolve/main/tiny.gguf', tiny);
      const cache = { endpoint: new URL(server.plain).origin };
      expect(await loadIn(page, source, { cache })).toMatchObject({ ids: 5, notices: [{ code: 'NOT_KEPT' }] });
    }
  });

  it('an insecure origin: the same', async () => {
    const page = await open(server.plain.replace('127.0.0.1', 'models.test'));
    expect(await page.evaluate(() => isSecureContext)).toBe(false);
    expect(await loadIn(page, '/tiny.gguf')).toMatchObject({ ids: 5, notices: [{ code: 'NOT_KEPT' }] });
  });

  it('a worker keeps models where only workers may write', async () => {
    const page = await open();
    const outcome = await page.evaluate(async () => {
      const script = `
        delete FileSystemFileHandle.prototype.createWritable;
        import('${location.origin}/lib/espalier.js').then(async ({ load, cache }) => {
          const notices = [];
          const model = await load('${location.origin}/large.gguf', { onProgress: ({ notice }) => notice && notices.push(notice) });
          model.dispose();
          postMessage({ notices, listed: await cache.list() });
        }, (error) => postMessage(String(error)));`;
      const worker = new Worker(URL.createObjectURL(new Blob([script], { type: 'text/javascript' })));
      return new Promise((resolve) => {
        worker.onmessage = ({ data }) => resolve(data);
      });
    });
    expect(outcome).toMatchObject({ notices: [], listed: [{ complete: true }] });
    expect((await loadIn(page, '/large.gguf')).ids).toBe(5);
    expect(gets('/large.gguf')).toBe(1);
  });

  it('too little room: told with the numbers before anything is stored', async () => {
    await restrictAll(() => {
      navigator.storage.estimate = async () => ({ quota: 8e6, usage: 3e6 });
    });
    const page = await open();
    const { ids, notices } = await loadIn(page, '/large.gguf');
    expect(ids).toBe(5);
    expect(notices).toMatchObject([{ code: 'NOT_KEPT', data: { reason: 'CACHE_FULL', needed: large.length } }]);
    expect(notices[0].data.available).toBe(5e6);
    expect((await page.evaluate(() => espalier.cache.usage())).bytes).toBeLessThan(10_000);
    expect(await loadIn(page, '/tiny.gguf')).toMatchObject({ ids: 5, notices: [] });
  });

  it('room that ends midway: the model is used, and what was stored of it is removed', async () => {
    await restrictAll(() => {
      navigator.storage.estimate = async () => ({ quota: 1e12, usage: 0 });
    });
    const page = await open();
    const session = await context.newCDPSession(page);
    await session.send('Storage.overrideQuotaForOrigin', { origin: new URL(server.plain).origin, quotaSize: 18e6 });
    const { ids, notices } = await loadIn(page, '/large.gguf');
    expect(ids).toBe(5);
    expect(notices).toMatchObject([{ code: 'NOT_KEPT', data: { reason: 'CACHE_FULL' } }]);
    const { bytes } = await page.evaluate(() => espalier.cache.usage());
    expect(bytes).toBeLessThan(10_000);
  });

  it('two tabs download once; the one that waits shows progress and hears its signal', async () => {
    server.throttle = () => new Promise((resolve) => setTimeout(resolve, 12));
    const [first, second] = [await open(), await open()];
    const loading = loadIn(first, '/large.gguf');
    await expect.poll(() => gets('/large.gguf')).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const waited = await second.evaluate(async () => {
      const controller = new AbortController();
      const notices: string[] = [];
      let done = 0;
      const error = await espalier
        .load('/large.gguf', {
          signal: controller.signal,
          onProgress: (progress) => {
            if (progress.notice) notices.push(progress.notice.code);
            else done = Math.max(done, progress.done);
            if (notices.length > 0 && done > 0) controller.abort(new Error('enough'));
          },
        })
        .catch(String);
      return { error, notices, done };
    });
    expect(waited).toMatchObject({ error: 'Error: enough', notices: ['WAITING'] });
    expect(waited.done).toBeGreaterThan(0);
    const both = await Promise.all([loading, loadIn(second, '/large.gguf')]);
    expect(both).toMatchObject([{ ids: 5 }, { ids: 5 }]);
    expect(gets('/large.gguf')).toBe(1);
  });

  it('sources that have no length, are compressed, or are no files of a server', async () => {
    server.answerFirst = (request, response, path) => {
      if (path === '/chunked') response.writeHead(200, { 'content-type': 'application/octet-stream' });
      else if (path === '/gzip') response.writeHead(200, { 'content-encoding': 'gzip', 'content-type': 'x/y' });
      else return false;
      response.end(request.method === 'HEAD' ? undefined : path === '/gzip' ? gzipSync(tiny) : tiny);
      return true;
    };
    const page = await open();
    for (const path of ['/chunked', '/gzip']) expect(await loadIn(page, path)).toMatchObject({ ids: 5 });
    const loaded = await page.evaluate(async () => {
      const bytes = await (await fetch('/tiny.gguf')).arrayBuffer();
      const transfer = new DataTransfer();
      transfer.items.add(new File([bytes], 'picked'));
      const directory = await (await navigator.storage.getDirectory()).getDirectoryHandle('picked', { create: true });
      const file = await directory.getFileHandle('model.gguf', { create: true });
      const stream = await file.createWritable();
      await stream.write(bytes);
      await stream.close();
      const sources = {
        url: URL.createObjectURL(new Blob([bytes])),
        list: transfer.files,
        response: await fetch('/tiny.gguf'),
        stream: (await fetch('/tiny.gguf')).body!,
        file,
        directory,
      };
      const found: Record<string, string> = {};
      for (const [name, source] of Object.entries(sources)) {
        const model = await espalier.load(source as Espalier.CheckpointSource).catch(String);
        found[name] = typeof model === 'string' ? model : 'loaded';
        if (typeof model !== 'string') model.dispose();
      }
      return found;
    });
    const loadedAll = Object.fromEntries(
      ['url', 'list', 'response', 'stream', 'file', 'directory'].map((name) => [name, 'loaded']),
    );
    expect(loaded).toEqual(loadedAll);
    const nothing = await page.evaluate(() => {
      const [file] = document.querySelector('input')!.files!;
      return espalier.load(file as File).catch((error) => `${error.name} ${error.data.option}`);
    });
    expect(nothing).toBe('OptionError source');
  });

  it('a hub: files of one commit, checked by their hash, there offline with what they lack', async () => {
    const commit = 'c'.repeat(40);
    const sha256 = createHash('sha256').update(tiny).digest('hex');
    let hash = sha256;
    server.answerFirst = (_, response, path) => {
      if (path !== '/api/models/owner/repo/revision/main') return false;
      const siblings = [{ rfilename: 'tiny.gguf', size: tiny.length, lfs: { sha256: hash, size: tiny.length } }];
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ sha: commit, siblings }));
      return true;
    };
    server.files.set(`/owner/repo/resolve/${commit}/tiny.gguf`, tiny);
    const page = await open();
    const cache = { endpoint: new URL(server.plain).origin, retry: { tries: 1 } };
    const load = () => loadIn(page, 'hf:owner/repo/tiny.gguf', { cache });
    hash = 'd'.repeat(64);
    expect((await load()).error).toMatch(/the downloaded bytes have the SHA-256/);
    hash = sha256;
    expect(await load()).toMatchObject({ ids: 5, notices: [] });
    expect(await load()).toMatchObject({ ids: 5, notices: [] });
    expect(gets(`/owner/repo/resolve/${commit}/tiny.gguf`)).toBe(2);
    const source = `hf:owner/repo@${commit}/tiny.gguf`;
    expect(await page.evaluate(() => espalier.cache.list())).toMatchObject([{ source, complete: true }]);
    server.answerFirst = (request) => {
      request.socket.destroy();
      return true;
    };
    expect(await load()).toMatchObject({ ids: 5, notices: [{ code: 'OFFLINE' }] });
    expect(await page.evaluate(() => espalier.cache.delete('hf:owner/repo'))).toBeGreaterThan(0);
    expect(await page.evaluate(() => espalier.cache.list())).toEqual([]);
  });
});
