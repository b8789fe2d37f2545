/** Pages that forbid something: the engine starts with what is left, or says what the page must allow. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeModel } from '../../scripts/models/index.ts';
import type * as Espalier from '../../src/index.ts';
import { haveChromium, openPage, startChromium } from './chromium.ts';
import { isolation, type PageServer, servePages } from './pageServer.ts';

declare const espalier: typeof Espalier;

const policy = (...directives: string[]) => ({ 'content-security-policy': directives.join('; ') });
const own = "script-src 'self' 'wasm-unsafe-eval'";

const pages: Record<string, Record<string, string>> = {
  '/noWebAssembly.html': policy("script-src 'self'"),
  '/noWorkers.html': { ...isolation, ...policy(own, "worker-src 'none'") },
  '/trustedTypes.html': { ...isolation, ...policy("require-trusted-types-for 'script'") },
  '/noPolicies.html': { ...isolation, ...policy("require-trusted-types-for 'script'", "trusted-types 'none'") },
};

interface Outcome {
  readonly ids?: readonly number[];
  readonly threads?: unknown;
  readonly limits?: readonly string[];
  readonly error?: { readonly name: string; readonly message: string; readonly code: string; readonly data: unknown };
}

describe.skipIf(!haveChromium())('starting in', () => {
  let browser: Browser;
  let server: PageServer;
  let expected: Outcome;

  /** Loads the model in a page and generates. @param before is run in the page first */
  async function startIn(path: string, before?: () => void): Promise<Outcome & { readonly unhandled: string[] }> {
    const unhandled: string[] = [];
    const { page } = await openPage(browser, new URL(path, server.plain).href);
    page.on('pageerror', (error) => unhandled.push(String(error)));
    if (before) await page.evaluate(before);
    const outcome = await page.evaluate(async (): Promise<Outcome> => {
      try {
        const model = await espalier.load('/tiny.gguf', { threads: 2 });
        const { ids } = await model.session().generate('Once', { temperature: 0, maxTokens: 8 }).result;
        const { settings } = model.backend;
        const limits = model.backend.limits.filter((limit) => !limit.startsWith("on the page's own thread: "));
        const { threads } = settings;
        model.dispose();
        return { ids, threads, limits };
      } catch (error) {
        const { name, message, code, data } = error as Espalier.StartError;
        return { error: { name, message, code, data } };
      }
    });
    await page.close();
    return { ...outcome, unhandled };
  }

  beforeAll(async () => {
    server = await servePages();
    // on the page's own thread, as the page's policy is not the worker's
    server.withoutWorkerFile = true;
    server.files.set('/tiny.gguf', await makeModel({ architecture: 'llama', format: 'Q4_0' }));
    for (const [path, headers] of Object.entries(pages)) server.pages.set(path, headers);
    browser = await startChromium();
    expected = await startIn('/isolated.html');
    expect(expected).toMatchObject({ threads: 2, limits: [], unhandled: [] });
    expect(expected.ids).toHaveLength(8);
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  const oneThread = (reason: RegExp) => ({
    ids: expected.ids,
    threads: 1,
    limits: [expect.stringMatching(reason)],
    unhandled: [],
  });

  it('a page whose policy forbids WebAssembly names the directive', async () => {
    expect(await startIn('/noWebAssembly.html')).toEqual({
      error: {
        name: 'StartError',
        code: 'CANNOT_START',
        message:
          "this page's Content-Security-Policy forbids WebAssembly: add 'wasm-unsafe-eval' to its script-src directive",
        data: { reason: 'content-security-policy', missing: [] },
      },
      unhandled: [],
    });
  });

  it('a browser without WebAssembly, or without its SIMD, names what is missing', async () => {
    const without = await startIn('/plain.html', () => {
      (globalThis as { WebAssembly?: unknown }).WebAssembly = undefined;
    });
    expect(without.error).toMatchObject({ code: 'CANNOT_START', data: { missing: ['WebAssembly'] } });
    const old = await startIn('/plain.html', () => {
      WebAssembly.validate = () => false;
      WebAssembly.compile = () => Promise.reject(new WebAssembly.CompileError('invalid value type'));
    });
    expect(old.error).toMatchObject({
      code: 'CANNOT_START',
      message: expect.stringContaining('lacks WebAssembly SIMD and WebAssembly shared memory: update the browser'),
    });
    expect(old.unhandled).toEqual([]);
  });

  it('a page that is not isolated has one thread and says which headers it needs', async () => {
    expect(await startIn('/plain.html')).toEqual(oneThread(/Cross-Origin-Opener-Policy: same-origin/));
  });

  it('a page whose policy forbids workers has one thread', async () => {
    expect(await startIn('/noWorkers.html')).toEqual(oneThread(/^1 of 2 threads: .*worker-src/));
  });

  it('a page with Trusted Types has all threads, unless it forbids policies', async () => {
    expect(await startIn('/trustedTypes.html')).toEqual(expected);
    expect(await startIn('/noPolicies.html')).toEqual(oneThread(/^1 of 2 threads: .*policy/i));
  });

  it('a browser that cannot send memory to workers has one thread, as WebKitGTK', async () => {
    const outcome = await startIn('/isolated.html', () => {
      Worker.prototype.postMessage = () => {
        throw new DOMException('The object can not be cloned.', 'DataCloneError');
      };
    });
    expect(outcome).toEqual(oneThread(/could not be started: The object can not be cloned/));
    const without = await startIn('/isolated.html', () => {
      (globalThis as { SharedArrayBuffer?: unknown }).SharedArrayBuffer = undefined;
    });
    expect(without).toEqual(oneThread(/no SharedArrayBuffer/));
  });

  it('a service worker has one thread', async () => {
    const { page } = await openPage(browser, server.isolated);
    const outcome = await page.evaluate(async () => {
      const registration = await navigator.serviceWorker.register('/serviceWorker.js', { type: 'module' });
      await navigator.serviceWorker.ready;
      const { port1, port2 } = new MessageChannel();
      const generating = { temperature: 0, maxTokens: 8 };
      const task = { source: '/tiny.gguf', prompt: 'Once', loading: { threads: 2 }, generating };
      registration.active!.postMessage(task, [port2]);
      const answer = await new Promise<unknown>((resolve) => {
        port1.onmessage = ({ data }) => resolve(data);
      });
      await registration.unregister();
      return answer;
    });
    await page.close();
    const { unhandled: _, ...one } = oneThread(/no workers here/);
    expect(outcome).toEqual(one);
  });
});
