import { spawn } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type HubServer, startHub } from '../../../test/hubServer.ts';
import { typeScriptNode } from '../../../test/typeScriptNode.ts';
import type { Notice } from '../../core/progress.ts';
import { seededRandom } from '../../core/random.ts';
import type { ByteSource } from '../byteSource.ts';
import * as cache from './cache.ts';
import { cachedUrl, type UrlOptions } from './urlCache.ts';

const bytes = randomBytes(1, 1_000_000);
let hub: HubServer;
let folder: string;

function randomBytes(seed: number, length: number): Uint8Array {
  const random = seededRandom(seed);
  return Uint8Array.from({ length }, () => random.integer(256));
}

beforeEach(async () => {
  hub = await startHub();
  hub.files.set('/model.bin', bytes);
  folder = await mkdtemp(join(tmpdir(), 'espalier-cache-'));
});
afterEach(async () => {
  await hub.close();
  await rm(folder, { recursive: true });
});

const open = (options: UrlOptions = {}, path = '/model.bin') =>
  cachedUrl(new URL(hub.url + path), { folder, retry: { tries: 2, delay: 1 }, ...options });

async function contents(source: ByteSource): Promise<Uint8Array> {
  const all = new Uint8Array(source.size);
  try {
    await source.read(0, all.length, all);
    await source.finish?.();
  } finally {
    await source.close();
  }
  return all;
}

async function expectBytes(expected: Uint8Array, options?: UrlOptions, path?: string): Promise<void> {
  expect(Buffer.compare(await contents(await open(options, path)), expected)).toBe(0);
}

const gets = () => hub.requests.filter(({ method }) => method === 'GET').length;

it('a file is downloaded once, is current while its server says so, and stays when the server is away', async () => {
  await expectBytes(bytes);
  expect(gets()).toBe(1);
  await expectBytes(bytes);
  expect(hub.requests.map(({ method }) => method)).toEqual(['GET', 'HEAD']);
  const notices: Notice[] = [];
  await hub.close();
  await expectBytes(bytes, { onNotice: (notice) => notices.push(notice) });
  expect(notices).toEqual([expect.objectContaining({ code: 'OFFLINE' })]);
});

it('a file that changed on the server is downloaded anew, and the old one is removed', async () => {
  await expectBytes(bytes);
  const other = randomBytes(2, 900_000);
  hub.files.set('/model.bin', other);
  await expectBytes(other);
  const [found, ...more] = await cache.list({ folder });
  expect(more).toEqual([]);
  expect(found).toMatchObject({ complete: true, total: 900_000 });
  expect(found.bytes).toBeLessThan(901_000);
});

it('a file that was removed from the server is an error', async () => {
  await expectBytes(bytes);
  hub.files.delete('/model.bin');
  await expect(open()).rejects.toThrow('404');
});

it('a server that names no version is asked for the bytes each time, and its copy serves offline', async () => {
  hub.fault = () => ({ etag: '' });
  await expectBytes(bytes);
  await expectBytes(bytes);
  expect(gets()).toBe(2);
  await hub.close();
  await expectBytes(bytes);
});

it('goes on at the byte where a process was killed', async () => {
  const script = fileURLToPath(new URL('../../../test/readAndWait.ts', import.meta.url));
  const args = ['--conditions=espalier-source', '--import', 'tsx', script, folder, `${hub.url}/model.bin`];
  const child = spawn(typeScriptNode, args);
  await new Promise((resolve) => child.stdout.once('data', resolve));
  child.kill('SIGKILL');
  await new Promise((resolve) => child.on('close', resolve));
  hub.requests.length = 0;
  await expectBytes(bytes);
  const [range] = hub.requests.filter(({ method }) => method === 'GET').map((seen) => seen.range);
  expect(Number(/\d+/.exec(range!)![0])).toBeGreaterThan(400_000);
});

it.each([
  ['no length', { hidesLength: true, ignoresRange: true }],
  ['compression', { gzip: true }],
])('a file that comes with %s is kept, too', async (_, fault) => {
  hub.fault = () => fault;
  await expectBytes(bytes);
  expect(await cache.list({ folder })).toMatchObject([{ source: `${hub.url}/model.bin`, complete: true }]);
});

it('headers are sent, and a query is part of the name', async () => {
  hub.refusal = ({ headers }) => (headers['x-key'] === '1' ? undefined : { status: 401 });
  await expect(open()).rejects.toThrow('401');
  await expectBytes(bytes, { headers: { 'X-Key': '1' } });
  await expectBytes(bytes, { headers: { 'X-Key': '1' } }, '/model.bin?version=2');
  expect((await cache.list({ folder })).map(({ source }) => source).sort()).toEqual([
    `${hub.url}/model.bin`,
    `${hub.url}/model.bin?version=2`,
  ]);
});

it('nothing is written where keeping is off', async () => {
  await expectBytes(bytes, { keep: false });
  expect(await readdir(folder)).toEqual([]);
});

it('lists, counts, deletes and clears', async () => {
  hub.files.set('/other.bin', bytes);
  await expectBytes(bytes);
  const begun = await open({}, '/other.bin');
  await begun.read(0, 1000, new Uint8Array(1000));
  await begun.close();
  const listed = await cache.list({ folder });
  expect(listed).toHaveLength(2);
  expect(listed.find(({ source }) => source.endsWith('other.bin'))).toMatchObject({
    complete: false,
    total: 1_000_000,
  });
  const { bytes: used, available, persisted } = await cache.usage({ folder });
  expect(used).toBeGreaterThan(1_000_000);
  expect(available).toBeGreaterThan(0);
  expect(persisted).toBe(true);
  expect(await cache.delete(`${hub.url}/model.bin`, { folder })).toBeGreaterThan(1_000_000);
  expect(await cache.delete(`${hub.url}/model.bin`, { folder })).toBe(0);
  expect(await cache.list({ folder })).toHaveLength(1);
  expect(await cache.clear({ folder })).toBeGreaterThan(0);
  expect(await cache.list({ folder })).toEqual([]);
});
