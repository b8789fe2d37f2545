import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type HubServer, startHub } from '../../../test/hubServer.ts';
import { FormatError, SourceError } from '../../core/errors.ts';
import type { Notice } from '../../core/progress.ts';
import { seededRandom } from '../../core/random.ts';
import { httpSource } from './http.ts';
import { HttpFile } from './httpFile.ts';

const retry = { tries: 3, delay: 1 };
const bytes = randomBytes(1_000_000);
let hub: HubServer;

function randomBytes(length: number): Uint8Array {
  const random = seededRandom(7);
  return Uint8Array.from({ length }, () => random.integer(256));
}

beforeEach(async () => {
  hub = await startHub();
  hub.files.set('/model.bin', bytes);
});
afterEach(() => hub.close());

async function readAll(options: Parameters<typeof httpSource>[1] = {}, part = 100_000): Promise<Uint8Array> {
  const source = await httpSource(`${hub.url}/model.bin`, { retry, ...options });
  const all = new Uint8Array(source.size);
  try {
    for (let at = 0; at < all.length; at += part) {
      await source.read(at, Math.min(part, all.length - at), all.subarray(at));
    }
    return all;
  } finally {
    await source.close();
  }
}

/** As toEqual, but fast for large arrays. */
function expectSame(found: Uint8Array, expected: Uint8Array): void {
  expect(Buffer.compare(found, expected)).toBe(0);
}

async function failure(work: Promise<unknown>): Promise<Error> {
  return work.then(
    () => expect.fail('it should have failed'),
    (error) => error,
  );
}

it('reads that go forward share one request', async () => {
  expectSame(await readAll(), bytes);
  expect(hub.requests).toHaveLength(1);
});

it('reads anywhere, into shared memory too, and many at once', async () => {
  const source = await httpSource(`${hub.url}/model.bin`, { retry });
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  const offsets = [500_000, 0, 900_000, 300_000];
  await Promise.all(offsets.map((at) => source.read(at, 1000, shared.subarray(at))));
  for (const at of offsets) expect(shared.slice(at, at + 1000)).toEqual(bytes.slice(at, at + 1000));
  await expect(source.read(bytes.length - 1, 2, new Uint8Array(2))).rejects.toThrow(FormatError);
  await source.close();
  await expect(source.read(0, 1, new Uint8Array(1))).rejects.toThrow('was closed');
});

it('asks anew where much would be skipped, and reads on where it is little', async () => {
  const long = new Uint8Array(5_000_000).map((_, i) => i * 7);
  hub.files.set('/model.bin', long);
  const source = await httpSource(`${hub.url}/model.bin`, { retry });
  const into = new Uint8Array(10);
  for (const [at, requests] of [
    [600_000, 1],
    [4_900_000, 2],
    [4_999_990, 2],
  ]) {
    await source.read(at, 10, into);
    expect(into).toEqual(long.slice(at, at + 10));
    expect(hub.requests).toHaveLength(requests);
  }
  await source.close();
});

it('goes on at the byte reached when the connection breaks', async () => {
  hub.fault = () => ({ cutAfter: 150_000 });
  expectSame(await readAll(), bytes);
  const starts = hub.requests.map(({ range }) => Number(/\d+/.exec(range!)![0]));
  expect(starts.length).toBeGreaterThanOrEqual(7);
  expect(starts).toEqual(starts.toSorted((a, b) => a - b));
});

it('waits out a server that is slow or overloaded', async () => {
  hub.fault = (_, index) => (index < 2 ? { status: 503 } : { delay: 50 });
  expectSame(await readAll(), bytes);
});

it('reads from a server without ranges', async () => {
  hub.fault = (_, index) => ({ ignoresRange: true, cutAfter: index === 0 ? 400_000 : undefined });
  expectSame(await readAll(), bytes);
  const source = await httpSource(`${hub.url}/model.bin`, { retry });
  const into = new Uint8Array(10);
  await source.read(999_000, 10, into);
  await source.read(5, 10, into);
  expect(into).toEqual(bytes.slice(5, 15));
  await source.close();
});

it('takes an empty file', async () => {
  hub.files.set('/model.bin', new Uint8Array(0));
  expect(await readAll()).toHaveLength(0);
});

it.each([
  ['a status', { status: 404 }, 'the server answered 404: no such file', 1],
  ['a refusal', { status: 403 }, 'the server answered 403: access is refused; a token may be missing', 1],
  ['a range it does not have', { status: 416 }, 'the server answered 416: there are no bytes from 0 on', 1],
  ['an overload that stays', { status: 500 }, 'the server answered 500', 3],
  ['a page', { html: true }, 'the server sent an HTML page instead of a file', 1],
])('says so when the server gives %s', async (_, fault, message, requests) => {
  hub.fault = () => fault;
  const error = await failure(readAll());
  expect(error).toBeInstanceOf(SourceError);
  expect(error.message).toBe(`${hub.url}/model.bin: ${message}`);
  expect(hub.requests).toHaveLength(requests);
});

it('says so when bodies stay too short', async () => {
  hub.fault = (_, index) => ({ cutAfter: index === 0 ? 1000 : 0 });
  expect((await failure(readAll())).message).toMatch(/the connection broke at byte 1,000 of 1,000,000/);
});

it('says so when the file ends before its stated length', async () => {
  hub.fault = () => ({ ignoresRange: true, contentLength: bytes.length + 1 });
  expect((await failure(readAll())).message).toMatch(/the connection broke at byte 1,000,000 of 1,000,001/);
});

it('says so when the file changes meanwhile', async () => {
  hub.fault = (_, index) => (index === 0 ? { cutAfter: 1000 } : { etag: '"other"' });
  expect((await failure(readAll())).message).toMatch('changed on the server while it was read');
});

it('says so when nobody answers', async () => {
  await hub.close();
  expect((await failure(readAll())).message).toMatch(/cannot be reached: connect ECONNREFUSED/);
});

it('stops at once when it is aborted, and can go on later', async () => {
  const controller = new AbortController();
  hub.fault = (_, index) => {
    if (index !== 1) return undefined;
    controller.abort(new Error('stopped'));
    return { delay: 60_000 };
  };
  const source = await httpSource(`${hub.url}/model.bin`, { retry });
  await source.read(500_000, 10, new Uint8Array(10));
  const pending = failure(source.read(0, 10, new Uint8Array(10), controller.signal));
  expect((await pending).message).toBe('stopped');
  const into = new Uint8Array(10);
  await source.read(0, 10, into);
  expect(into).toEqual(bytes.slice(0, 10));
  await source.close();
  await expect(httpSource(`${hub.url}/model.bin`, { signal: AbortSignal.abort(new Error('no')) })).rejects.toThrow(
    'no',
  );
});

it('stops when it is aborted within the last bytes of a response that stalls', async () => {
  const server = createServer((_, response) => {
    response.writeHead(206, { 'content-range': 'bytes 0-999/1000', 'content-length': 1000 });
    response.write(new Uint8Array(400));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const file = await HttpFile.open(`http://127.0.0.1:${(server.address() as AddressInfo).port}/x`, { window: 1000 });
    await file.next(0);
    const controller = new AbortController();
    const pending = file.next(400, controller.signal);
    setTimeout(() => controller.abort(new Error('stopped')), 50);
    await expect(pending).rejects.toThrow('stopped');
    file.close();
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

it('follows redirects and keeps the token from other hosts', async () => {
  const path = '/owner/repo/resolve/main/x.gguf';
  hub.files.set(path, bytes);
  const source = await httpSource(hub.url + path, { headers: { Authorization: 'Bearer t' } });
  await source.read(999_990, 10, new Uint8Array(10));
  await source.close();
  expect(hub.requests.map(({ authorization }) => authorization)).toEqual(['Bearer t', undefined]);
});

it.each([
  ['in chunks, without a length', { ignoresRange: true, hidesLength: true }],
  ['compressed', { gzip: true }],
])('a file that comes %s is read whole', async (_, fault) => {
  hub.fault = () => fault;
  expectSame(await readAll(), bytes);
});

it('asks for bytes as they are', async () => {
  await readAll();
  expect(hub.requests[0].headers['accept-encoding']).toBe('identity');
});

it('headers go to the URL’s own host only', async () => {
  const path = '/owner/repo/resolve/main/x.gguf';
  hub.files.set(path, bytes);
  const source = await httpSource(hub.url + path, { headers: { 'X-Secret': 's', Cookie: 'c=1' } });
  await source.close();
  expect(hub.requests.map(({ headers }) => [headers['x-secret'], headers.cookie])).toEqual([
    ['s', 'c=1'],
    [undefined, undefined],
  ]);
});

it('a header alone is read by requests that have an end', async () => {
  const source = await httpSource(`${hub.url}/model.bin`, { retry, window: 10_000 });
  const into = new Uint8Array(100_000);
  await source.read(0, 100_000, into);
  expectSame(into, bytes.subarray(0, 100_000));
  await source.close();
  expect(hub.requests.map(({ range }) => range)).toEqual(['bytes=0-9999', 'bytes=10000-49999', 'bytes=50000-209999']);
});

it.each([
  ['seconds', () => '1'],
  ['a date', () => new Date(Date.now() + 1500).toUTCString()],
])('waits as long as Retry-After asks, in %s, and says so', async (_, value) => {
  const notices: Notice[] = [];
  hub.fault = (_, index) => (index === 0 ? { status: 429, headers: { 'retry-after': value() } } : undefined);
  expectSame(await readAll({ onNotice: (notice) => notices.push(notice) }), bytes);
  const message = expect.stringMatching(/model\.bin: the server asks to wait [12] s/);
  expect(notices).toEqual([{ code: 'WAITING', message, data: expect.objectContaining({ status: 429 }) }]);
});

it('does not wait longer than its limit, and hears its signal while it waits', async () => {
  hub.fault = () => ({ status: 503, headers: { 'retry-after': '60' } });
  const error = (await failure(readAll({ retry: { maxWait: 50_000 } }))) as SourceError;
  expect(error.message).toMatch('the server answered 503: it is overloaded; it asks to wait 60 s');
  expect(error.data).toMatchObject({ status: 503, retryAfterSeconds: 60 });
  const controller = new AbortController();
  const onNotice = () => controller.abort(new Error('stopped'));
  expect((await failure(readAll({ signal: controller.signal, onNotice }))).message).toBe('stopped');
});

it('an address where nobody has ever answered is tried twice, one that cannot be asked once', async () => {
  await hub.close();
  const wait = { tries: 5, delay: 1 };
  const waits = vi.spyOn(globalThis, 'setTimeout');
  try {
    await failure(readAll({ retry: { ...wait, delay: 123 } }));
    expect(waits.mock.calls.map(([, delay]) => delay).filter((delay) => delay && delay % 123 === 0)).toEqual([123]);
  } finally {
    waits.mockRestore();
  }
  await expect(httpSource('http://127.0.0.1:1/x', { retry: wait })).rejects.toThrow('bad port');
});
