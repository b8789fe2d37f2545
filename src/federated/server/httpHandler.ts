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

/** The function takes the client's address as a second argument, for limits per address. */
export function httpHandler(
  federation: Federation,
  { now = Date.now, publishedModel }: HttpHandlerOptions = {},
): (request: Request, address?: string) => Promise<Response> {
  const route = async (request: Request, address?: string): Promise<Response> => {
    const { pathname, searchParams } = new URL(request.url);
    const path = pathname.replace(/\/$/, '');
    if (request.method === 'OPTIONS') return new Response(null, { status: 204, headers: HEADERS });
    if (request.method === 'POST' && path === '/messages') {
      const bytes = await readBody(request, 4 * federation.weights.length + OVERHEAD);
      if (!bytes) {
        const { code, reason } = federation.refuse('TOO_LARGE', 'the message is larger than an update');
        return json({ code, message: reason }, 413);
      }
      return json(await federation.receive(bytes, now(), address));
    }
    if (request.method !== 'GET') return json({ code: 'NOT_FOUND', message: `${request.method} ${path}` }, 405);
    if (path === '/status') {
      await federation.tick(now());
      const status = federation.status(searchParams.get('client') ?? '');
      await federation.durable;
      return json(status);
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
      return answer(bytes, 'application/octet-stream');
    }
    if (path === '/report.jsonl') {
      const lines = federation.report.map((line) => `${JSON.stringify(line)}\n`).join('');
      return answer(new TextEncoder().encode(lines), 'application/jsonl');
    }
    if (path === '') {
      const html = federationReport(federation.settings.name, federation.report);
      return answer(new TextEncoder().encode(html), 'text/html; charset=utf-8');
    }
    return json({ code: 'NOT_FOUND', message: `there is no ${path}` }, 404);
  };
  return async (request, address) => {
    let response: Response;
    try {
      response = await route(request, address);
    } catch (error) {
      const code = error instanceof EspalierError ? error.code : 'FAILED';
      response = json({ code, message: error instanceof Error ? error.message : String(error) }, 500);
    }
    federation.countSent(Number(response.headers.get('content-length') ?? 0));
    return response;
  };
}

function json(value: unknown, status = 200): Response {
  return answer(new TextEncoder().encode(JSON.stringify(value)), 'application/json', status);
}

function answer(bytes: Uint8Array<ArrayBuffer>, type: string, status = 200): Response {
  const headers = { ...HEADERS, 'content-type': type, 'content-length': String(bytes.length) };
  return new Response(bytes, { status, headers });
}

/** Returns undefined if there are more bytes than `maximum`; never holds more. */
async function readBody(request: Request, maximum: number): Promise<Uint8Array | undefined> {
  if (Number(request.headers.get('content-length') ?? 0) > maximum) return undefined;
  return readAtMost(request.body, maximum);
}
