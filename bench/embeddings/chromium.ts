/** Runs a worker of this folder in headless Chromium, in a cross-origin isolated page that has the models. */
import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startChromium } from '../../test/browser/chromium.ts';
import { isolation } from '../../test/browser/pageServer.ts';

export interface BrowserWork {
  readonly worker: 'espalierWorker.js' | 'transformersJsWorker.js';
  readonly sentences: readonly string[];
  readonly threads: number;
  readonly batch: number;
}

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
  '.json': 'application/json',
};

/** @param folders Hugging Face folders: Espalier's, and the one with onnx/model.onnx @returns sentences per second */
export async function inChromium(
  { worker, sentences, threads, batch }: BrowserWork,
  folders: { readonly model: string; readonly onnx: string },
): Promise<number> {
  const served: Readonly<Record<string, string>> = {
    '/lib/': path('../../dist/browser/'),
    '/model/': folders.model,
    '/onnxModel/': folders.onnx,
    '/peer/': path('../peers/embeddings/node_modules/@huggingface/transformers/dist/'),
    '/ort/': path('../peers/embeddings/node_modules/onnxruntime-web/dist/'),
    '/': path('./'),
  };
  const server = await serve(served);
  const browser = await startChromium();
  try {
    const page = await browser.newPage();
    await page.goto(`${server.url}page.html`);
    const answer = await page.evaluate(
      ({ worker, ...work }) =>
        new Promise<{ seconds: number; threads: number }>((resolve, reject) => {
          const running = new Worker(`/${worker}`, { type: 'module' });
          running.onmessage = ({ data }) => resolve(data);
          running.onerror = ({ message }) => reject(new Error(message));
          running.postMessage(work);
        }),
      { worker, sentences, threads, batch },
    );
    if (answer.threads !== threads) throw new Error(`${worker} has ${answer.threads} threads, expected ${threads}`);
    return sentences.length / answer.seconds;
  } finally {
    await browser.close();
    server.close();
  }
}

async function serve(folders: Readonly<Record<string, string>>) {
  const server = createServer(({ url = '' }, response) => {
    const inside = normalize(decodeURIComponent(new URL(url, 'http://localhost').pathname));
    const prefix = Object.keys(folders).find((known) => inside.startsWith(known))!;
    const file = join(folders[prefix], inside.slice(prefix.length));
    const size = statSync(file, { throwIfNoEntry: false })?.size;
    const headers = { ...isolation, 'content-type': types[extname(file)] ?? 'application/octet-stream' };
    if (inside === '/page.html')
      return response.writeHead(200, headers).end('<!doctype html><title>Embeddings</title>');
    if (size === undefined) return response.writeHead(404, isolation).end();
    response.writeHead(200, { ...headers, 'content-length': size });
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
