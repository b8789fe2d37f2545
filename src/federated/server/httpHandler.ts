/**
 * A federation over HTTP, as a function from requests to responses. Any server can call it (Node, a worker, a framework). Pages of other
 * origins may use it: it trusts no cookie, every message is signed.
 */
import { EspalierError } from '../../core/errors.ts';
import { readAtMost } from '../../core/readAtMost.ts';
import type { Federation } from './federation.ts';
import { federationReport } from './report.ts';

const HEADERS = {
  'access-control-allow-origin': '*',
  'access-control-allow-headers': 'content-type',
  'access-control-expose-headers': 'x-sha256',
  'cross-origin-resource-policy': 'cross-origin',
  'cache-control': 'no-store',
};
/** Bytes of a message beside an update. */
const OVERHEAD = 1 << 20;

export interface HttpHandlerOptions {
  /** Server's time in milliseconds. Default: Date.now. */
  readonly now?: () => number;
  /** Value of `training.model` for clients, instead of the server's path. */
  readonly publishedModel?: string;
}

export function httpHandler(
  federation: Federation,
  { now = Date.now, publishedModel }: HttpHandlerOptions = {},
): (request: Request) => Promise<Response> {
  const route = async (request: Request): Promise<Response> => {
    const { pathname, searchParams } = new URL(request.url);
    const path = pathname.replace(/\/$/, '');
    if (request.method === 'OPTIONS') return new Response(null, { status: 204, headers: HEADERS });
    if (request.method === 'POST' && path === '/messages') {
      const bytes = await readBody(request, 4 * federation.weights.length + OVERHEAD);
      if (!bytes) return json({ code: 'TOO_LARGE', message: 'the message is larger than an update' }, 413);
      return json(await federation.receive(bytes, now()));
    }
    if (request.method !== 'GET') return json({ code: 'NOT_FOUND', message: `${request.method} ${path}` }, 405);
    if (path === '/status') {
      await federation.tick(now());
      return json(federation.status(searchParams.get('client') ?? ''));
    }
    if (path === '/settings') {
      const { training, ...settings } = federation.settings;
      return json({ ...settings, training: { ...training, model: publishedModel ?? training.model } });
    }
    if (path === '/weights') {
      const { weights, weightsHash } = federation;
      if (searchParams.get('hash') !== weightsHash)
        return json({ code: 'WRONG_ROUND', message: 'the server does not have these weights any more' }, 404);
      const bytes = new Uint8Array(weights.buffer, weights.byteOffset, weights.byteLength).slice();
      return new Response(bytes, { headers: { ...HEADERS, 'content-type': 'application/octet-stream' } });
    }
    if (path === '/report.jsonl') {
      const lines = federation.report.map((line) => `${JSON.stringify(line)}\n`).join('');
      return new Response(lines, { headers: { ...HEADERS, 'content-type': 'application/jsonl' } });
    }
    if (path === '') {
      const html = federationReport(federation.settings.name, federation.report);
      return new Response(html, { headers: { ...HEADERS, 'content-type': 'text/html; charset=utf-8' } });
    }
    return json({ code: 'NOT_FOUND', message: `there is no ${path}` }, 404);
  };
  return async (request) => {
    try {
      return await route(request);
    } catch (error) {
      const code = error instanceof EspalierError ? error.code : 'FAILED';
      return json({ code, message: error instanceof Error ? error.message : String(error) }, 500);
    }
  };
}

function json(value: unknown, status = 200): Response {
  return new Response(JSON.stringify(value), { status, headers: { ...HEADERS, 'content-type': 'application/json' } });
}

/** Returns undefined if there are more bytes than `maximum`; never holds more. */
async function readBody(request: Request, maximum: number): Promise<Uint8Array | undefined> {
  if (Number(request.headers.get('content-length') ?? 0) > maximum) return undefined;
  return readAtMost(request.body, maximum);
}
