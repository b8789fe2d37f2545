/** Calls of Flower's Fleet API over HTTP: protobuf bodies, and a signature of the time with every call. */
import { p256 } from '@noble/curves/nist.js';
import { SourceError } from '../../core/errors.ts';
import { readAtMost } from '../../core/readAtMost.ts';
import { toBase64 } from '../encoding.ts';
import { FederatedError } from '../federatedError.ts';
import { refusalBody } from '../refusalBody.ts';
import { decodeProto, encodeProto, type Message } from './protobuf.ts';
import { type Method, methods } from './schemas.ts';

/** Start of the SPKI form of an uncompressed P-256 key. */
const SPKI = [
  0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
  0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const RETRIED = new Set([502, 503, 504]);
/** Objects have 5 MiB at most; lists of messages with their trees of objects are shorter. */
const MAXIMUM_ANSWER = 64 * 2 ** 20;
const FIRST_WAIT = 1000;
const LONGEST_WAIT = 20_000;

export interface FlowerKey {
  readonly secretKey: Uint8Array;
  /** PEM text as bytes: the node's identity for the SuperLink. */
  readonly publicKey: Uint8Array;
}

/** @param secretKey 32 bytes of a P-256 key; default: a new one */
export function flowerKey(secretKey: Uint8Array = p256.utils.randomSecretKey()): FlowerKey {
  const point = p256.getPublicKey(secretKey, false);
  const lines = toBase64(Uint8Array.of(...SPKI, ...point)).replace(/.{64}/g, '$&\n');
  const pem = `-----BEGIN PUBLIC KEY-----\n${lines}${lines.endsWith('\n') ? '' : '\n'}-----END PUBLIC KEY-----\n`;
  return { secretKey, publicKey: new TextEncoder().encode(pem) };
}

/** The public key as an OpenSSH line, which `flwr supernode register` reads. */
export function openSshKey({ secretKey }: FlowerKey): string {
  const parts = ['ecdsa-sha2-nistp256', 'nistp256'].map((text) => new TextEncoder().encode(text));
  const blob = [...parts, p256.getPublicKey(secretKey, false)].flatMap((part) => [0, 0, 0, part.length, ...part]);
  return `ecdsa-sha2-nistp256 ${toBase64(Uint8Array.from(blob))}\n`;
}

export interface FleetApiOptions {
  /** Milliseconds for which the SuperLink may be unreachable. Default: 60,000. */
  readonly patience?: number;
  readonly signal?: AbortSignal;
}

export class FleetApi {
  readonly #url: URL;
  readonly #key: FlowerKey;
  readonly #options: FleetApiOptions;
  /** The server's clock minus ours, in milliseconds. */
  #clockOffset = 0;

  /** @param url of the SuperLink, or of a pass-through on a page's own origin */
  constructor(url: string | URL, key: FlowerKey, options: FleetApiOptions = {}) {
    this.#url = new URL(url);
    this.#key = key;
    this.#options = options;
  }

  get publicKey(): Uint8Array {
    return this.#key.publicKey;
  }

  /** The server's time in seconds: replies are dated with it. */
  now(): number {
    return (Date.now() + this.#clockOffset) / 1000;
  }

  /** @throws {FederatedError} REFUSED with `data.status` and `data.flowerCode` @throws {SourceError} if nobody answers */
  async call(method: Method, message: Message): Promise<Message> {
    const { request, answer } = methods[method];
    const body = encodeProto(request, message).slice();
    const { patience = 60_000, signal } = this.#options;
    const started = performance.now();
    let isClockSet = false;
    for (let pause = FIRST_WAIT; ; pause = Math.min(2 * pause, LONGEST_WAIT)) {
      let problem: string;
      try {
        const response = await fetch(new URL(`v1/fleet/${method}`, this.#url), {
          ...{ method: 'POST', headers: this.#headers(), body, signal },
        });
        if (response.ok) return decodeProto(answer, await bodyOf(response, method));
        // a clock that is off looks like a wrong signature: take the server's time and try once more
        if (response.status === 401 && !isClockSet && this.#setClock(response)) {
          isClockSet = true;
          pause = FIRST_WAIT / 2;
          continue;
        }
        const { code, detail }: Refusal = await refusalBody(response).catch(() => ({}));
        problem = `status ${response.status}${code === undefined ? '' : `, code ${code}`}${detail ? `: ${detail}` : ''}`;
        if (!RETRIED.has(response.status))
          throw new FederatedError('REFUSED', `Flower refused ${method}: ${problem}`, {
            method,
            status: response.status,
            flowerCode: code,
          });
      } catch (error) {
        if (error instanceof FederatedError || signal?.aborted) throw error;
        problem = error instanceof Error ? error.message : String(error);
      }
      if (performance.now() - started + pause > patience)
        throw new SourceError(this.#url.href, `the SuperLink does not answer ${method}: ${problem}`);
      await new Promise((resolve) => setTimeout(resolve, pause * (0.5 + Math.random() / 2)));
    }
  }

  #headers(): Record<string, string> {
    const timestamp = new Date(Date.now() + this.#clockOffset).toISOString();
    const signature = p256.sign(new TextEncoder().encode(timestamp), this.#key.secretKey, { format: 'der' });
    return {
      'content-type': 'application/protobuf',
      'flwr-public-key': toBase64(this.#key.publicKey),
      'flwr-timestamp': timestamp,
      'flwr-signature': toBase64(signature),
    };
  }

  #setClock(response: Response): boolean {
    const date = Date.parse(response.headers.get('date') ?? '');
    if (Number.isNaN(date)) return false;
    this.#clockOffset = date - Date.now();
    return Math.abs(this.#clockOffset) > 2000;
  }
}

/** Body of Flower's refusals. */
interface Refusal {
  readonly code?: number;
  readonly detail?: string;
}

/** @throws {FederatedError} BAD_ANSWER if it is too long */
async function bodyOf({ body }: Response, method: Method): Promise<Uint8Array> {
  const bytes = await readAtMost(body, MAXIMUM_ANSWER);
  if (bytes) return bytes;
  throw new FederatedError('BAD_ANSWER', `Flower's answer to ${method} has more than ${MAXIMUM_ANSWER} bytes`, {
    method,
  });
}
