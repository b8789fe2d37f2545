/** A connection to `espalier federate serve`. A lost answer is asked for again: messages are idempotent. */

import { refusalCodes } from '../../core/errorCodes.ts';
import { SourceError } from '../../core/errors.ts';
import { readAtMost } from '../../core/readAtMost.ts';
import { wait } from '../../formats/sources/retrying.ts';
import { FederatedError } from '../federatedError.ts';
import { refusalBody } from '../refusalBody.ts';
import { checkSettings } from '../server/settings.ts';
import { checkReceipt, checkStatus } from './answers.ts';
import type { Connection } from './connection.ts';

export interface HttpConnectionOptions {
  /** Milliseconds for which a server may be unreachable. Default: 60,000. */
  readonly patience?: number;
}

const FIRST_WAIT = 250;
const LONGEST_WAIT = 5000;
/** Bytes of an answer in JSON. The roster of 100,000 members has 50 MB. */
const MAXIMUM_JSON = 1 << 26;

/** The URL that a server's paths are relative to: with a slash at its end. */
export function serverUrl(url: string | URL): URL {
  const base = new URL(url);
  if (!base.pathname.endsWith('/')) base.pathname += '/';
  return base;
}

/** @param url of the server, e.g. http://localhost:8090 */
export function httpConnection(url: string | URL, { patience = 60_000 }: HttpConnectionOptions = {}): Connection {
  const base = serverUrl(url);
  const ask = async (path: string, init: RequestInit, maximum: number): Promise<Uint8Array> => {
    const target = new URL(path, base);
    const started = performance.now();
    for (let pause = FIRST_WAIT; ; pause = Math.min(2 * pause, LONGEST_WAIT)) {
      let problem: string;
      let cause: unknown;
      try {
        const response = await fetch(target, init);
        if (response.ok) {
          // a server that dies while it answers fails here
          const bytes = await readAtMost(response.body, maximum);
          if (bytes) return bytes;
          throw new FederatedError('BAD_ANSWER', `${target.href}: the answer is larger than ${maximum} bytes`);
        }
        const { code, message } = await errorOf(response);
        problem = `HTTP status ${response.status}${message ? `: ${message}` : ''}`;
        if (response.status < 500)
          throw new FederatedError(
            refusalCodes.find((known) => known === code) ?? 'REFUSED',
            `${base.href}: ${problem}`,
          );
      } catch (error) {
        if (error instanceof FederatedError || init.signal?.aborted) throw error;
        problem = error instanceof Error ? error.message : String(error);
        cause = error;
      }
      if (performance.now() - started + pause > patience)
        throw new SourceError(target.href, `the server does not answer: ${problem}`, {}, { cause });
      await wait(pause, init.signal ?? undefined);
    }
  };

  const readJson = async (path: string, init: RequestInit): Promise<unknown> => {
    const bytes = await ask(path, init, MAXIMUM_JSON);
    try {
      return JSON.parse(new TextDecoder().decode(bytes));
    } catch (cause) {
      throw new FederatedError('BAD_ANSWER', `${base.href}${path}: the answer is not JSON`, {}, { cause });
    }
  };

  return {
    async status(client, signal) {
      return checkStatus(await readJson(`status?client=${client}`, { signal }));
    },
    async weights(hash, parameters, signal) {
      const bytes = await ask(`weights?hash=${hash}`, { signal }, 4 * parameters);
      if (bytes.length % 4 !== 0) throw new FederatedError('BAD_WEIGHTS', `${base.href}: the weights are truncated`);
      return new Float32Array(bytes.slice().buffer);
    },
    async send(message, signal) {
      const headers = { 'content-type': 'application/octet-stream' };
      return checkReceipt(await readJson('messages', { method: 'POST', body: message.slice(), headers, signal }));
    },
    async settings(signal) {
      return checkSettings(await readJson('settings', { signal }));
    },
  };
}

/** Returns what a refusal says, as far as it is JSON. */
async function errorOf(response: Response): Promise<{ readonly code?: string; readonly message?: string }> {
  const { code, message } = await refusalBody(response);
  return { code: typeof code === 'string' ? code : undefined, message: message ? String(message) : undefined };
}
