import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type HubServer, startHub } from '../../../test/hubServer.ts';
import { OptionError, SourceError } from '../../core/errors.ts';
import type { Progress } from '../../core/progress.ts';
import { seededRandom } from '../../core/random.ts';
import type { ByteSource } from '../byteSource.ts';
import { type HubOptions, locateOnHub } from './hub.ts';
import { sha256 as browserSha256 } from './sha256.browser.ts';
import { sha256 as nodeSha256 } from './sha256.node.ts';

const bytes = randomBytes(1, 1_000_000);
const PATH = '/owner/repo/resolve/main/x.gguf';
let hub: HubServer;
let folder: string;

function randomBytes(seed: number, length: number): Uint8Array {
  const random = seededRandom(seed);
  return Uint8Array.from({ length }, () => random.integer(256));
}

beforeEach(async () => {
  hub = await startHub();
  hub.files.set(PATH, bytes);
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

async function contents(source: ByteSource | undefined): Promise<Uint8Array> {
  const all = new Uint8Array(source!.size);
  await source!.read(0, all.length, all);
  await source!.close();
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

/** Files in the cache, without their folders. */
async function cached(): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
}

/** First bytes asked for, of requests that asked for the file itself. */
const starts = () =>
  hub.requests
    .filter(({ path, method }) => path.startsWith('/cdn') && method === 'GET')
    .map(({ range }) => Number(/\d+/.exec(range!)![0]));

it('a file is downloaded once, then used without the server', async () => {
  const heard: Progress[] = [];
  const options = { onProgress: (progress: Progress) => heard.push(progress) };
  expectSame(await contents(await open(undefined, options)), bytes);
  expect(await cached()).toEqual(['x.gguf']);
  expect(heard.at(0)).toMatchObject({ stage: 'download', done: 0, total: bytes.length, unit: 'bytes', item: 'x.gguf' });
  expect(heard.at(-1)).toMatchObject({ done: bytes.length, total: bytes.length });
  await hub.close();
  heard.length = 0;
  expectSame(await contents(await open(undefined, options)), bytes);
  expect(heard).toEqual([
    { stage: 'download', done: bytes.length, total: bytes.length, unit: 'bytes', item: 'x.gguf' },
  ]);
});

it('a download that broke off goes on where it stopped', async () => {
  hub.fault = (_, index) => ({ cutAfter: index === 0 ? 300_000 : 0 });
  const error = await failure(open());
  expect(error).toBeInstanceOf(SourceError);
  expect(error.message).toMatch(/x\.gguf: the connection broke at byte [\d,]+ of 1,000,000/);
  const kept = Number((error.data.offset as number) ?? 0);
  expect(await cached()).toHaveLength(1);
  hub.requests.length = 0;
  hub.fault = () => undefined;
  expectSame(await contents(await open()), bytes);
  expect(starts()).toEqual([kept]);
  expect(await cached()).toEqual(['x.gguf']);
});

it('a download that was aborted goes on later', async () => {
  const controller = new AbortController();
  const stop = new Error('stopped');
  const onProgress = ({ done }: Progress) => done > 0 && controller.abort(stop);
  expect(await failure(open(undefined, { onProgress }, controller.signal))).toBe(stop);
  hub.requests.length = 0;
  expectSame(await contents(await open()), bytes);
  expect(starts()[0]).toBeGreaterThan(0);
});

it('a begun download of another version is thrown away', async () => {
  hub.fault = (_, index) => ({ cutAfter: index === 0 ? 300_000 : 0 });
  await failure(open());
  const other = randomBytes(2, 900_000);
  hub.files.set(PATH, other);
  hub.fault = () => undefined;
  hub.requests.length = 0;
  expectSame(await contents(await open()), other);
  expect(starts()).toEqual([0]);
  expect(await cached()).toEqual(['x.gguf']);
});

it.each([
  ['other bytes', () => randomBytes(3, 1000)],
  ['too many bytes', () => randomBytes(3, 1_000_001)],
  ['all bytes but one of them flipped', () => bytes.map((byte, i) => (i === 500 ? byte ^ 1 : byte))],
])('a begun download with %s heals itself', async (_, spoiled) => {
  hub.fault = (_, index) => ({ cutAfter: index === 0 ? 300_000 : 0 });
  await failure(open());
  const [name] = await cached();
  const home = join(folder, new URL(hub.url).host.replace(':', '_'), 'owner/repo/main');
  await writeFile(join(home, name), spoiled());
  hub.fault = () => undefined;
  expectSame(await contents(await open()), bytes);
  expect(await cached()).toEqual(['x.gguf']);
});

it('a begun download that lacks nothing is finished without asking for bytes', async () => {
  hub.fault = (_, index) => ({ cutAfter: index === 0 ? 300_000 : 0 });
  await failure(open());
  const [name] = await cached();
  const home = join(folder, new URL(hub.url).host.replace(':', '_'), 'owner/repo/main');
  await writeFile(join(home, name), bytes);
  hub.requests.length = 0;
  expectSame(await contents(await open()), bytes);
  expect(starts()).toEqual([]);
});

it('bytes that are not those of the hash are refused and not kept', async () => {
  hub.fault = () => ({ body: bytes.map((byte) => byte ^ 255) });
  expect((await failure(open())).message).toMatch(
    /the bytes that came have the SHA-256 [0-9a-f]{64}, the server gives/,
  );
  hub.fault = () => undefined;
  expectSame(await contents(await open()), bytes);
});

it.each([
  ['a refusal', { status: 403 }, /403: access is refused/],
  ['416', { status: 416 }, /416: there are no bytes/],
  ['an HTML page', { html: true }, /HTML page/],
  ['another length', { ignoresRange: true, contentLength: 5 }, /sends 5 bytes but described 1,000,000/],
])('%s in place of the bytes leaves the cache sound', async (_, fault, message) => {
  hub.fault = () => fault;
  expect((await failure(open())).message).toMatch(message);
  hub.fault = () => undefined;
  expectSame(await contents(await open()), bytes);
  expect(await cached()).toEqual(['x.gguf']);
});

it('a server without ranges is enough', async () => {
  hub.fault = (_, index) => ({ ignoresRange: true, cutAfter: index === 0 ? 300_000 : undefined });
  expectSame(await contents(await open()), bytes);
});

it('small files are checked by their size, and that one is missing is remembered', async () => {
  const config = new TextEncoder().encode('{"model_type":"llama"}');
  hub.files.set('/owner/repo/resolve/main/config.json', config);
  const { folder: repo } = locateOnHub('hf:owner/repo', { cache: { folder, endpoint: hub.url } });
  expectSame(await contents(await repo.open('config.json')), config);
  expect(await repo.open('generation_config.json')).toBeUndefined();
  hub.requests.length = 0;
  expect(await repo.open('generation_config.json')).toBeUndefined();
  expect(hub.requests).toEqual([]);
  expect(await repo.open('missing.safetensors')).toBeUndefined();
  expect(await repo.open('missing.safetensors')).toBeUndefined();
  expect(hub.requests).toHaveLength(2);
});

it('the token goes to the hub only', async () => {
  await contents(await open(undefined, { cache: { token: 'secret' } }));
  for (const { path, authorization } of hub.requests) {
    expect(authorization).toBe(path.startsWith('/cdn') ? undefined : 'Bearer secret');
  }
});

it('names have a revision and folders, and nothing that leaves the cache', async () => {
  const nested = new TextEncoder().encode('nested');
  hub.files.set('/owner/repo/resolve/refs/pr/1/deep/x.gguf', nested);
  hub.files.set('/owner/repo/resolve/refs%2Fpr%2F1/deep/x.gguf', nested);
  expectSame(await contents(await open('hf:owner/repo@refs%2Fpr%2F1/deep/x.gguf')), nested);
  expect(locateOnHub('hf:owner/repo/deep').file).toBeUndefined();
  for (const name of ['hf:repo', 'hf:', 'hf:owner/repo/../x.gguf', 'hf:../repo', 'hf:owner/repo@..%2F../x.gguf']) {
    expect(() => locateOnHub(name)).toThrow(OptionError);
  }
});

it('many at once, in two processes, end with one sound file', async () => {
  hub.fault = (_, index) => ({ delay: 20, cutAfter: index < 4 ? 300_000 : undefined });
  const script = fileURLToPath(new URL('../../../test/downloadOnce.ts', import.meta.url));
  const other = spawn(process.execPath, ['--conditions=espalier-source', '--import', 'tsx', script, folder, hub.url]);
  let output = '';
  other.stderr.on('data', (text) => (output += text));
  const ended = new Promise((resolve) => other.on('close', resolve));
  const opened = await Promise.all(Array.from({ length: 4 }, () => open()));
  for (const source of opened) expectSame(await contents(source), bytes);
  expect([await ended, output]).toEqual([0, '']);
  expect(await cached()).toEqual(['x.gguf']);
});

it('what a killed process left is taken over', async () => {
  hub.fault = (_, index) => ({ cutAfter: index === 0 ? 300_000 : 0 });
  const error = await failure(open());
  const [name] = await cached();
  const home = join(folder, new URL(hub.url).host.replace(':', '_'), 'owner/repo/main');
  const left = await readFile(join(home, name));
  await rm(join(home, name));
  const gone = spawn(process.execPath, ['-e', '']);
  await new Promise((resolve) => gone.on('close', resolve));
  const owner = `${hostname().replace(/[^\w]/g, '_')}-${gone.pid}-0`;
  await writeFile(join(home, name.replace(/free-\d+/, owner)), left);
  hub.fault = () => undefined;
  hub.requests.length = 0;
  expectSame(await contents(await open()), bytes);
  expect(starts()).toEqual([error.data.offset]);
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
