/** Serves the bundle, models and pages to a browser, with and without cross-origin isolation. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';

/** Folder of the files that `npm run build` makes for pages without a bundler. */
export const bundleFolder = fileURLToPath(new URL('../../dist/browser/', import.meta.url));

const page = `<!doctype html>
<title>Espalier</title>
<link rel="icon" href="data:,">
<input type="file">
<script type="module" src="/page.js"></script>`;

/** A separate file, because a Content-Security-Policy may forbid inline scripts. */
const script = `import * as espalier from '/lib/espalier.js';
globalThis.espalier = espalier;`;

/** Loads and generates in a worker, where the caller's thread may sleep. */
const worker = `import { load } from '/lib/espalier.js';
const answer = async ({ source, prompt, loading, generating }) => {
  const model = await load(source, loading);
  const { ids } = await model.session().generate(prompt, generating).result;
  const { threads } = model.backend.settings;
  model.dispose();
  return { ids, threads, limits: model.backend.limits };
};
onmessage = ({ data }) => answer(data).then(postMessage, (error) => postMessage(String(error)));`;

/** The same in a service worker, which answers through the port that comes with the message. */
const serviceWorker = worker.replace('espalier.js', 'espalier.single.js').replace(
  /^onmessage.*$/m,
  `onmessage = ({ data, ports: [port] }) =>
  answer(data).then((found) => port.postMessage(found), (error) => port.postMessage(String(error)));
oninstall = () => skipWaiting();`,
);

/** Headers for cross-origin isolation, which shared memory needs. */
export const isolation = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
};

export interface PageServer {
  /** URL of a page that may use threads. */
  readonly isolated: string;
  /** URL of a page that may not use threads. */
  readonly plain: string;
  /** More pages: path such as '/strict.html' → headers. */
  readonly pages: Map<string, Record<string, string>>;
  /** Path such as '/model.gguf' → bytes. */
  readonly files: Map<string, Uint8Array>;
  /** Script that runs in the package's worker before it fetches the engine. */
  workerPrelude?: string;
  /** Answers as if the package's worker had not been copied there. */
  withoutWorkerFile?: boolean;
  /** GET requests of files, with the first byte they asked for. */
  readonly requests: { readonly path: string; readonly from: number }[];
  /** Breaks the connection of the next request after this number of bytes. */
  cutAfter?: number;
  /** Forbids browsers to cache files, so that every byte is requested here. */
  uncached?: boolean;
  /** Answers a request in its own way, where it returns true. */
  answerFirst?: (request: IncomingMessage, response: ServerResponse, path: string) => boolean;
  /** Waits for this before every chunk of a file. */
  throttle?: () => Promise<void>;
  close(): Promise<void>;
}

const CHUNK_BYTES = 65536;

export async function servePages(): Promise<PageServer> {
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const pages: PageServer = {
    isolated: `http://127.0.0.1:${port}/isolated.html`,
    plain: `http://127.0.0.1:${port}/plain.html`,
    pages: new Map(),
    files: new Map(),
    requests: [],
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url!, 'http://localhost');
    // an application has its own files offline too
    const built = /^\/lib\/([\w.-]+\.js)$/.exec(pathname)?.[1];
    // as an application serves a copy of its own, with the rest of the folder
    if (pathname === '/copied/worker.js') return send(response, 'text/javascript', copiedWorker(), isolation);
    if (built === 'espalier.worker.js' && pages.withoutWorkerFile) return void response.writeHead(404).end();
    if (built) {
      const prelude = built === 'espalier.worker.js' ? (pages.workerPrelude ?? '') : '';
      return send(response, 'text/javascript', Buffer.from(prelude + readFileSync(bundleFolder + built)), isolation);
    }
    if (pages.answerFirst?.(request, response, pathname)) return;
    const bytes = pages.files.get(pathname);
    if (bytes) return sendFile(request, response, pathname, bytes);
    if (pathname === '/page.js') return send(response, 'text/javascript', Buffer.from(script));
    if (pathname === '/worker.js') return send(response, 'text/javascript', Buffer.from(worker), isolation);
    if (pathname === '/serviceWorker.js')
      return send(response, 'text/javascript', Buffer.from(serviceWorker), isolation);
    const headers = pathname === '/isolated.html' ? isolation : (pages.pages.get(pathname) ?? {});
    send(response, 'text/html; charset=utf-8', Buffer.from(page), headers);
  }

  async function sendFile(request: IncomingMessage, response: ServerResponse, path: string, bytes: Uint8Array) {
    const hash = createHash('sha256').update(bytes).digest('hex');
    // Chromium's cache asks for the bytes that it lacks, up to a last one
    const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
    const from = Number(first ?? 0);
    const to = Math.min(last ? Number(last) : bytes.length, bytes.length - 1);
    const headers = {
      'content-type': 'application/octet-stream',
      'content-length': to + 1 - from,
      etag: `"${hash}"`,
      'accept-ranges': 'bytes',
      ...(first && { 'content-range': `bytes ${from}-${to}/${bytes.length}` }),
      ...(pages.uncached && { 'cache-control': 'no-store' }),
    };
    response.writeHead(first ? 206 : 200, headers);
    if (request.method === 'HEAD') return void response.end();
    pages.requests.push({ path, from });
    const end = pages.cutAfter ?? to + 1;
    pages.cutAfter = undefined;
    for (let at = from; at < end && !response.destroyed; at += CHUNK_BYTES) {
      await pages.throttle?.();
      const chunk = bytes.subarray(at, Math.min(end, at + CHUNK_BYTES));
      await new Promise((resolve) => response.write(chunk, resolve));
    }
    if (end <= to) response.destroy();
    else response.end();
  }

  return pages;
}

function copiedWorker(): Uint8Array {
  const text = readFileSync(`${bundleFolder}espalier.worker.js`, 'utf8');
  return Buffer.from(text.replaceAll('"./', '"/lib/'));
}

function send(response: ServerResponse, type: string, body: Uint8Array, headers: Record<string, string> = {}): void {
  response.writeHead(200, { 'content-type': type, ...headers }).end(body);
}
