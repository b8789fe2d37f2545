/** Serves a federation with Node's HTTP server. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Federation, httpHandler } from '../federated/index.ts';

export interface FederationServerOptions {
  readonly host: string;
  readonly port: number;
  /** Path of a model file that clients may download as /model. */
  readonly model?: string;
}

/** Milliseconds between two looks at the deadlines. */
const TICK = 200;

export interface FederationServer {
  readonly url: string;
  close(): Promise<void>;
}

/** @throws the error of the socket, e.g. EADDRINUSE; the error of a failed journal ends the server */
export async function serveFederation(
  federation: Federation,
  { host, port, model }: FederationServerOptions,
  onError: (error: Error) => void,
): Promise<FederationServer> {
  const handle = httpHandler(federation, { publishedModel: model === undefined ? undefined : 'model' });
  const server = createServer((request, response) => {
    const isModel = model !== undefined && request.url === '/model';
    const done = isModel
      ? sendFile(model, request, response).then((bytes) => federation.countSent(bytes))
      : answer(handle, request, response);
    done.catch(() => response.destroy());
  });
  await listen(server, port, host);
  const timer = setInterval(() => federation.tick(Date.now()).catch(onError), TICK);
  const { port: bound } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    async close() {
      clearInterval(timer);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

async function answer(
  handle: (request: Request, address?: string) => Promise<Response>,
  message: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const hasBody = message.method === 'POST';
  const init = {
    method: message.method ?? 'GET',
    headers: Object.entries(message.headers).map(([name, value]) => [name, String(value)] as [string, string]),
    ...(hasBody && { body: Readable.toWeb(message) as ReadableStream<Uint8Array>, duplex: 'half' }),
  };
  const request = new Request(new URL(message.url ?? '/', 'http://federation'), init);
  const answered = await handle(request, message.socket.remoteAddress);
  response.writeHead(answered.status, Object.fromEntries(answered.headers));
  response.end(Buffer.from(await answered.arrayBuffer()));
}

/** Sends the whole file; a page of another origin may read it. @returns number of bytes sent */
async function sendFile(path: string, { method }: IncomingMessage, response: ServerResponse): Promise<number> {
  const { size } = await stat(path);
  response.writeHead(method === 'OPTIONS' ? 204 : 200, {
    'content-type': 'application/octet-stream',
    'access-control-allow-origin': '*',
    'access-control-allow-headers': '*',
    'cross-origin-resource-policy': 'cross-origin',
    ...(method !== 'OPTIONS' && { 'content-length': size }),
  });
  if (method !== 'GET') {
    response.end();
    return 0;
  }
  await pipeline(createReadStream(path), response);
  return size;
}
