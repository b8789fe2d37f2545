import { expect, it } from 'vitest';
import { hashOf } from './hash.ts';
import { memoryFiles } from './memoryFiles.ts';
import { PackageStore } from './packageStore.ts';
import { Packs } from './packs.ts';

const bytesOf = (seed: number, length = 100) => Uint8Array.from({ length }, (_, i) => seed + i);
const pieceOf = (bytes: Uint8Array) => ({ sha256: hashOf(bytes), bytes: bytes.length });

async function read(store: PackageStore, bytes: Uint8Array): Promise<Uint8Array> {
  return store.piece(pieceOf(bytes));
}

it('puts small pieces into one file, which another process finds', async () => {
  const raw = new Map<string, Uint8Array>();
  const store = new PackageStore(memoryFiles(raw));
  const all = [1, 2, 3].map((seed) => bytesOf(seed));
  for (const bytes of all) await store.put(pieceOf(bytes), bytes, 'test');
  expect(raw.size).toBe(0);
  await store.flush();
  expect([...raw.keys()]).toEqual([expect.stringMatching(/^packs\/[0-9a-f]{64}$/)]);
  const large = bytesOf(0, 20_000);
  await store.put(pieceOf(large), large, 'test');
  const other = new PackageStore(memoryFiles(raw));
  for (const bytes of [...all, large]) {
    expect(await other.has(pieceOf(bytes))).toBe(true);
    expect(await read(other, bytes)).toEqual(bytes);
  }
  expect(await other.has(pieceOf(bytesOf(9)))).toBe(false);
});

it('stores a piece of a damaged pack anew, and leaves the others', async () => {
  const raw = new Map<string, Uint8Array>();
  const store = new PackageStore(memoryFiles(raw));
  const [a, b] = [bytesOf(1), bytesOf(2)];
  for (const bytes of [a, b]) await store.put(pieceOf(bytes), bytes, 'test');
  await store.flush();
  const [[path, pack]] = [...raw] as [[string, Uint8Array]];
  const damaged = pack.slice();
  damaged[pack.length - 1] ^= 1;
  raw.set(path, damaged);
  const other = new PackageStore(memoryFiles(raw));
  expect([await other.has(pieceOf(a)), await other.has(pieceOf(b))]).toEqual([true, false]);
  await other.put(pieceOf(b), b, 'test');
  await other.flush();
  expect(await read(new PackageStore(memoryFiles(raw)), b)).toEqual(b);
  for (const length of [0, 3, 10, pack.length - 1]) {
    raw.set(path, pack.slice(0, length));
    expect(await new PackageStore(memoryFiles(raw)).has(pieceOf(a))).toBe(false);
  }
  raw.set(path, Uint8Array.of(255, 255, 255, 255, 0));
  expect(await new Packs(memoryFiles(raw)).all()).toEqual([]);
});
