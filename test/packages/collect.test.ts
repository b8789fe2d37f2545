/** Collections beside sessions and installations of other processes: nothing that is needed is removed. */
import { expect, it } from 'vitest';
import { memoryFiles, PackageStore, pull } from '../../src/package/index.ts';
import { memoryPublication as publication } from '../memoryPublication.ts';
import { installedBytes, PACKAGE, publishModel, smallModel } from './versions.ts';

/** Matrices of 18 kB, which are files of their own. */
const model = (noise: number) => smallModel(noise, 512);

function expectSame(found: Uint8Array, expected: Uint8Array): void {
  expect(Buffer.compare(found, expected)).toBe(0);
}

it('collects what nothing needs, and leaves what a session holds', async () => {
  const files = new Map<string, Uint8Array>();
  const store = new PackageStore(memoryFiles());
  const remote = publication(files);
  let release = async () => {};
  for (const [version, noise] of Object.entries({ 1: 0, 2: 0.01, 3: 0.02 })) {
    await publishModel(publication(files), version, await model(noise));
    const { generation } = await pull(store, remote);
    if (version === '1') release = await store.hold(generation);
  }
  expect(await store.collect()).toBe(0);
  await release();
  expect((await store.usage()).unused).toBeGreaterThan(50_000);
  expect(await store.collect()).toBeGreaterThan(50_000);
  await store.rollback(PACKAGE);
  expectSame(await installedBytes(store), await model(0.01));
});

it('collects nothing that another process is installing', async () => {
  const files = new Map<string, Uint8Array>();
  const raw = new Map<string, Uint8Array>();
  await publishModel(publication(files), '1', await model(0));
  const shared = memoryFiles(raw);
  const store = new PackageStore(shared);
  let collected = 0;
  await pull(store, publication(files), {
    onProgress: ({ done, total }) => {
      // at the first piece and at the last one
      if (done < 10_000 || done === total) void new PackageStore(shared).collect().then(() => collected++);
    },
  });
  await expect.poll(() => collected).toBeGreaterThan(0);
  expectSame(await installedBytes(store), await model(0));
  expect(await store.damaged((await store.current(PACKAGE))!.generation)).toEqual([]);
});

it('keeps stored pieces that an update finds again, while another process collects', async () => {
  const files = new Map<string, Uint8Array>();
  const raw = new Map<string, Uint8Array>();
  const store = new PackageStore(memoryFiles(raw));
  for (const [version, noise] of [0, 0.01, 0.02].entries()) {
    await publishModel(publication(files), String(version), await model(noise));
    await pull(store, publication(files));
  }
  // the first version again: its pieces are still here, but nothing needs them
  await publishModel(publication(files), '3', await model(0));
  const shared = memoryFiles(raw);
  let freed = -1;
  const onPlan = async () => {
    freed = await new PackageStore({ ...memoryFiles(raw), held: shared.held }).collect();
  };
  const updating = new PackageStore(shared);
  expect((await pull(updating, publication(files), { onPlan })).plan.pieces).toMatchObject({
    have: 5,
    delta: 0,
    // the template
    whole: 1,
  });
  expect(freed).toBeGreaterThan(-1);
  expectSame(await installedBytes(new PackageStore(memoryFiles(raw))), await model(0));

  // and what this process has collected is fetched again
  await publishModel(publication(files), '4', await model(0.03));
  await pull(updating, publication(files));
  expect(await updating.collect()).toBeGreaterThan(50_000);
  await publishModel(publication(files), '5', await model(0.01));
  expect((await pull(updating, publication(files))).changed).toBe(true);
  expectSame(await installedBytes(updating), await model(0.01));
});

it('begins to install when another process has collected', async () => {
  const raw = new Map<string, Uint8Array>();
  const files = new Map<string, Uint8Array>();
  const { manifest } = await publishModel(publication(files), '1', await model(0));
  const shared = memoryFiles(raw);
  const order: string[] = [];
  const slow = new PackageStore({
    ...shared,
    async sweep() {
      order.push('collecting');
      await new Promise((resolve) => setTimeout(resolve, 20));
      order.push('collected');
      return 0;
    },
  });
  const collecting = slow.collect();
  await new PackageStore(shared).expect(manifest).then(() => order.push('installing'));
  await collecting;
  expect(order).toEqual(['collecting', 'collected', 'installing']);
});
