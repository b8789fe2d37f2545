/** A journal in a folder. A snapshot names its journal file, so that replacing both is one rename. */
import { type FileHandle, open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { concatenated } from '../../core/concatenated.ts';
import { SourceError } from '../../core/errors.ts';
import { replaceFile, syncFolder } from '../../formats/sources/replaceFile.node.ts';
import { openLocked } from '../folderLock.ts';
import { entriesOf, frameHead, type Journal } from './journal.ts';

/** Node reads at most 2³¹ − 1 bytes at once. */
const MAXIMUM_READ = 1 << 30;

/** An entry that is not durable yet. */
interface Waiting {
  readonly parts: readonly Uint8Array[];
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * @param folder is created if needed; one process at a time may use it
 * @throws {FederatedError} FOLDER_IN_USE if another one does
 */
export function fileJournal(folder: string): Promise<Journal> {
  return openLocked(folder, (release) => openJournal(folder, release));
}

async function openJournal(folder: string, release: () => Promise<void>): Promise<Journal> {
  const snapshotPath = join(folder, 'snapshot');
  const found = await readSnapshot(snapshotPath);
  let number = found?.number ?? 0;
  let snapshot = found?.content;
  const path = (n: number) => join(folder, `journal-${n}`);
  for (const name of await readdir(folder))
    if (/^journal-\d+$/.test(name) && name !== `journal-${number}`) await rm(join(folder, name));
  let file = await open(path(number), 'a+');
  await syncFolder(folder);
  let waiting: Waiting[] = [];
  let writing: Promise<void> | undefined;
  /** The first error of a write: an entry after a torn one would be lost. */
  let failure: { readonly error: unknown } | undefined;
  /** Writes what waits, as long as something does. Entries that arrive during a write share the next synchronization. */
  const writeAll = async () => {
    while (waiting.length > 0) {
      const group = waiting;
      waiting = [];
      try {
        if (failure) throw failure.error;
        for (const { parts } of group) await writeWhole(file, parts);
        await file.datasync();
        for (const { resolve } of group) resolve();
      } catch (error) {
        failure ??= { error };
        for (const { reject } of group) reject(error);
      }
    }
    writing = undefined;
  };
  async function* readEntries() {
    let whole = 0;
    for await (const { entry, end } of framesOf(file)) {
      whole = end;
      yield entry;
    }
    await file.truncate(whole);
  }
  return {
    read: async () => ({ snapshot, entries: readEntries() }),
    append(head, content, hash) {
      if (failure) return Promise.reject(failure.error);
      const parts = [concatenated([frameHead(head, content, hash), head]), ...(content ? [content] : [])];
      const durable = new Promise<void>((resolve, reject) => waiting.push({ parts, resolve, reject }));
      writing ??= writeAll();
      return durable;
    },
    async replace(next) {
      await writing;
      if (failure) throw failure.error;
      const following = await open(path(number + 1), 'w+');
      try {
        await replaceFile(snapshotPath, `${snapshotPath}.new`, async (sink) => {
          for (const entry of [new TextEncoder().encode(String(number + 1)), next]) {
            await sink.write(frameHead(entry));
            await sink.write(entry);
          }
        });
        await file.close();
        await rm(path(number));
      } catch (error) {
        // which of the two files the snapshot names is not known
        failure = { error };
        await following.close();
        throw error;
      }
      number++;
      file = following;
      snapshot = next;
    },
    async close() {
      await writing;
      await file.close();
      await release();
    },
  };
}

/** Writes parts one after the other, in one call: `appendFile` makes one per 512 KiB, and each waits until the messages in between are read. */
async function writeWhole(file: FileHandle, parts: readonly Uint8Array[]): Promise<void> {
  const rest = [...parts];
  while (rest.length > 0) {
    let { bytesWritten: left } = await file.writev(rest);
    while (rest.length > 0 && left >= rest[0].length) left -= rest.shift()!.length;
    if (left > 0) rest[0] = rest[0].subarray(left);
  }
}

async function readSnapshot(path: string): Promise<{ number: number; content: Uint8Array } | undefined> {
  const file = await open(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new SourceError(path, error.message, {}, { cause: error });
  });
  if (!file) return undefined;
  try {
    const parts: Uint8Array[] = [];
    for await (const { entry } of framesOf(file)) parts.push(entry);
    const [head, content] = parts;
    if (content) return { number: Number(new TextDecoder().decode(head)), content };
    throw new SourceError(path, 'is damaged: restore it from a backup, or use another folder');
  } finally {
    await file.close();
  }
}

async function* framesOf(file: FileHandle): ReturnType<typeof entriesOf> {
  const { size } = await file.stat();
  yield* entriesOf(size, async (offset, length) => {
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const { bytesRead } = await file.read(bytes, done, Math.min(MAXIMUM_READ, length - done), offset + done);
      if (bytesRead === 0) throw new SourceError('journal', 'became shorter while it was read');
      done += bytesRead;
    }
    return bytes;
  });
}
