/** A page that installs a package from a static server, updates it by a delta, and answers offline. */
import { readFileSync } from 'node:fs';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { memorySource } from '../../src/formats/sources/memory.ts';
import type * as Espalier from '../../src/index.ts';
import type * as Packages from '../../src/package/index.ts';
import { createKeyPair, publish, readPrivateKey, signPublication } from '../../src/package/index.ts';
import { memoryPublication } from '../memoryPublication.ts';
import { haveChromium, startChromium } from './chromium.ts';
import { type PageServer, servePages } from './pageServer.ts';

declare const espalier: typeof Espalier;
declare const packages: typeof Packages;

/** The application: it is cached by a service worker, so that it starts offline. */
const app = `import * as espalier from '/lib/espalier.js';
import * as packages from '/lib/package.js';
Object.assign(globalThis, { espalier, packages });`;
const serviceWorker = `
oninstall = () => skipWaiting();
onactivate = (event) => event.waitUntil(clients.claim());
onfetch = (event) => {
  if (new URL(event.request.url).pathname.startsWith('/site/')) return;
  event.respondWith(fetch(event.request).then(async (response) => {
    const cache = await caches.open('app');
    await cache.put(event.request, response.clone());
    return response;
  }, async () => (await caches.match(event.request)) ?? Response.error()));
};`;

const sapling = new Uint8Array(readFileSync(new URL('../../models/sapling.gguf', import.meta.url)));

/** Sapling with some codes changed in its last tensors. */
function changedSapling(): Uint8Array {
  const changed = sapling.slice();
  for (let i = 0; i < 4000; i++) changed[changed.length - 200 - 37 * i] ^= 1;
  return changed;
}

describe.skipIf(!haveChromium())('in Chromium', () => {
  let browser: Browser;
  let server: PageServer;
  let context: BrowserContext;
  const site = new Map<string, Uint8Array>();
  let sent = 0;

  beforeAll(async () => {
    server = await servePages();
    browser = await startChromium();
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });
  beforeEach(async () => {
    context = await browser.newContext();
    site.clear();
    sent = 0;
    server.answerFirst = (request, response, path) => {
      if (path === '/page.js') return answer('text/javascript', app);
      if (path === '/sw.js') return answer('text/javascript', serviceWorker);
      if (!path.startsWith('/site/')) return false;
      const bytes = site.get(path.slice('/site/'.length));
      if (!bytes) {
        response.writeHead(404).end();
        return true;
      }
      const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
      const start = Number(first ?? 0);
      const part = bytes.subarray(start, last ? Number(last) + 1 : bytes.length);
      sent += part.length;
      const range = { 'content-range': `bytes ${start}-${start + part.length - 1}/${bytes.length}` };
      response.writeHead(first ? 206 : 200, { 'content-length': part.length, ...(first && range) }).end(part);
      return true;
      function answer(type: string, text: string): boolean {
        response.writeHead(200, { 'content-type': type }).end(text);
        return true;
      }
    };
  });
  afterEach(() => context.close());

  async function publishVersion(version: string, model: Uint8Array): Promise<void> {
    const component = { role: 'base', fileName: 'sapling.gguf', source: memorySource(model) };
    await publish(memoryPublication(site), [component], { name: 'sapling', version });
  }

  async function open(): Promise<Page> {
    const page = await context.newPage();
    await page.goto(server.plain);
    await page.waitForFunction(() => 'packages' in globalThis);
    return page;
  }

  const pullIn = (page: Page) =>
    page.evaluate(async () => {
      const { openRemote, openStore, pull } = packages;
      const remote = await openRemote(new URL('/site/', location.href));
      const { version, changed, plan } = await pull(openStore(), remote);
      return { version, changed, pieces: plan.pieces };
    });
  const answerIn = (page: Page) =>
    page.evaluate(async () => {
      const model = await espalier.load('package:sapling');
      const { text } = await model.session().generate('Once upon a time', { temperature: 0, maxTokens: 8 }).result;
      model.dispose();
      return text;
    });

  it('installs Sapling, updates it by a delta, and answers offline after a reload', async () => {
    const page = await open();
    await page.evaluate(async () => {
      await navigator.serviceWorker.register('/sw.js');
      await navigator.serviceWorker.ready;
    });
    await page.reload();
    await page.waitForFunction(() => 'packages' in globalThis);
    await publishVersion('1', sapling);
    expect(await pullIn(page)).toMatchObject({ version: '1', changed: true });
    expect(sent).toBeGreaterThan(sapling.length);
    const first = await answerIn(page);
    expect(first.length).toBeGreaterThan(5);

    await publishVersion('2', changedSapling());
    sent = 0;
    expect(await pullIn(page)).toMatchObject({ version: '2', pieces: { whole: 0 } });
    expect(sent).toBeLessThan(0.1 * sapling.length);
    await answerIn(page);

    await context.setOffline(true);
    server.answerFirst = (request) => {
      request.socket.destroy();
      return true;
    };
    await page.reload();
    await page.waitForFunction(() => 'packages' in globalThis);
    expect((await answerIn(page)).length).toBeGreaterThan(5);
    await expect(pullIn(page)).rejects.toThrow();
    const after = await page.evaluate(async () => {
      const store = packages.openStore();
      await store.rollback('sapling');
      return { usage: await store.usage(), freed: await store.collect() };
    });
    expect(after).toMatchObject({ usage: { packages: [{ name: 'sapling', version: '1' }] }, freed: 0 });
    expect(await answerIn(page)).toBe(first);
  });

  it('verifies signatures, and refuses what is not signed', async () => {
    const names = ['root', 'targets', 'snapshot', 'timestamp'] as const;
    const made = await Promise.all(
      names.map(async (role) => [role, await readPrivateKey((await createKeyPair()).privateKey, role)] as const),
    );
    const keys = Object.fromEntries(made);
    await publishVersion('1', sapling);
    await signPublication(memoryPublication(site), { keys });
    const page = await open();
    expect(await pullIn(page)).toMatchObject({ version: '1', changed: true });
    await publishVersion('2', changedSapling());
    expect(await pullIn(page)).toMatchObject({ version: '1', changed: false });
    site.delete('trust/timestamp.json');
    await expect(pullIn(page)).rejects.toThrow('timestamp.json is missing');
  });

  it('stores from workers where only workers may write, and says so elsewhere', async () => {
    await context.addInitScript(() => Reflect.deleteProperty(FileSystemFileHandle.prototype, 'createWritable'));
    await publishVersion('1', sapling);
    const page = await open();
    await expect(pullIn(page)).rejects.toThrow('no file can be written: this browser writes files in workers only');
    const outcome = await page.evaluate(async () => {
      const script = `
        delete FileSystemFileHandle.prototype.createWritable;
        import('${location.origin}/lib/package.js').then(async ({ openRemote, openStore, pull }) => {
          const { version, changed } = await pull(openStore(), await openRemote('${location.origin}/site/'));
          postMessage({ version, changed });
        }, (error) => postMessage(String(error)));`;
      const worker = new Worker(URL.createObjectURL(new Blob([script], { type: 'text/javascript' })));
      return new Promise((resolve) => {
        worker.onmessage = ({ data }) => resolve(data);
      });
    });
    expect(outcome).toEqual({ version: '1', changed: true });
    expect((await answerIn(page)).length).toBeGreaterThan(5);
  });

  it('two tabs: one updates, the other waits and finds it done', async () => {
    await publishVersion('1', sapling);
    const [one, other] = [await open(), await open()];
    const results = await Promise.all([pullIn(one), pullIn(other)]);
    expect(results.map(({ changed }) => changed).sort()).toEqual([false, true]);
    expect(sent).toBeLessThan(1.1 * sapling.length);
  });

  it('a full disk is told with the numbers, and the installed version stays', async () => {
    await publishVersion('1', sapling);
    const page = await open();
    await pullIn(page);
    const first = await answerIn(page);
    const session = await context.newCDPSession(page);
    const origin = new URL(server.plain).origin;
    await publishVersion('2', changedSapling());
    await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 4.1e6 });
    await expect(pullIn(page)).rejects.toThrow(/no room for (pieces|packs)\S+ of \d+ bytes: the browser grants/);
    expect(await answerIn(page)).toBe(first);
    await session.send('Storage.overrideQuotaForOrigin', { origin });
    expect(await pullIn(page)).toMatchObject({ version: '2', changed: true });
  });
});
