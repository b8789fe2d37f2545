/**
 * Lets pages take part in a Flower federation. A SuperLink does not answer pages of other origins, so a server of the page's own origin
 * passes its calls on, unchanged. It sees the headers that identify a node, so it must be as trusted as the SuperLink.
 */
import { methods } from './schemas.ts';

const HEADERS = ['content-type', 'flwr-public-key', 'flwr-timestamp', 'flwr-signature'];
/** An object has 5 MiB at most. */
const MAXIMUM_BYTES = 8 * 2 ** 20;

/**
 * Returns a function for any server that knows `Request` and `Response`. It answers POST requests whose path ends in
 * /v1/fleet/ and the name of a method that nodes call, and nothing else.
 * @param url of the SuperLink
 */
export function fleetPassThrough(url: string | URL): (request: Request) => Promise<Response> {
  return async (request) => {
    const method = /\/v1\/fleet\/([\w-]+)$/.exec(new URL(request.url).pathname)?.[1];
    if (request.method !== 'POST' || method === undefined || !Object.hasOwn(methods, method))
      return new Response(null, { status: 404 });
    if (Number(request.headers.get('content-length') ?? Number.POSITIVE_INFINITY) > MAXIMUM_BYTES)
      return new Response(null, { status: 413 });
    const headers = HEADERS.flatMap((name): [string, string][] => {
      const value = request.headers.get(name);
      return value === null ? [] : [[name, value]];
    });
    const body = await request.arrayBuffer();
    try {
      const response = await fetch(new URL(`v1/fleet/${method}`, url), { method: 'POST', headers, body });
      const passed = ['content-type', 'date'].flatMap((name): [string, string][] => {
        const value = response.headers.get(name);
        return value === null ? [] : [[name, value]];
      });
      return new Response(await response.arrayBuffer(), { status: response.status, headers: passed });
    } catch {
      return new Response(null, { status: 502 });
    }
  };
}
