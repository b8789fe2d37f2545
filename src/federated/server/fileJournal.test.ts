/** A journal in files: torn entries, damaged snapshots, files of more than 2 GiB, and one process at a time. */
import { fork } from 'node:child_process';
import { type FileHandle, mkdtemp, open, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { fileJournal } from '#leaf/federated/server/fileJournal';
import { typeScriptNode } from '../../../test/typeScriptNode.ts';
import type { Journal } from './journal.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-journal-'));
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true });
});

/** What all open files inherit. */
async function fileMethods(): Promise<FileHandle> {
  const file = await open(join(folder, 'any'), 'w');
  await file.close();
  return Object.getPrototypeOf(file);
}

async function contentOf(journal: Journal) {
  const { snapshot, entries } = await journal.read();
  const all: number[][] = [];
  for await (const entry of entries) all.push([...entry]);
  return { snapshot: snapshot && [...snapshot], entries: all };
}

async function written(): Promise<string> {
  const journal = await fileJournal(folder);
  await journal.replace(Uint8Array.of(1, 2, 3));
  await journal.append(Uint8Array.of(4));
  await journal.append(Uint8Array.of(5, 6));
  await journal.close();
  return join(folder, 'journal-1');
}

it('drops torn entries, and refuses a damaged snapshot', async () => {
  const file = await written();
  const whole = await readFile(file);
  for (let cut = 0; cut <= whole.length; cut++) {
    await writeFile(file, whole.subarray(0, cut));
    const journal = await fileJournal(folder);
    const entries = [[4], [5, 6]].slice(0, cut < 17 ? 0 : cut < whole.length ? 1 : 2);
    expect(await contentOf(journal)).toEqual({ snapshot: [1, 2, 3], entries });
    // an entry after a torn one is found
    await journal.append(Uint8Array.of(7));
    expect((await contentOf(journal)).entries.at(-1)).toEqual([7]);
    await journal.close();
  }
  await writeFile(join(folder, 'snapshot'), 'x');
  await expect(fileJournal(folder)).rejects.toThrow(/damaged/);
  // the lock was released
  await expect(fileJournal(folder)).rejects.toThrow(/damaged/);
});

it('reads a journal of more than 2 GiB, and believes no length beyond its end', async () => {
  const file = await written();
  const { size } = await stat(file);
  // zeros that take no room on the disk: an entry whose hash is wrong
  await truncate(file, 2 ** 31 + 1000);
  const journal = await fileJournal(folder);
  expect((await contentOf(journal)).entries).toEqual([[4], [5, 6]]);
  expect((await stat(file)).size).toBe(size);
  await journal.close();
  const whole = await readFile(file);
  await writeFile(file, Buffer.concat([whole, new Uint8Array(16).fill(255)]));
  const longer = await fileJournal(folder);
  expect((await contentOf(longer)).entries).toEqual([[4], [5, 6]]);
  await longer.close();
});

it('belongs to one process at a time, and to the next one after kill -9', async () => {
  const file = await written();
  const before = await readFile(file);
  const holder = join(folder, 'holder.mts');
  const source = fileURLToPath(new URL('fileJournal.node.ts', import.meta.url));
  await writeFile(
    holder,
    `import { fileJournal } from ${JSON.stringify(source)};
await fileJournal(${JSON.stringify(folder)});
process.send('open');
setInterval(() => {}, 1e6);
`,
  );
  const child = fork(holder, {
    execPath: typeScriptNode,
    execArgv: ['--conditions=espalier-source', '--import', 'tsx'],
    cwd: process.cwd(),
  });
  await new Promise((resolve) => child.once('message', resolve));
  await expect(fileJournal(folder)).rejects.toMatchObject({ code: 'FOLDER_IN_USE' });
  expect(await readFile(file)).toEqual(before);
  const ended = new Promise((resolve) => child.on('exit', resolve));
  child.kill('SIGKILL');
  await ended;
  const journal = await fileJournal(folder);
  await expect(fileJournal(folder)).rejects.toMatchObject({ code: 'FOLDER_IN_USE' });
  expect((await contentOf(journal)).entries).toEqual([[4], [5, 6]]);
  await journal.close();
  expect(await readdir(folder)).not.toContain('lock');
});

it('makes many entries durable at once, in their order', async () => {
  const journal = await fileJournal(folder);
  const all = Array.from({ length: 100 }, (_, i) => i);
  const synchronize = vi.spyOn(await fileMethods(), 'datasync');
  const order: number[] = [];
  await Promise.all(all.map((i) => journal.append(Uint8Array.of(i)).then(() => order.push(i))));
  expect(order).toEqual(all);
  expect((await contentOf(journal)).entries).toEqual(all.map((i) => [i]));
  // the first one, and all that arrived while it was written
  expect(synchronize).toHaveBeenCalledTimes(2);
  await journal.close();
});

it('has written an entry when it says so', async () => {
  const journal = await fileJournal(folder);
  let finish = () => {};
  const synchronize = vi.spyOn(await fileMethods(), 'datasync').mockImplementation(
    () =>
      new Promise((resolve) => {
        finish = resolve;
      }),
  );
  let isDurable = false;
  const appended = journal.append(Uint8Array.of(1)).then(() => {
    isDurable = true;
  });
  await vi.waitUntil(() => synchronize.mock.calls.length > 0, { timeout: 60_000 });
  await new Promise((resolve) => setTimeout(resolve));
  expect(isDurable).toBe(false);
  finish();
  await appended;
  await journal.close();
});

it('writes nothing after an error', async () => {
  const journal = await fileJournal(folder);
  await journal.append(Uint8Array.of(1));
  const methods = await fileMethods();
  vi.spyOn(methods, 'datasync').mockRejectedValueOnce(new Error('the disk is full'));
  const append = vi.spyOn(methods, 'writev');
  const first = journal.append(Uint8Array.of(2));
  const second = journal.append(Uint8Array.of(3));
  for (const each of await Promise.allSettled([first, second])) expect(each.status).toBe('rejected');
  await expect(journal.append(Uint8Array.of(4))).rejects.toThrow('the disk is full');
  await expect(journal.replace(Uint8Array.of(5))).rejects.toThrow('the disk is full');
  // that of the first; the second is not tried
  expect(append).toHaveBeenCalledTimes(1);
  await journal.close();
});

it('takes no entry after a snapshot that could not be written', async () => {
  const journal = await fileJournal(folder);
  vi.spyOn(await fileMethods(), 'sync').mockRejectedValue(new Error('the disk is full'));
  await expect(journal.replace(Uint8Array.of(1))).rejects.toThrow('the disk is full');
  await expect(journal.append(Uint8Array.of(2))).rejects.toThrow('the disk is full');
  await journal.close();
});
