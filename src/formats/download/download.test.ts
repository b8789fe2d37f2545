import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type HubServer, startHub } from '../../../test/hubServer.ts';
import { typeScriptNode } from '../../../test/typeScriptNode.ts';
import { OptionError, SourceError } from '../../core/errors.ts';
import type { Notice, Progress } from '../../core/progress.ts';
import { seededRandom } from '../../core/random.ts';
import type { ByteSource } from '../byteSource.ts';
import * as cache from './cache.ts';
import type { HubOptions } from './hub.ts';
import { locateOnHub } from './locateOnHub.ts';
import { sha256 as browserSha256 } from './sha256.browser.ts';
import { sha256 as nodeSha256 } from './sha256.node.ts';

const bytes = randomBytes(1, 1_000_000);
const sha = createHash('sha256').update(bytes).digest('hex');
const COMMIT = '1'.repeat(40);
const LATER_COMMIT = '2'.repeat(40);
let hub: HubServer;
let folder: string;

function randomBytes(seed: number, length: number): Uint8Array {
  const random = seededRandom(seed);
  return Uint8Array.from({ length }, () => random.integer(256));
}

beforeEach(async () => {
  hub = await startHub();
  hub.publish(COMMIT, { 'x.gguf': bytes });
  folder = await mkdtemp(join(tmpdir(), 'espalier-cache-'));
});
afterEach(async () => {
  await hub.close();
  await rm(folder, { recursive: true });
});

function open(name = 'hf:owner/repo/x.gguf', options: HubOptions = {}, signal?: AbortSignal) {
  const cache = { folder, endpoint: hub.url, retry: { tries: 2, delay: 1 }, ...options.cache };
  const { folder: repo, file } = locateOnHub(name, { ...options, cache });
  return repo.open(file!, signal);
}

/** All bytes, stored. */
async function contents(source: ByteSource | undefined): Promise<Uint8Array> {
  const all = new Uint8Array(source!.size);
  try {
    await source!.read(0, all.length, all);
    await source!.finish?.();
  } finally {
    await source!.close();
  }
  return all;
}

function expectSame(found: Uint8Array, expected: Uint8Array): void {
  expect(Buffer.compare(found, expected)).toBe(0);
}

async function failure(work: Promise<unknown>): Promise<SourceError> {
  return work.then(
    () => expect.fail('it should have failed'),
    (error) => error,
  );
}

/** Folder of the stored bytes of owner/repo, whose hub tells commits. */
const blobs = () => join(folder, 'hub/models--owner--repo/blobs');

/** Files in it, complete or not. */
const cached = () => readdir(blobs());

const download = async (...args: Parameters<typeof open>) => contents(await open(...args));

/** First bytes asked for, of requests that asked for the file itself. */
const starts = () =>
  hub.requests
    .filter(({ path, method }) => path.startsWith('/cdn') && method === 'GET')
    .map(({ range }) => Number(/\d+/.exec(range!)![0]));

it('a file is downloaded once, then used without the server', async () => {
  const heard: Progress[] = [];
  const options = { onProgress: (progress: Progress) => heard.push(progress) };
  expectSame(await download(undefined, options), bytes);
  expect(await cached()).toEqual([sha]);
  expect(heard.at(0)).toMatchObject({ stage: 'download', done: 0, total: bytes.length, unit: 'bytes', item: 'x.gguf' });
  expect(heard.at(-1)).toMatchObject({ done: bytes.length, total: bytes.length });
  await hub.close();
  heard.length = 0;
  expectSame(await download(undefined, options), bytes);
  expect(heard).toEqual([
    { stage: 'download', done: bytes.length, total: bytes.length, unit: 'bytes', item: 'x.gguf' },
  ]);
});

it('the first bytes are there before the rest has come', async () => {
  hub.fault = () => ({ cutAfter: 300_000 });
  const source = (await open(undefined, { cache: { retry: { tries: 1 } } }))!;
  const into = new Uint8Array(1000);
  await source.read(0, 1000, into);
  expectSame(into, bytes.subarray(0, 1000));
  await source.close();
  expect(await cached()).toEqual([expect.stringMatching(/incomplete$/)]);
});

it('a download that broke off goes on where it stopped', async () => {
  hub.fault = (_, index) => ({ cutAfter: index === 0 ? 300_000 : 0 });
  const error = await failure(download());
  expect(error).toBeInstanceOf(SourceError);
  expect(error.message).toMatch(/x\.gguf: the connection broke at byte [\d,]+ of 1,000,000/);
  const kept = Number((error.data.offset as number) ?? 0);
  expect(await cached()).toHaveLength(1);
  hub.requests.length = 0;
  hub.fault = () => undefined;
  expectSame(await download(), bytes);
  expect(starts()).toEqual([kept]);
  expect(await cached()).toEqual([sha]);
});

it('a download that was aborted goes on later', async () => {
  const controller = new AbortController();
  const stop = new Error('stopped');
  const onProgress = ({ done }: Progress) => done > 0 && controller.abort(stop);
  const source = (await open(undefined, { onProgress }))!;
  const into = new Uint8Array(source.size);
  expect(await failure(source.read(0, into.length, into, controller.signal))).toBe(stop);
  await source.close();
  hub.requests.length = 0;
  expectSame(await download(), bytes);
  expect(starts()[0]).toBeGreaterThan(0);
});

describe('what an interrupted download left', () => {
  let partial: string;
  beforeEach(async () => {
    hub.fault = (_, index) => ({ cutAfter: index === 0 ? 300_000 : 0 });
    await failure(download());
    partial = join(blobs(), (await cached())[0]);
    hub.fault = () => undefined;
    hub.requests.length = 0;
  });

  it.each([
    ['other bytes', () => randomBytes(3, 1000)],
    ['too many bytes', () => randomBytes(3, 1_000_001)],
    ['all bytes but one of them flipped', () => bytes.map((byte, i) => (i === 500 ? byte ^ 1 : byte))],
  ])('heals itself where it has %s', async (_, spoiled) => {
    await writeFile(partial, spoiled());
    expectSame(await download(), bytes);
    expect(await cached()).toEqual([sha]);
  });

  it('is finished without asking for bytes where it lacks none', async () => {
    await writeFile(partial, bytes);
    expectSame(await download(), bytes);
    expect(starts()).toEqual([]);
  });

  it.each([
    ['an older huggingface_hub', `${sha}.incomplete`],
    ['huggingface_hub', `${sha}.0123abcd.incomplete`],
  ])('is continued where %s left it', async (_, name) => {
    const left = await readFile(partial);
    await rm(partial);
    await writeFile(join(blobs(), name), left);
    expectSame(await download(), bytes);
    expect(starts()).toEqual([left.length]);
    expect(await cached()).toEqual([sha]);
  });

  it('is taken over from a process that was killed', async () => {
    const left = await readFile(partial);
    await rm(partial);
    const gone = spawn(process.execPath, ['-e', '']);
    await new Promise((resolve) => gone.on('close', resolve));
    const owner = `${hostname().replace(/[^\w]/g, '_')}-${gone.pid}-0`;
    await writeFile(partial.replace(/free-\d+/, owner), left);
    expectSame(await download(), bytes);
    expect(starts()).toEqual([left.length]);
  });
});

it('bytes that are not those of the hash are refused and not kept', async () => {
  hub.fault = () => ({ body: bytes.map((byte) => byte ^ 255) });
  expect((await failure(download())).message).toMatch(
    /the downloaded bytes have the SHA-256 [0-9a-f]{64}, the server expects/,
  );
  expect(await cached()).toEqual([]);
  hub.fault = () => undefined;
  expectSame(await download(), bytes);
});

it.each([
  ['a refusal', { status: 403 }, /403: access is refused/],
  ['416', { status: 416 }, /416: there are no bytes/],
  ['an HTML page', { html: true }, /HTML page/],
  ['another length', { ignoresRange: true, contentLength: 5 }, /sends 5 bytes but described 1,000,000/],
])('%s in place of the bytes leaves the cache sound', async (_, fault, message) => {
  hub.fault = () => fault;
  expect((await failure(download())).message).toMatch(message);
  hub.fault = () => undefined;
  expectSame(await download(), bytes);
  expect(await cached()).toEqual([sha]);
});

it('a server without ranges is enough', async () => {
  hub.fault = (_, index) => ({ ignoresRange: true, cutAfter: index === 0 ? 300_000 : undefined });
  expectSame(await download(), bytes);
});

it.each([
  ['compresses', { gzip: true }],
  ['tells no length', { hidesLength: true, ignoresRange: true }],
])('a hub that %s is enough', async (_, fault) => {
  const config = new TextEncoder().encode(JSON.stringify({ model_type: 'llama', note: 'x'.repeat(1000) }));
  hub.publish(COMMIT, { 'config.json': config });
  hub.fault = ({ headers }) =>
    /gzip/.test(headers['accept-encoding'] ?? '') || !('gzip' in fault) ? fault : undefined;
  const { folder: repo } = locateOnHub('hf:owner/repo', { cache: { folder, endpoint: hub.url } });
  expectSame(await contents(await repo.open('config.json')), config);
});

it('a hub that refuses HEAD is asked with GET', async () => {
  hub.refusal = ({ method }) => (method === 'HEAD' ? { status: 403 } : undefined);
  expectSame(await download(), bytes);
});

it('a missing file is remembered for its commit, and only for that', async () => {
  const config = new TextEncoder().encode('{"model_type":"llama"}');
  hub.publish(COMMIT, { 'config.json': config });
  const fresh = () => locateOnHub('hf:owner/repo', { cache: { folder, endpoint: hub.url } }).folder;
  const repo = fresh();
  expectSame(await contents(await repo.open('config.json')), config);
  expect(await repo.open('chat_template.jinja')).toBeUndefined();
  hub.requests.length = 0;
  expect(await repo.open('chat_template.jinja')).toBeUndefined();
  expect(hub.requests).toEqual([]);
  hub.publish(LATER_COMMIT, { 'config.json': config, 'chat_template.jinja': config });
  const later = fresh();
  await contents(await later.open('config.json'));
  expectSame(await contents(await later.open('chat_template.jinja')), config);
});

it('all files of a folder come from one commit, though the branch moves meanwhile', async () => {
  const [before, after] = ['before', 'after'].map((text) => new TextEncoder().encode(`{"is":"${text}"}`));
  hub.publish(COMMIT, { 'config.json': before, 'model.safetensors': bytes });
  const repo = locateOnHub('hf:owner/repo', { cache: { folder, endpoint: hub.url } }).folder;
  expectSame(await contents(await repo.open('config.json')), before);
  hub.publish(LATER_COMMIT, { 'config.json': after, 'model.safetensors': randomBytes(9, 1000) });
  expectSame(await contents(await repo.open('model.safetensors')), bytes);
  const again = locateOnHub('hf:owner/repo', { cache: { folder, endpoint: hub.url } }).folder;
  expectSame(await contents(await again.open('config.json')), after);
  const later = (await again.open('model.safetensors'))!;
  expect(later.size).toBe(1000);
  await later.close();
});

it('a hub without commits: files that change one by one are asked for anew, and changes while reading are told', async () => {
  const plain = (name: string) => `/owner/other/resolve/main/${name}`;
  const [before, after] = ['before', 'after'].map((text) => new TextEncoder().encode(`{"is":"${text}"}`));
  hub.files.set(plain('config.json'), before);
  hub.files.set(plain('model.safetensors'), bytes);
  const fresh = () => locateOnHub('hf:owner/other', { cache: { folder, endpoint: hub.url } }).folder;
  const repo = fresh();
  expectSame(await contents(await repo.open('config.json')), before);
  hub.files.set(plain('config.json'), after);
  const weights = (await repo.open('model.safetensors'))!;
  expect((await failure(weights.finish!())).message).toMatch(
    'config.json: changed on the server while the model was read',
  );
  await weights.close();
  expectSame(await contents(await fresh().open('config.json')), after);
  expect((await cache.list({ folder })).map(({ source }) => source).sort()).toEqual([
    'hf:owner/other@main/config.json',
    'hf:owner/other@main/model.safetensors',
  ]);
  expect(await cache.delete('hf:owner/other/config.json', { folder })).toBeGreaterThan(0);
  expect(await cache.delete('hf:owner/other@other', { folder })).toBe(0);
  expect(await cache.delete('hf:owner/other', { folder })).toBeGreaterThan(0);
  expect(await cache.list({ folder })).toEqual([]);
});

it('stored files of a repository are listed by their commit and deleted by their name', async () => {
  await download();
  const source = `hf:owner/repo@${COMMIT}/x.gguf`;
  expect(await cache.list({ folder })).toEqual([{ source, bytes: bytes.length, complete: true }]);
  expect(await cache.delete('hf:owner/repo@main/y.gguf', { folder })).toBe(0);
  expect(await cache.delete('hf:owner/repo@main/x.gguf', { folder })).toBe(bytes.length);
  expect(await cache.list({ folder })).toEqual([]);
  expectSame(await download(), bytes);
});

it('names that differ only in characters outside ASCII, case or blanks stay apart', async () => {
  const names = ['模型.gguf', '中文.gguf', 'a b.gguf', 'a_b.gguf', 'A_b.gguf', 'é.gguf', 'e\u0301.gguf'];
  const files = new Map(names.map((name, i) => [name, randomBytes(20 + i, 1000)]));
  hub.publish(COMMIT, Object.fromEntries(files));
  for (const round of [1, 2]) {
    for (const [name, expected] of files) {
      const found = await download(`hf:owner/repo/${name}`);
      expect([round, name, Buffer.compare(found, expected)]).toEqual([round, name, 0]);
    }
  }
});

it('the token goes to the hub only', async () => {
  await download(undefined, { cache: { token: 'secret' } });
  for (const { path, authorization } of hub.requests) {
    expect(authorization).toBe(path.startsWith('/cdn') ? undefined : 'Bearer secret');
  }
});

it('names have a revision and folders, and nothing that leaves the cache', async () => {
  const nested = new TextEncoder().encode('nested');
  hub.files.set('/owner/repo/resolve/refs/pr/1/deep/x.gguf', nested);
  hub.files.set('/owner/repo/resolve/refs%2Fpr%2F1/deep/x.gguf', nested);
  expectSame(await download('hf:owner/repo@refs%2Fpr%2F1/deep/x.gguf'), nested);
  expect(locateOnHub('hf:owner/repo/deep').file).toBeUndefined();
  for (const name of ['hf:repo', 'hf:', 'hf:owner/repo/../x.gguf', 'hf:../repo', 'hf:owner/repo@..%2F../x.gguf']) {
    expect(() => locateOnHub(name)).toThrow(OptionError);
  }
});

it('an ETag that would leave the cache is not used as a name', async () => {
  const evil = new TextEncoder().encode('{"a":1}');
  hub.publish(COMMIT, { 'config.json': evil });
  hub.fault = () => ({ etag: '"../../../evil"' });
  const { folder: repo } = locateOnHub('hf:owner/repo', { cache: { folder, endpoint: hub.url } });
  expectSame(await contents(await repo.open('config.json')), evil);
  const entries = await readdir(folder, { recursive: true });
  expect(entries.filter((name) => name.includes('evil'))).toEqual([]);
});

it('many at once, in two processes, download once', async () => {
  hub.fault = () => ({ delay: 20 });
  const script = fileURLToPath(new URL('../../../test/downloadOnce.ts', import.meta.url));
  const other = spawn(typeScriptNode, ['--conditions=espalier-source', '--import', 'tsx', script, folder, hub.url]);
  let output = '';
  other.stderr.on('data', (text) => (output += text));
  const ended = new Promise((resolve) => other.on('close', resolve));
  const found = await Promise.all(Array.from({ length: 4 }, () => download()));
  for (const each of found) expectSame(each, bytes);
  expect([await ended, output]).toEqual([0, '']);
  expect(await cached()).toEqual([sha]);
  if (process.platform === 'linux') expect(starts()).toHaveLength(1);
});

it('a waiting download hears its signal and tells how far the other one is', async () => {
  const first = (await open())!;
  await first.read(0, 1000, new Uint8Array(1000));
  const controller = new AbortController();
  const heard: Progress[] = [];
  const notices: Notice[] = [];
  const second = open(
    undefined,
    { onProgress: (progress) => heard.push(progress), onNotice: (notice) => notices.push(notice) },
    controller.signal,
  );
  await vi.waitFor(() => expect(heard.length).toBeGreaterThan(0), 5000);
  controller.abort(new Error('stopped'));
  expect((await failure(second)).message).toBe('stopped');
  expect(heard.at(-1)!.done).toBeGreaterThan(0);
  expect(notices).toEqual([expect.objectContaining({ code: 'WAITING' })]);
  await first.close();
});

it.skipIf(process.getuid?.() === 0)('a folder that cannot be written is no obstacle', async () => {
  await chmod(folder, 0o500);
  const notices: Notice[] = [];
  expectSame(await download(undefined, { onNotice: (notice) => notices.push(notice) }), bytes);
  expect(notices).toEqual([expect.objectContaining({ code: 'NOT_KEPT' })]);
  await chmod(folder, 0o700);
});

it('a path that cannot be a folder is no obstacle', async () => {
  const notices: Notice[] = [];
  await writeFile(join(folder, 'file'), '');
  const cache = { folder: join(folder, 'file'), endpoint: hub.url };
  const { folder: repo } = locateOnHub('hf:owner/repo', { cache, onNotice: (notice) => notices.push(notice) });
  expectSame(await contents(await repo.open('x.gguf')), bytes);
  expect(notices).toEqual([
    expect.objectContaining({ code: 'NOT_KEPT', message: expect.stringMatching(/without being kept/) }),
  ]);
});

it('SHA-256 in pages is that of Node', () => {
  for (const length of [0, 1, 55, 56, 63, 64, 65, 119, 120, 1000]) {
    const [ours, theirs] = [browserSha256(), nodeSha256()];
    const data = randomBytes(length, length);
    ours.update(data.subarray(0, length >> 1));
    ours.update(data.subarray(length >> 1));
    theirs.update(data);
    expect(ours.hex()).toBe(theirs.hex());
  }
});
