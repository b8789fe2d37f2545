/** A local server that behaves like the Hugging Face hub, with optional faults. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';

/** Faults of one response. */
export interface Fault {
  /** Status to respond with instead of the file. */
  readonly status?: number;
  /** Responds with an HTML page, as captive portals do. */
  readonly html?: boolean;
  /** Closes the connection after this number of bytes of the body. */
  readonly cutAfter?: number;
  /** Delay before the first byte, in ms. */
  readonly delay?: number;
  /** Wrong content-length. */
  readonly contentLength?: number;
  /** Ignores the requested range and sends the whole file. */
  readonly ignoresRange?: boolean;
  /** Omits content-length and sends chunks. */
  readonly hidesLength?: boolean;
  /** Content to send instead of the file. */
  readonly body?: Uint8Array;
  /** Wrong ETag. */
  readonly etag?: string;
  /** Declares the body as compressed although it is not. */
  readonly encoding?: string;
  /** Compresses the body. */
  readonly gzip?: boolean;
  /** Additional headers. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly range?: string;
  readonly authorization?: string;
  readonly headers: IncomingHttpHeaders;
}

export interface HubServer {
  readonly url: string;
  /** Files by path, e.g. '/owner/repo/resolve/main/x.gguf'. */
  readonly files: Map<string, Uint8Array>;
  readonly requests: SeenRequest[];
  /** Called for every request of a file; returns its faults. */
  fault: (request: SeenRequest, index: number) => Fault | undefined;
  /** Called first for every request. */
  refusal: (request: SeenRequest) => Fault | undefined;
  /** Moves the branch main of owner/repo to a commit with these files; answers then name the commit. */
  publish(commit: string, files: Readonly<Record<string, Uint8Array>>): void;
  close(): Promise<void>;
}

/** Model files are redirected to another host, with size and SHA-256 in headers. Other files are sent directly. */
export async function startHub(): Promise<HubServer> {
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  /** Commit of the branch main of owner/repo. */
  let branch: string | undefined;
  const hub: HubServer = {
    url: `http://127.0.0.1:${port}`,
    files: new Map(),
    requests: [],
    fault: () => undefined,
    refusal: () => undefined,
    publish(commit, files) {
      branch = commit;
      for (const [name, bytes] of Object.entries(files)) hub.files.set(`/owner/repo/resolve/${commit}/${name}`, bytes);
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked = decodeURI(request.url!.replace(/[?].*/, ''));
    const { range, authorization } = request.headers;
    const seen = { method: request.method!, path: asked, range, authorization, headers: request.headers };
    hub.requests.push(seen);
    const refusal = hub.refusal(seen);
    if (refusal) return send(request, response, new Uint8Array(0), refusal);
    if (branch !== undefined && asked.startsWith('/api/models/owner/repo/revision/')) {
      const prefix = `/owner/repo/resolve/${branch}/`;
      const files = [...hub.files].filter(([path]) => path.startsWith(prefix));
      const siblings = files.map(([path, { length }]) => ({ rfilename: path.slice(prefix.length), size: length }));
      response.writeHead(200, { 'content-type': 'application/json' });
      return void response.end(JSON.stringify({ sha: branch, siblings }));
    }
    const path =
      branch === undefined ? asked : asked.replace('/owner/repo/resolve/main/', `/owner/repo/resolve/${branch}/`);
    const commit = /^\/owner\/repo\/resolve\/([0-9a-f]{40})\//.exec(path)?.[1];
    if (commit) response.setHeader('x-repo-commit', commit);
    const bytes = hub.files.get(path.replace(/^\/cdn/, ''));
    if (!bytes) {
      const code = commit ? { 'x-error-code': 'EntryNotFound' } : {};
      return void response.writeHead(404, { 'content-type': 'text/plain', ...code }).end('Entry not found');
    }
    const isLarge = /\.(gguf|safetensors)$/.test(path) && path.includes('/resolve/');
    if (isLarge && !path.startsWith('/cdn')) {
      const location = encodeURI(`http://localhost:${port}/cdn${path}?signature=secret`);
      const linked = { 'x-linked-etag': `"${sha256Of(bytes)}"`, 'x-linked-size': String(bytes.length) };
      return void response.writeHead(302, { location, ...linked }).end();
    }
    const index = hub.requests.filter((other) => other.path === asked && other.method === seen.method).length - 1;
    const fault = hub.fault(seen, index) ?? {};
    await send(request, response, fault.body ?? bytes, fault);
  }

  return hub;
}

async function send(
  request: IncomingMessage,
  response: ServerResponse,
  bytes: Uint8Array,
  fault: Fault,
): Promise<void> {
  if (fault.delay) await new Promise((resolve) => setTimeout(resolve, fault.delay));
  if (fault.status) {
    return void response.writeHead(fault.status, { 'content-type': 'text/plain', ...fault.headers }).end('no');
  }
  if (fault.html) return void response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<html>');
  const headers: Record<string, string> = { etag: fault.etag ?? `"${sha256Of(bytes).slice(0, 40)}"`, ...fault.headers };
  if (fault.encoding) headers['content-encoding'] = fault.encoding;
  if (fault.gzip) {
    const body = gzipSync(bytes);
    response.writeHead(200, { ...headers, 'content-encoding': 'gzip', 'content-length': String(body.length) });
    return void response.end(request.method === 'HEAD' ? undefined : body);
  }
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
  const from = Number(first ?? 0);
  const to = last ? Math.min(Number(last), bytes.length - 1) : bytes.length - 1;
  const ranged = request.headers.range !== undefined && !fault.ignoresRange;
  if (ranged && from >= bytes.length) {
    return void response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
  }
  if (ranged) headers['content-range'] = `bytes ${from}-${to}/${bytes.length}`;
  const body = ranged ? bytes.subarray(from, to + 1) : bytes;
  if (!fault.hidesLength) headers['content-length'] = String(fault.contentLength ?? body.length);
  response.writeHead(ranged ? 206 : 200, headers);
  if (request.method === 'HEAD') return void response.end();
  if (fault.cutAfter === undefined && fault.contentLength === undefined) return void response.end(body);
  response.write(body.subarray(0, fault.cutAfter), () => response.destroy());
}

function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
