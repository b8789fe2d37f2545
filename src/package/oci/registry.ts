/** A registry that speaks the OCI Distribution API (Docker Hub, GHCR, Harbor, `docker-registry` …). */
import { SourceError } from '../../core/errors.ts';
import { readAtMost } from '../../core/readAtMost.ts';
import type { HttpOptions } from '../../formats/sources/httpFile.ts';
import { openRemote } from '../update/remote.ts';
import { MAX_OCI_MANIFEST_BYTES, OCI_MANIFEST, type OciStore } from './ociStore.ts';
import type { RegistryReference } from './reference.ts';

export interface RegistryOptions extends Pick<HttpOptions, 'retry'> {
  readonly user?: string;
  readonly password?: string;
  readonly signal?: AbortSignal;
}

/** Maximum bytes of a token's answer, and of the text of a refusal. */
const MAX_TOKEN_BYTES = 64 * 1024;
/** Bytes of one request of an upload. */
const CHUNK_BYTES = 8 * 1024 * 1024;

export function registryStore(reference: RegistryReference, options: RegistryOptions = {}): OciStore {
  const { host, repository, tag } = reference;
  // as other clients do: a registry on this machine has no certificate
  const scheme = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/.test(host) ? 'http' : 'https';
  const base = `${scheme}://${host}/v2/${repository}/`;
  const name = `oci://${host}/${repository}:${tag}`;
  const { signal } = options;
  let authorization: string | undefined;

  async function request(
    url: string | URL,
    init: RequestInit = {},
    allowed: readonly number[] = [],
  ): Promise<Response> {
    for (let isRetry = false; ; isRetry = true) {
      // an upload may go to a storage of its own, which must not learn the token
      const isOwn = new URL(url).origin === new URL(base).origin;
      const headers = { ...(init.headers as Record<string, string>), ...(isOwn && authorization && { authorization }) };
      const response = await fetch(url, { ...init, headers, ...(signal && { signal }) }).catch((cause: Error) => {
        if (signal?.aborted) throw signal.reason;
        throw new SourceError(name, `cannot be reached: ${cause.message}`, {}, { cause });
      });
      if (response.status === 401 && !isRetry && isOwn) {
        await response.body?.cancel();
        const challenge = response.headers.get('www-authenticate') ?? '';
        authorization = await authorize(challenge, name, options, scheme === 'https');
        continue;
      }
      if (response.ok || allowed.includes(response.status)) return response;
      throw await refusalOf(response, name, init.method ?? 'GET');
    }
  }

  return {
    name,
    async hasBlob(sha256) {
      const response = await request(`${base}blobs/sha256:${sha256}`, { method: 'HEAD' }, [404]);
      return response.ok;
    },
    async putBlob(sha256, _bytes, parts) {
      const started = await request(`${base}blobs/uploads/`, { method: 'POST' });
      let location = uploadUrl(started, name);
      let sent = 0;
      const send = async (chunk: Uint8Array) => {
        const headers = {
          'content-type': 'application/octet-stream',
          'content-range': `${sent}-${sent + chunk.length - 1}`,
        };
        const response = await request(location, { method: 'PATCH', headers, body: chunk as BodyInit });
        location = uploadUrl(response, name);
        sent += chunk.length;
      };
      for await (const chunk of inChunks(parts)) await send(chunk);
      location.searchParams.set('digest', `sha256:${sha256}`);
      await request(location, { method: 'PUT', headers: { 'content-length': '0' } });
    },
    async openBlob(sha256, offset, length, signal) {
      const open = async () => {
        const headers = authorization === undefined ? {} : { headers: { authorization } };
        const remote = await openRemote(`${base}blobs/`, { retry: options.retry, ...headers });
        return remote.open(`./sha256:${sha256}`, offset, length, signal);
      };
      try {
        return await open();
      } catch (error) {
        if (!(error instanceof SourceError) || error.data.status !== 401) throw error;
        // a token may have expired: any request renews it
        await (await request(`${base}blobs/sha256:${sha256}`, { method: 'HEAD' }, [404])).body?.cancel();
        return open();
      }
    },
    async readManifest() {
      const response = await request(`${base}manifests/${tag}`, { headers: { accept: OCI_MANIFEST } }, [404]);
      if (!response.ok) return undefined;
      return readBody(response, MAX_OCI_MANIFEST_BYTES, name);
    },
    async putManifest(bytes) {
      const headers = { 'content-type': OCI_MANIFEST };
      await request(`${base}manifests/${tag}`, { method: 'PUT', headers, body: bytes as BodyInit });
    },
  };
}

async function* inChunks(parts: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const chunk = new Uint8Array(CHUNK_BYTES);
  let filled = 0;
  for await (const part of parts)
    for (let at = 0; at < part.length; ) {
      const count = Math.min(part.length - at, CHUNK_BYTES - filled);
      chunk.set(part.subarray(at, at + count), filled);
      at += count;
      filled += count;
      if (filled < CHUNK_BYTES) continue;
      yield chunk;
      filled = 0;
    }
  if (filled > 0) yield chunk.subarray(0, filled);
}

function uploadUrl(response: Response, name: string): URL {
  const location = response.headers.get('location');
  if (location !== null) return new URL(location, response.url);
  throw new SourceError(name, 'answers an upload without a location', { status: response.status });
}

/** Returns the Authorization header that a registry asks for. @throws {SourceError} if it needs a user and a password */
async function authorize(
  challenge: string,
  name: string,
  { user, password, signal }: RegistryOptions,
  isSecure: boolean,
): Promise<string> {
  const basic =
    user === undefined
      ? undefined
      : `Basic ${btoa(String.fromCharCode(...new TextEncoder().encode(`${user}:${password ?? ''}`)))}`;
  const [, scheme = '', rest = ''] = /^(\w+)\s+(.*)$/.exec(challenge) ?? [];
  if (scheme.toLowerCase() === 'bearer') {
    const fields = Object.fromEntries([...rest.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, value]) => [key, value]));
    if (fields.realm === undefined) throw new SourceError(name, 'asks for a token but does not say where to get it');
    const url = new URL(fields.realm);
    if (basic !== undefined && isSecure && url.protocol !== 'https:')
      throw new SourceError(name, `asks to send the password to ${url.origin}, which is not encrypted`);
    for (const key of ['service', 'scope']) if (fields[key]) url.searchParams.set(key, fields[key]);
    const headers: Record<string, string> = basic === undefined ? {} : { authorization: basic };
    const response = await fetch(url, { headers, ...(signal && { signal }) }).catch((cause: Error) => {
      if (signal?.aborted) throw signal.reason;
      throw new SourceError(name, `its tokens cannot be fetched from ${url.origin}: ${cause.message}`, {}, { cause });
    });
    if (!response.ok) throw await refusalOf(response, name, 'the token');
    const text = new TextDecoder().decode(await readBody(response, MAX_TOKEN_BYTES, name));
    const token = tokenIn(text);
    if (token === undefined) throw new SourceError(name, `gets an answer without a token from ${url.origin}`);
    return `Bearer ${token}`;
  }
  if (basic) return basic;
  throw new SourceError(
    name,
    'needs a user and a password: set ESPALIER_REGISTRY_USER and ESPALIER_REGISTRY_PASSWORD',
    {
      status: 401,
    },
  );
}

function tokenIn(text: string): string | undefined {
  try {
    const { token, access_token } = JSON.parse(text) as { token?: string; access_token?: string };
    return token ?? access_token;
  } catch {
    return undefined;
  }
}

async function refusalOf(response: Response, name: string, what: string): Promise<SourceError> {
  const body = await readBody(response, MAX_TOKEN_BYTES, name).catch(() => new Uint8Array(0));
  const text = new TextDecoder().decode(body).slice(0, 1000);
  let reason = text;
  try {
    const [first] = (JSON.parse(text) as { errors: { code: string; message: string }[] }).errors;
    if (first) reason = `${first.code}: ${first.message}`;
  } catch {
    // not the JSON of the standard
  }
  const problem = `refuses ${what} with the status ${response.status}${reason && `: ${reason.trim()}`}`;
  return new SourceError(name, problem, { status: response.status });
}

/** @throws {SourceError} for a longer body, whatever length the server says */
async function readBody({ body }: Response, most: number, name: string): Promise<Uint8Array> {
  const bytes = await readAtMost(body, most);
  if (bytes) return bytes;
  throw new SourceError(name, `answers with more than ${most} bytes`, { most });
}
