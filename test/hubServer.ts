/** A local server that behaves like the Hugging Face hub and, when told so, like a bad one. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

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
}

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly range?: string;
  readonly authorization?: string;
}

export interface HubServer {
  readonly url: string;
  /** Path such as '/owner/repo/resolve/main/x.gguf' → bytes. */
  readonly files: Map<string, Uint8Array>;
  readonly requests: SeenRequest[];
  /** Asked for every request of a file's bytes. */
  fault: (request: SeenRequest, index: number) => Fault | undefined;
  close(): Promise<void>;
}

/** Files of model formats are answered by a redirect to another host, which says their size and SHA-256; others are not. */
export async function startHub(): Promise<HubServer> {
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const hub: HubServer = {
    url: `http://127.0.0.1:${port}`,
    files: new Map(),
    requests: [],
    fault: () => undefined,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = decodeURI(request.url!.replace(/[?].*/, ''));
    const { range, authorization } = request.headers;
    const seen = { method: request.method!, path, range, authorization };
    hub.requests.push(seen);
    const bytes = hub.files.get(path.replace(/^\/cdn/, ''));
    if (!bytes) return void response.writeHead(404, { 'content-type': 'text/plain' }).end('Entry not found');
    const isLarge = /\.(gguf|safetensors)$/.test(path) && path.includes('/resolve/');
    if (isLarge && !path.startsWith('/cdn')) {
      const location = encodeURI(`http://localhost:${port}/cdn${path}?signature=secret`);
      const linked = { 'x-linked-etag': `"${sha256Of(bytes)}"`, 'x-linked-size': String(bytes.length) };
      return void response.writeHead(302, { location, ...linked }).end();
    }
    const index = hub.requests.filter((other) => other.path === path && other.method === seen.method).length - 1;
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
  if (fault.status) return void response.writeHead(fault.status, { 'content-type': 'text/plain' }).end('no');
  if (fault.html) return void response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<html>');
  const headers: Record<string, string> = { etag: fault.etag ?? `"${sha256Of(bytes).slice(0, 40)}"` };
  if (fault.encoding) headers['content-encoding'] = fault.encoding;
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  const ranged = request.headers.range !== undefined && !fault.ignoresRange;
  if (ranged && from >= bytes.length) {
    return void response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
  }
  if (ranged) headers['content-range'] = `bytes ${from}-${bytes.length - 1}/${bytes.length}`;
  const body = ranged ? bytes.subarray(from) : bytes;
  if (!fault.hidesLength) headers['content-length'] = String(fault.contentLength ?? body.length);
  response.writeHead(ranged ? 206 : 200, headers);
  if (request.method === 'HEAD') return void response.end();
  if (fault.cutAfter === undefined && fault.contentLength === undefined) return void response.end(body);
  response.write(body.subarray(0, fault.cutAfter), () => response.destroy());
}

function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
