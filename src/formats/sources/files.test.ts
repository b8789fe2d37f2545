import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FormatError, SourceError } from '../../core/errors.ts';
import type { ByteSource } from '../byteSource.ts';
import { blobSource } from './blob.ts';
import { memorySource } from './memory.ts';
import { directory, fileSink, fileSource, locatePath } from './path.node.ts';

const bytes = Uint8Array.from({ length: 10_000_000 }, (_, i) => i % 251);
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-files-'));
  await writeFile(join(folder, 'a.bin'), bytes);
});
afterAll(() => rm(folder, { recursive: true }));

const sources: [string, () => Promise<ByteSource>][] = [
  ['memory', async () => memorySource(bytes)],
  ['a file', () => fileSource(join(folder, 'a.bin'))],
  ['a Blob', async () => blobSource(new File([bytes], 'a.bin'))],
];

describe.each(sources)('%s', (_, open) => {
  it('is read anywhere, into shared memory too', async () => {
    const source = await open();
    expect(source.size).toBe(bytes.length);
    const shared = new Uint8Array(new SharedArrayBuffer(9_000_010));
    await source.read(500, 9_000_000, shared.subarray(10));
    expect(Buffer.compare(shared.slice(10), bytes.slice(500, 9_000_500))).toBe(0);
    expect(shared.slice(0, 10)).toEqual(new Uint8Array(10));
    await source.read(bytes.length, 0, new Uint8Array(0));
    await source.close();
  });

  it('refuses what lies behind its end, and stops when aborted', async () => {
    const source = await open();
    const error = await source.read(bytes.length - 1, 2, new Uint8Array(2)).catch((error) => error);
    expect(error).toBeInstanceOf(FormatError);
    expect(error.message).toMatch(/bytes 9,999,999 to 10,000,001 were asked for but the file has 10,000,000/);
    await expect(source.read(-1, 2, new Uint8Array(2))).rejects.toThrow(FormatError);
    const aborted = AbortSignal.abort(new Error('stopped'));
    await expect(source.read(0, 2, new Uint8Array(2), aborted)).rejects.toThrow('stopped');
    await source.close();
  });
});

it('a path names a folder or a file in it', async () => {
  expect(await locatePath(folder)).toMatchObject({ folder: { name: folder } });
  expect(await locatePath(join(folder, 'a.bin'))).toMatchObject({ file: 'a.bin' });
  expect(await locatePath(pathToFileURL(join(folder, 'a.bin')).href)).toMatchObject({ file: 'a.bin' });
  const error = await locatePath(join(folder, 'missing')).catch((error) => error);
  expect(error).toBeInstanceOf(SourceError);
  expect(error.message).toBe(`${join(folder, 'missing')}: no such file`);
  expect(await directory(folder).open('missing')).toBeUndefined();
  await expect(fileSource(folder)).rejects.toThrow('is not a file');
});

it('a file that shrinks while it is read is called truncated', async () => {
  const path = join(folder, 'shrinks.bin');
  await writeFile(path, bytes.subarray(0, 1000));
  const source = await fileSource(path);
  await truncate(path, 500);
  await expect(source.read(0, 1000, new Uint8Array(1000))).rejects.toThrow('ended at byte 500 though it had 1,000');
  await source.close();
});

it('a sink writes a file from the start', async () => {
  const path = join(folder, 'written.bin');
  await writeFile(path, 'what was there before, and longer');
  const sink = await fileSink(path);
  await sink.write(bytes.subarray(0, 3));
  await sink.write(bytes.subarray(3, 5));
  await sink.close();
  expect(new Uint8Array(await readFile(path))).toEqual(bytes.slice(0, 5));
  await expect(fileSink(join(folder, 'missing/x.bin'))).rejects.toThrow(SourceError);
});
