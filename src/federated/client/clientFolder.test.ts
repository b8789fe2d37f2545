/** The folder of a federation's client. */
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { clientFolder } from '#leaf/federated/client/clientFolder';

let path: string;
beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'espalier-client-'));
});
afterEach(() => rm(path, { recursive: true }));

it('belongs to one process at a time', async () => {
  const folder = await clientFolder(path);
  await expect(clientFolder(path)).rejects.toMatchObject({ code: 'FOLDER_IN_USE', data: { folder: path } });
  await folder.close();
  const next = await clientFolder(path);
  expect(next.identity).toEqual(folder.identity);
  await next.close();
});

it('keeps its files from other users', async () => {
  const folder = await clientFolder(path);
  await folder.store.save('{}');
  expect(await folder.store.load()).toBe('{}');
  await folder.optimizerStore.save(Uint8Array.of(1, 2));
  expect([...(await folder.optimizerStore.load())!]).toEqual([1, 2]);
  if (process.platform !== 'win32')
    for (const file of ['identity.key', 'round.json', 'optimizer.bin'])
      expect((await stat(join(path, file))).mode & 0o777, file).toBe(0o600);
  await folder.close();
});
