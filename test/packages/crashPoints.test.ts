/**
 * Installing, updating, rolling back and collecting are cut at every operation of the file system, with torn and lost writes. Afterwards the old or the
 * new version loads, and the next pull succeeds. The store's own files for Node and for browsers run on a model of a disk and of the private file system.
 */
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { deviceFiles as browserFiles } from '../../src/formats/packages/deviceFiles.browser.ts';
import { deviceFiles as nodeFiles } from '../../src/formats/packages/deviceFiles.node.ts';
import type { StoreFiles } from '../../src/formats/packages/storeFiles.ts';
import { memorySource } from '../../src/formats/sources/memory.ts';
import { PackageStore, publish, pull } from '../../src/package/index.ts';
import { memoryPublication } from '../memoryPublication.ts';
import { DiskModel } from './diskModel.ts';
import { OpfsModel } from './opfsModel.ts';
import { Operations, PowerCut } from './powerCut.ts';
import { installedBytes, isSame, PACKAGE, publishModel, smallModel } from './versions.ts';

const disk = vi.hoisted(() => ({ calls: {} as Record<string, (...values: unknown[]) => unknown> }));
/** Paths below this folder are those of the model. */
const FOLDER = '/modelled/store';
vi.mock('node:fs/promises', async (actual) => {
  const original = await actual<Record<string, unknown>>();
  const routed =
    (name: string) =>
    (...values: unknown[]) => {
      const isModelled = typeof values[0] === 'string' && values[0].startsWith('/modelled');
      return (isModelled ? disk.calls[name] : (original[name] as (...values: unknown[]) => unknown))(...values);
    };
  const names = ['mkdir', 'open', 'readdir', 'readFile', 'rename', 'rm', 'stat', 'utimes', 'writeFile'];
  return { ...original, ...Object.fromEntries(names.map((name) => [name, routed(name)])) };
});
/** The process that held a lock when it was cut is gone, although it had this process's number. */
vi.mock('../../src/formats/download/environment.node.ts', async (actual) => ({
  ...(await actual<object>()),
  isAlive: () => false,
}));
afterEach(() => vi.unstubAllGlobals());

/** A model of a place for files. */
interface Medium {
  operations: Operations;
  /** Makes it the one that the store's files use. */
  use(): StoreFiles;
  /** Content of the disk after each kind of failure. */
  failures(): Medium[];
  /** A copy on which nothing is cut, and everything is on the disk. */
  copy(): Medium;
  limit(bytes: number | undefined): void;
}

const SEEDS = [1, 2, 3, 4];

function diskMedium(model = new DiskModel()): Medium {
  return {
    get operations() {
      return model.operations;
    },
    set operations(value) {
      model.operations = value;
    },
    use() {
      disk.calls = model.calls as unknown as typeof disk.calls;
      return nodeFiles(FOLDER);
    },
    failures: () =>
      (['nothing', 'names and bytes', 'bytes', 'names', ...SEEDS.map((seed) => ({ seed }))] as const).map((loss) =>
        diskMedium(model.afterFailure(loss)),
      ),
    copy: () => diskMedium(model.afterFailure('nothing')),
    limit(bytes) {
      model.capacity = bytes === undefined ? Number.POSITIVE_INFINITY : model.usedBytes + bytes;
    },
  };
}

function opfsMedium(model: OpfsModel): Medium {
  return {
    get operations() {
      return model.operations;
    },
    set operations(value) {
      model.operations = value;
    },
    use() {
      vi.stubGlobal('navigator', model.navigator());
      return browserFiles('store');
    },
    failures: () =>
      (['nothing', ...[...SEEDS, 5, 6, 7].map((seed) => ({ seed }))] as const).map((loss) =>
        opfsMedium(model.afterFailure(loss)),
      ),
    copy: () => opfsMedium(model.settled()),
    limit(bytes) {
      model.quota = bytes === undefined ? Number.POSITIVE_INFINITY : model.usedBytes + bytes;
    },
  };
}

const models: Uint8Array[] = [];
/** Published folders: one per newest version. */
const sites: Map<string, Uint8Array>[] = [];

beforeAll(async () => {
  const files = new Map<string, Uint8Array>();
  for (let version = 0; version < 3; version++) {
    models.push(await smallModel(0.01 * version, 16, 512));
    await publishModel(memoryPublication(files), String(version), models[version]);
    sites.push(new Map(files));
  }
});

const pullVersion = (files: StoreFiles, version: number, isTrial = false) =>
  pull(new PackageStore(files), memoryPublication(sites[version]), isTrial ? { probe: async () => {} } : {});

/** Installs versions one after another. */
async function installed(medium: Medium, ...versions: number[]): Promise<Medium> {
  for (const version of versions) await pullVersion(medium.use(), version);
  return medium.copy();
}

/** Index of the version that models are loaded from; undefined if there is none. */
async function versionOf(files: StoreFiles): Promise<number | undefined> {
  const store = new PackageStore(files);
  const generation = await store.accepted(PACKAGE);
  if (generation === undefined) return undefined;
  const found = await installedBytes(store);
  expect(await store.damaged(generation)).toEqual([]);
  const version = models.findIndex((model) => isSame(model, found));
  expect(version).toBeGreaterThanOrEqual(0);
  return version;
}

interface Scenario {
  readonly name: string;
  readonly before: readonly number[];
  readonly change: (files: StoreFiles) => Promise<unknown>;
  /** Versions that may be found afterwards. */
  readonly outcomes: readonly (number | undefined)[];
}

const scenarios: readonly Scenario[] = [
  { name: 'installing', before: [], change: (files) => pullVersion(files, 0), outcomes: [undefined, 0] },
  { name: 'updating', before: [0], change: (files) => pullVersion(files, 1), outcomes: [0, 1] },
  {
    name: 'updating with a trial, and collecting',
    before: [0, 1],
    change: async (files) => {
      await pullVersion(files, 2, true);
      await new PackageStore(files).collect();
    },
    outcomes: [1, 2],
  },
  {
    name: 'rolling back',
    before: [0, 1],
    change: (files) => {
      const store = new PackageStore(files);
      return store.changing(PACKAGE, () => store.rollback(PACKAGE));
    },
    outcomes: [1, 0],
  },
  { name: 'collecting', before: [0, 1, 2], change: (files) => new PackageStore(files).collect(), outcomes: [2] },
];

describe.each([
  ['a disk', () => diskMedium()],
  ['a private file system written by streams', () => opfsMedium(new OpfsModel('stream'))],
  ['a private file system written by synchronous handles', () => opfsMedium(new OpfsModel('sync'))],
] as const)('on %s', (_, empty) => {
  it.each(scenarios)('$name leaves the old or the new version at every cut', async ({ before, change, outcomes }) => {
    const start = await installed(empty(), ...before);
    const seen = new Set<number | undefined>();
    let cuts = 0;
    for (let isCut = true; isCut; cuts++) {
      const medium = start.copy();
      medium.operations = new Operations(cuts);
      const error = await change(medium.use()).then(
        () => undefined,
        (error) => error,
      );
      isCut = error !== undefined;
      if (isCut && !isOfCut(error)) throw error;
      for (const left of medium.failures()) {
        const version = await versionOf(left.use()).catch((error) => {
          // a first version that was lost has none before it
          if (before.length > 0 || error.code !== 'BAD_PIECE') throw error;
          return undefined;
        });
        expect(outcomes).toContain(version);
        seen.add(version);
        await pullVersion(left.use(), 2, true);
        expect(await versionOf(left.use())).toBe(2);
        await new PackageStore(left.use()).collect();
        expect(await versionOf(left.use())).toBe(2);
      }
    }
    expect(seen).toEqual(new Set(outcomes));
    expect(cuts).toBeGreaterThan(1);
  });

  it('adding a component leaves it installed or not at every cut, and the rest whole', async () => {
    const withCard = new Map<string, Uint8Array>();
    const components = [
      { role: 'base', fileName: 'model.gguf', source: memorySource(models[0]) },
      { role: 'card', fileName: 'card.md', source: memorySource(new TextEncoder().encode('a card of this model')) },
    ];
    await publish(memoryPublication(withCard), components, { name: PACKAGE, version: '0' });
    const pullRoles = (files: StoreFiles, roles: readonly string[]) =>
      pull(new PackageStore(files), memoryPublication(withCard), { components: roles });
    const start = empty();
    await pullRoles(start.use(), []);
    const seen = new Set<string>();
    for (let cuts = 0, isCut = true; isCut; cuts++) {
      const medium = start.copy();
      medium.operations = new Operations(cuts);
      const error = await pullRoles(medium.use(), ['card']).then(
        () => undefined,
        (error) => error,
      );
      isCut = error !== undefined;
      if (isCut && !isOfCut(error)) throw error;
      for (const left of medium.failures()) {
        expect(await versionOf(left.use())).toBe(0);
        seen.add((await new PackageStore(left.use()).usage()).packages[0].roles.join(' '));
        await pullRoles(left.use(), ['card']);
        expect((await new PackageStore(left.use()).usage()).packages[0].roles).toEqual(['base', 'card']);
      }
    }
    expect(seen).toEqual(new Set(['base', 'base card']));
  });

  it('a full disk stops an update wherever it becomes full, and the old version stays', async () => {
    const start = await installed(empty(), 0);
    let refusals = 0;
    for (let bytes = 0; ; bytes += 1000) {
      const medium = start.copy();
      medium.limit(bytes);
      const error = await pullVersion(medium.use(), 1).then(
        () => undefined,
        (error) => error,
      );
      if (!error) break;
      expect(error).toMatchObject({ code: 'STORE_FULL' });
      refusals++;
      expect(await versionOf(medium.use())).toBe(0);
      medium.limit(undefined);
      await pullVersion(medium.use(), 1);
      expect(await versionOf(medium.use())).toBe(1);
    }
    expect(refusals).toBeGreaterThan(5);
  });
});

it('a full disk is collected, first what needs no room', async () => {
  const start = await installed(diskMedium(), 0, 1, 2);
  const medium = start.copy();
  medium.limit(0);
  const store = new PackageStore(medium.use());
  const before = await store.usage();
  expect(before.unused).toBeGreaterThan(0);
  await store.collect().catch((error) => expect(error).toMatchObject({ code: 'STORE_FULL' }));
  expect((await store.usage()).bytes).toBeLessThan(before.bytes);
  expect(await versionOf(medium.use())).toBe(2);
  await new PackageStore(medium.use()).collect();
  expect((await store.usage()).unused).toBe(0);
});

it('a process that cannot open files leaves the lock of another one alone', async () => {
  const model = new DiskModel();
  const use = (calls: object) => {
    disk.calls = calls as typeof disk.calls;
  };
  use(model.calls);
  const files = nodeFiles(FOLDER);
  let leave = () => {};
  const first = new Promise<void>((entered) => {
    void files.locked('p', () => {
      entered();
      return new Promise<void>((resolve) => {
        leave = resolve;
      });
    });
  });
  await first;
  const full = Object.assign(new Error('too many open files'), { code: 'EMFILE' });
  use({ ...model.calls, open: () => Promise.reject(full) });
  await expect(files.locked('p', async () => {})).rejects.toBe(full);
  use(model.calls);
  expect(await files.list('locks')).toEqual(['p']);
  leave();
});

/** True for the error of a cut, also if another one wraps it. */
function isOfCut(error: unknown): boolean {
  return error instanceof PowerCut || (error instanceof Error && error.cause !== undefined && isOfCut(error.cause));
}
