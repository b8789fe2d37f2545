/** A connection to `espalier federate serve`. A lost answer is asked for again: messages are idempotent. */
import { SourceError } from '../../core/errors.ts';
import { FederatedError } from '../federatedError.ts';
import type { Receipt } from '../round/round.ts';
import type { Status } from '../server/federation.ts';
import { checkSettings, type FederationSettings } from '../server/settings.ts';
import type { Connection } from './connection.ts';

export interface HttpConnectionOptions {
  /** Milliseconds for which a server may be unreachable. Default: 60,000. */
  readonly patience?: number;
}

const FIRST_WAIT = 250;
const LONGEST_WAIT = 5000;

export interface HttpConnection extends Connection {
  /** Settings of the federation. */
  settings(signal?: AbortSignal): Promise<FederationSettings>;
}

/** @param url of the server, e.g. http://localhost:8090 */
export function httpConnection(url: string | URL, { patience = 60_000 }: HttpConnectionOptions = {}): HttpConnection {
  const base = new URL(url);
  if (!base.pathname.endsWith('/')) base.pathname += '/';

  const ask = async (path: string, init: RequestInit): Promise<Response> => {
    const target = new URL(path, base);
    const started = performance.now();
    for (let pause = FIRST_WAIT; ; pause = Math.min(2 * pause, LONGEST_WAIT)) {
      let problem: string;
      let cause: unknown;
      try {
        const response = await fetch(target, init);
        if (response.ok) return response;
        const { code, message } = (await response.json().catch(() => ({}))) as { code?: string; message?: string };
        problem = `HTTP status ${response.status}${message ? `: ${message}` : ''}`;
        if (response.status < 500) throw new FederatedError(code ?? 'REFUSED', `${base.href}: ${problem}`);
      } catch (error) {
        if (error instanceof FederatedError || init.signal?.aborted) throw error;
        problem = error instanceof Error ? error.message : String(error);
        cause = error;
      }
      if (performance.now() - started + pause > patience)
        throw new SourceError(target.href, `the server does not answer: ${problem}`, {}, { cause });
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  };

  return {
    async status(client, signal) {
      return (await (await ask(`status?client=${client}`, { signal })).json()) as Status;
    },
    async weights(hash, signal) {
      const buffer = await (await ask(`weights?hash=${hash}`, { signal })).arrayBuffer();
      if (buffer.byteLength % 4 !== 0)
        throw new FederatedError('BAD_WEIGHTS', `${base.href}: the weights are truncated`);
      return new Float32Array(buffer);
    },
    async send(message, signal) {
      const headers = { 'content-type': 'application/octet-stream' };
      const response = await ask('messages', { method: 'POST', body: message.slice(), headers, signal });
      return (await response.json()) as Receipt;
    },
    async settings(signal) {
      const { parameters: _, ...settings } = (await (await ask('settings', { signal })).json()) as Record<
        string,
        unknown
      >;
      return checkSettings(settings);
    },
  };
}
