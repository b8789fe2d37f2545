/**
 * A disk in memory with the promises that POSIX makes, behind the functions of node:fs/promises. Bytes of a file survive a power failure once the file
 * was synced, names once their folder was. What was not synced may be lost or kept, each by itself.
 */
import { seededRandom } from '../../src/core/random.ts';
import { Operations, tear } from './powerCut.ts';

interface DiskFile {
  bytes: Uint8Array;
  synced: Uint8Array;
}

interface Folder {
  entries: Map<string, Entry>;
  synced: Map<string, Entry>;
}

type Entry = DiskFile | Folder;

/** Effect of a power failure on bytes that were not synced. 'nothing': only the process ends. */
export type Loss = 'nothing' | 'names and bytes' | 'bytes' | 'names' | { readonly seed: number };

const emptyFolder = (): Folder => ({ entries: new Map(), synced: new Map() });
const isFolder = (entry: Entry): entry is Folder => 'entries' in entry;

export class DiskModel {
  #root = emptyFolder();
  operations = new Operations();
  /** Maximum bytes of all files. */
  capacity = Number.POSITIVE_INFINITY;

  get usedBytes(): number {
    const sum = (folder: Folder): number =>
      [...folder.entries.values()].reduce((bytes, each) => bytes + (isFolder(each) ? sum(each) : each.bytes.length), 0);
    return sum(this.#root);
  }

  /** The disk as it is found after the failure. */
  afterFailure(loss: Loss): DiskModel {
    const random = seededRandom(typeof loss === 'object' ? loss.seed : 0);
    const losesNames = () => (typeof loss === 'object' ? random.uniform() < 0.5 : loss.includes('names'));
    const losesBytes = () => (typeof loss === 'object' ? random.uniform() < 0.5 : loss.includes('bytes'));
    const copies = new Map<Entry, Entry>();
    const copy = (entry: Entry): Entry => {
      const done = copies.get(entry);
      if (done) return done;
      const made: Entry = isFolder(entry) ? found(entry) : foundFile(entry);
      copies.set(entry, made);
      return made;
    };
    const foundFile = ({ bytes, synced }: DiskFile): DiskFile => {
      const left = bytes === synced || !losesBytes() ? bytes : tear(bytes, random.integer(3));
      return { bytes: left, synced: left };
    };
    const found = ({ entries, synced }: Folder): Folder => {
      const left = new Map<string, Entry>();
      for (const name of new Set([...entries.keys(), ...synced.keys()])) {
        const [now, before] = [entries.get(name), synced.get(name)];
        const kept = now !== before && losesNames() ? before : now;
        if (kept) left.set(name, copy(kept));
      }
      return { entries: left, synced: new Map(left) };
    };
    const disk = new DiskModel();
    disk.#root = found(this.#root);
    return disk;
  }

  /** The functions of node:fs/promises that the store uses. */
  readonly calls = {
    mkdir: async (path: string, { recursive = false } = {}): Promise<string | undefined> => {
      const names = split(path);
      let [folder, created] = [this.#root, undefined as string | undefined];
      for (const [i, name] of names.entries()) {
        let next = folder.entries.get(name);
        if (!next) {
          if (!recursive && i < names.length - 1) throw failure('ENOENT', path);
          this.operations.change();
          next = emptyFolder();
          folder.entries.set(name, next);
          created ??= `/${names.slice(0, i + 1).join('/')}`;
        }
        if (!isFolder(next)) throw failure('ENOTDIR', path);
        folder = next;
      }
      return created;
    },

    open: async (path: string, flags = 'r') => {
      this.operations.alive();
      const { parent, name } = this.#place(path);
      let entry: Entry | undefined = name === undefined ? parent : parent.entries.get(name);
      if (flags === 'r' && !entry) throw failure('ENOENT', path);
      if (flags === 'wx' && entry) throw failure('EEXIST', path);
      if (flags !== 'r') {
        this.operations.change();
        const none = new Uint8Array(0);
        if (entry && !isFolder(entry)) entry.bytes = none;
        else parent.entries.set(name!, (entry = { bytes: none, synced: none }));
      }
      return this.#handle(entry!, path);
    },

    writeFile: async (path: string, text: string): Promise<void> => (await this.calls.open(path, 'w')).writeFile(text),

    readFile: async (path: string): Promise<string> => (await this.calls.open(path)).readFile(),

    /** Times are not modelled: all files are old. */
    utimes: async (path: string): Promise<void> => {
      await this.calls.stat(path);
    },

    readdir: async (path: string): Promise<string[]> => {
      this.operations.alive();
      const { parent, name } = this.#place(path);
      const entry = parent.entries.get(name!);
      if (!entry || !isFolder(entry)) throw failure('ENOENT', path);
      return [...entry.entries.keys()];
    },

    stat: async (path: string) => {
      this.operations.alive();
      const { parent, name } = this.#place(path);
      const entry = parent.entries.get(name!);
      if (!entry) throw failure('ENOENT', path);
      return { size: isFolder(entry) ? 0 : entry.bytes.length, ino: 0, mtimeMs: 0 };
    },

    rename: async (from: string, to: string): Promise<void> => {
      const [source, target] = [this.#place(from), this.#place(to)];
      const entry = source.parent.entries.get(source.name!);
      if (!entry) throw failure('ENOENT', from);
      this.operations.change();
      source.parent.entries.delete(source.name!);
      target.parent.entries.set(target.name!, entry);
    },

    rm: async (path: string, { force = false } = {}): Promise<void> => {
      const { parent, name } = this.#place(path, force);
      if (!parent.entries.has(name!)) {
        if (force) return;
        throw failure('ENOENT', path);
      }
      this.operations.change();
      parent.entries.delete(name!);
    },
  };

  #handle(entry: Entry, path: string) {
    const file = () => {
      if (isFolder(entry)) throw failure('EISDIR', path);
      return entry;
    };
    const handle = {
      writeFile: async (text: string): Promise<void> => {
        await handle.write(new TextEncoder().encode(text), 0);
      },
      write: async (bytes: Uint8Array, offset: number) => {
        const part = bytes.subarray(offset);
        if (this.usedBytes + part.length > this.capacity) throw failure('ENOSPC', path);
        const append = (added: Uint8Array) => {
          const joined = new Uint8Array(file().bytes.length + added.length);
          joined.set(file().bytes);
          joined.set(added, file().bytes.length);
          file().bytes = joined;
        };
        this.operations.change(() => append(part.subarray(0, part.length >> 1)));
        append(part);
        return { bytesWritten: part.length };
      },
      read: async (into: Uint8Array, at: number, length: number, position: number) => {
        this.operations.alive();
        const part = file().bytes.subarray(position, position + length);
        into.set(part, at);
        return { bytesRead: part.length };
      },
      readFile: async () => new TextDecoder().decode(file().bytes),
      stat: async () => ({ ino: 0, mtimeMs: 0 }),
      sync: async () => {
        this.operations.change();
        if (isFolder(entry)) entry.synced = new Map(entry.entries);
        else entry.synced = entry.bytes;
      },
      close: async () => {},
    };
    return handle;
  }

  /** The folder of a path, and the name in it; without a name for the root. @param create stands for folders that are missing */
  #place(path: string, create = false): { parent: Folder; name: string | undefined } {
    const names = split(path);
    let folder = this.#root;
    for (const name of names.slice(0, -1)) {
      const next = folder.entries.get(name) ?? (create ? emptyFolder() : undefined);
      if (!next || !isFolder(next)) throw failure('ENOENT', path);
      folder = next;
    }
    return { parent: folder, name: names.at(-1) };
  }
}

const split = (path: string) => path.split('/').filter((name) => name !== '');

function failure(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}
