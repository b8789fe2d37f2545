/** Every byte of what is published and of what is installed, flipped, and every file cut: refused by name, and the version in use is unharmed. */
import { beforeAll, describe, expect, it } from 'vitest';
import { EspalierError } from '../../src/core/errors.ts';
import { memoryFiles, PackageStore, pull } from '../../src/package/index.ts';
import { memoryPublication } from '../memoryPublication.ts';
import { installedBytes, isSame, PACKAGE, publishModel, smallModel } from './versions.ts';

type Files = Map<string, Uint8Array>;

const models: Uint8Array[] = [];
const published: Files = new Map();
/** The store with the first version. */
const installed: Files = new Map();
/** Published files that the update reads, and those that an installation reads. */
const needed = { update: new Set<string>(), install: new Set<string>() };

beforeAll(async () => {
  for (const version of [0, 1]) {
    models.push(await smallModel(0.05 * version, 8));
    await publishModel(memoryPublication(published), String(version), models[version]);
    if (version === 0) await pull(new PackageStore(memoryFiles(installed)), memoryPublication(published));
  }
  await pull(new PackageStore(memoryFiles(new Map(installed))), recording(needed.update));
  await pull(new PackageStore(memoryFiles(new Map())), recording(needed.install));
});

function recording(paths: Set<string>) {
  const remote = memoryPublication(published);
  return {
    ...remote,
    open: (path: string, ...rest: [number, number]) => {
      paths.add(path);
      return remote.open(path, ...rest);
    },
  };
}

/** @returns the code of the refusal; undefined if the new version was installed */
async function outcomeOf(files: Files, before: Files): Promise<string | undefined> {
  const raw = new Map(before);
  const error = await pull(new PackageStore(memoryFiles(raw)), memoryPublication(files)).then(
    () => undefined,
    (error) => error,
  );
  const store = new PackageStore(memoryFiles(raw));
  if (error) {
    expect(error).toBeInstanceOf(EspalierError);
    expect(error.message).toMatch(/published|latest|manifest|piece|delta|patch/);
    if (before.size === 0) expect(await store.current(PACKAGE)).toBeUndefined();
  }
  if (!error || before.size > 0) {
    const expected = error ? models[0] : models[1];
    if (!isSame(await installedBytes(store), expected)) throw new Error('another model is installed');
  }
  return error?.code;
}

describe.each(['update', 'install'] as const)('an %s', (kind) => {
  const before = () => (kind === 'update' ? installed : new Map<string, Uint8Array>());

  it('refuses every flipped byte by name, or installs what was published', async () => {
    const codes = new Map<string, number>();
    for (const path of needed[kind]) {
      const sound = published.get(path)!;
      for (let i = 0; i < sound.length; i++) {
        const damaged = sound.slice();
        damaged[i] ^= 1 << (i % 8);
        const code = (await outcomeOf(new Map(published).set(path, damaged), before())) ?? 'installed';
        codes.set(code, (codes.get(code) ?? 0) + 1);
      }
    }
    console.log(`${kind}: ${[...codes].map(([code, count]) => `${code} ${count}`).join(', ')}`);
    // such as bytes that only name the version or the updates from other versions
    expect(codes.get('installed')).toBeLessThan(100);
    for (const code of codes.keys())
      expect(code).toMatch(/^(BAD_(PIECE|MANIFEST|UPDATE|PUBLICATION|DELTA)|installed)$/);
  });

  it('refuses every file that was cut, at any byte', async () => {
    let refused = 0;
    for (const path of needed[kind]) {
      const sound = published.get(path)!;
      for (let length = 0; length < sound.length; length += length < 40 ? 1 : 13) {
        const code = await outcomeOf(new Map(published).set(path, sound.slice(0, length)), before());
        // only a file's end of zeros is not fetched
        if (code === undefined) expect(sound.subarray(length).every((byte) => byte === 0)).toBe(true);
        else refused++;
        expect(code ?? 'BAD_').toMatch(/^BAD_/);
      }
    }
    expect(refused).toBeGreaterThan(100);
  });
});

describe('an installed version', () => {
  it('says which piece has a flipped byte, and is repaired by the next pull', async () => {
    const { generation } = (await new PackageStore(memoryFiles(installed)).current(PACKAGE))!;
    for (const [path, sound] of installed) {
      if (!path.startsWith('pieces/')) continue;
      for (let i = 0; i < sound.length; i++) {
        const damaged = sound.slice();
        damaged[i] ^= 1 << (i % 8);
        const store = new PackageStore(memoryFiles(new Map(installed).set(path, damaged)));
        expect((await store.damaged(generation)).map(({ sha256 }) => sha256)).toEqual([path.slice(-64)]);
      }
      const raw = new Map(installed).set(path, sound.slice(1));
      const store = new PackageStore(memoryFiles(raw));
      await pull(store, memoryPublication(published));
      if (!isSame(await installedBytes(store), models[1])) throw new Error('another model is installed');
    }
  });

  it('is still the one in use after any byte of the newest pointer is flipped, or the one before is', async () => {
    const updated = new Map(installed);
    await pull(new PackageStore(memoryFiles(updated)), memoryPublication(published));
    for (const [path, sound] of updated) {
      if (!path.includes('/current.')) continue;
      for (let i = 0; i < sound.length; i++) {
        const damaged = sound.slice();
        damaged[i] ^= 1 << (i % 8);
        const store = new PackageStore(memoryFiles(new Map(updated).set(path, damaged)));
        const found = await installedBytes(store);
        expect(models.some((model) => isSame(model, found))).toBe(true);
      }
    }
  });
});
