/** A local server that behaves like the Hugging Face hub and, when told so, like a bad one. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';

/** What goes wrong with one answer. */
export interface Fault {
  /** Answers with this status and no file. */
  readonly status?: number;
  /** Answers with a page, as captive portals do. */
  readonly html?: boolean;
  /** Breaks the connection after so many bytes of the body. */
  readonly cutAfter?: number;
  /** Waits before the first byte, in ms. */
  readonly delay?: number;
  /** Says this length, whatever it sends. */
  readonly contentLength?: number;
  /** Sends the whole file though a range was asked for. */
  readonly ignoresRange?: boolean;
  /** Leaves out the length (and sends chunks). */
  readonly hidesLength?: boolean;
  /** Sends these bytes in place of the file's. */
  readonly body?: Uint8Array;
  /** Says another ETag than the file's. */
  readonly etag?: string;
  /** Says that the body is compressed. */
  readonly encoding?: string;
  /** Compresses the body. */
  readonly gzip?: boolean;
  /** Further headers. */
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
  /** Path such as '/owner/repo/resolve/main/x.gguf' → bytes. */
  readonly files: Map<string, Uint8Array>;
  readonly requests: SeenRequest[];
  /** Asked for every request of a file's bytes. */
  fault: (request: SeenRequest, index: number) => Fault | undefined;
  /** Asked for every request before anything else. */
  refusal: (request: SeenRequest) => Fault | undefined;
  /** Moves the branch main of owner/repo to a commit with these files; answers then name the commit. */
  publish(commit: string, files: Readonly<Record<string, Uint8Array>>): void;
  close(): Promise<void>;
}

/** Files of model formats are answered by a redirect to another host, which says their size and SHA-256; others are not. */
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
