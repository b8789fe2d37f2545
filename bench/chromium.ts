/**
 * Measurements in headless Chromium. Each run starts a new browser with a page that downloads the model,
 * passes it to the engine as a Blob, does the work once as a warm-up and then several times.
 */
import { createReadStream, readdirSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { haveChromium, startChromium } from '../test/browser/chromium.ts';
import { type Engine, type Readings, Skipped } from './contest.ts';
import { threadsOf } from './engines.ts';
import type { Inference } from './inference.ts';

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** The package as pages without a bundler load it. */
function builtFiles(): Readonly<Record<string, string>> {
  const folder = path('../dist/browser/');
  return Object.fromEntries(readdirSync(folder).map((name) => [`/lib/${name}`, folder + name]));
}

/** Files that the server provides, in addition to the model. */
const files = (): Readonly<Record<string, string>> => ({
  '/': path('./pages/index.html'),
  '/espalier.js': path('./pages/espalier.js'),
  '/espalierWorker.js': path('./pages/espalierWorker.js'),
  ...builtFiles(),
  '/wllama.js': path('./pages/wllama.js'),
  '/wllama/index.js': path('./peers/node_modules/@wllama/wllama/esm/index.js'),
  '/wllama/wllama.wasm': path('./peers/node_modules/@wllama/wllama/esm/wasm/wllama.wasm'),
});
const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.wasm': 'application/wasm',
  '.gguf': 'application/octet-stream',
};
/** Headers for cross-origin isolation, which shared memory needs. */
const isolation = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' };

/** The function `measure` that a page's script exports. */
interface PageWork {
  readonly model: string;
  readonly prefill: number;
  readonly decode: number;
  readonly runs: number;
  readonly threads: number;
}
interface PageReadings extends Readings {
  readonly threads: number;
}

/** Espalier in a worker of the page, whose own thread computes too. A single thread runs without isolation. */
export function espalierInChromium(threads: number): Engine<Inference> {
  const where = threads === 1 ? 'Chromium, not isolated' : 'Chromium';
  return {
    name: `espalier in ${where}, ${threadsOf(threads)}`,
    run: (contest) => runPage('/espalier.js', contest, threads, threads > 1),
  };
}

/** llama.cpp in WebAssembly. Speeds are its own measurements, without the messages between worker and page. */
export function wllama(threads: number): Engine<Inference> {
  return {
    name: `wllama in Chromium, ${threadsOf(threads)}`,
    run: (contest) => runPage('/wllama.js', contest, threads, true),
  };
}

async function runPage(script: string, contest: Inference, threads: number, isolated: boolean): Promise<Readings> {
  if (!haveChromium()) throw new Skipped('no Chromium found');
  const { prefill, decode, runs } = contest.work;
  const server = await serve({ ...files(), '/model.gguf': contest.model.file() }, isolated);
  const browser = await startChromium();
  try {
    const page = await browser.newPage();
    await page.goto(server.url);
    const work = { model: '/model.gguf', prefill, decode, runs, threads };
    const readings = await page.evaluate(
      async ({ script, work }): Promise<PageReadings> => {
        const { measure } = (await import(script)) as { measure: (work: PageWork) => Promise<PageReadings> };
        return measure(work);
      },
      { script, work },
    );
    if (readings.threads !== threads) throw new Skipped(`the page has ${threadsOf(readings.threads)}`);
    return readings;
  } finally {
    await browser.close();
    server.close();
  }
}

async function serve(files: Readonly<Record<string, string>>, isolated: boolean) {
  const server = createServer(({ url }, response) => {
    const file = files[url ?? ''];
    if (!file) return response.writeHead(404).end();
    const headers = { 'content-type': types[extname(file)], 'content-length': statSync(file).size };
    response.writeHead(200, { ...headers, ...(isolated ? isolation : {}) });
    createReadStream(file).pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
