/**
 * The browser's private file system in memory, behind the interfaces of the File System specification. A stream's bytes become visible when it is closed,
 * those of a synchronous handle at once. Nothing says when bytes reach the disk: a power failure may tear every file that was written.
 */
import { Operations, tear } from './powerCut.ts';

interface OpfsFile {
  bytes: Uint8Array;
  /** Settled bytes have reached the disk. */
  isSettled: boolean;
}

type Folder = Map<string, OpfsFile | Folder>;

/** The loss: 'nothing' when a tab is closed; a seed chooses the files that a power failure tears. */
export type Loss = 'nothing' | { readonly seed: number };

export class OpfsModel {
  #root: Folder = new Map();
  operations = new Operations();
  /** Maximum bytes of all files. */
  quota = Number.POSITIVE_INFINITY;
  /** Ways to write files: as a stream on the page's thread, or in a worker of an older Safari. */
  readonly #writing: 'stream' | 'sync';

  constructor(writing: 'stream' | 'sync') {
    this.#writing = writing;
  }

  get usedBytes(): number {
    const sum = (folder: Folder): number =>
      [...folder.values()].reduce((bytes, each) => bytes + (each instanceof Map ? sum(each) : each.bytes.length), 0);
    return sum(this.#root);
  }

  afterFailure(loss: Loss): OpfsModel {
    let index = 0;
    const found = (folder: Folder): Folder =>
      new Map([...folder].map(([name, entry]) => [name, entry instanceof Map ? found(entry) : left(entry)]));
    const left = ({ bytes, isSettled }: OpfsFile): OpfsFile => {
      if (loss === 'nothing') return { bytes, isSettled };
      // bit by bit, so that a few seeds try each of the last files alone and together
      const isTorn = !isSettled && ((loss.seed >> (index++ % 3)) & 1) === 1;
      return { bytes: isTorn ? tear(bytes, loss.seed + index) : bytes, isSettled: true };
    };
    const model = new OpfsModel(this.#writing);
    model.#root = found(this.#root);
    return model;
  }

  /** A copy whose files have all reached the disk. */
  settled(): OpfsModel {
    return this.afterFailure({ seed: 0 });
  }

  /** For `navigator`. */
  navigator() {
    return {
      storage: {
        getDirectory: async () => this.#folder(this.#root),
        estimate: async () => ({ usage: this.usedBytes, quota: this.quota }),
      },
      locks: locks(),
    };
  }

  #folder(folder: Folder) {
    return {
      getDirectoryHandle: async (name: string, { create = false } = {}) => {
        let entry = folder.get(name);
        if (!entry) {
          if (!create) throw missing(name);
          this.operations.change();
          folder.set(name, (entry = new Map()));
        }
        return this.#folder(entry as Folder);
      },
      getFileHandle: async (name: string, { create = false } = {}) => {
        if (!folder.has(name)) {
          if (!create) throw missing(name);
          this.operations.change();
          folder.set(name, { bytes: new Uint8Array(0), isSettled: false });
        }
        return this.#file(folder.get(name) as OpfsFile);
      },
      removeEntry: async (name: string) => {
        if (!folder.has(name)) throw missing(name);
        this.operations.change();
        folder.delete(name);
      },
      keys: async function* () {
        yield* [...folder.keys()];
      },
    };
  }

  #file(file: OpfsFile) {
    const replace = (bytes: Uint8Array) => Object.assign(file, { bytes, isSettled: false });
    const room = (bytes: number) => {
      if (this.usedBytes - file.bytes.length + bytes > this.quota)
        throw new DOMException('no room', 'QuotaExceededError');
    };
    return {
      getFile: async () => {
        this.operations.alive();
        return new Blob([file.bytes as Uint8Array<ArrayBuffer>]);
      },
      ...(this.#writing === 'stream' && {
        createWritable: async () => {
          this.operations.change();
          let swap = new Uint8Array(0);
          return {
            write: async (bytes: Uint8Array) => {
              room(bytes.length);
              this.operations.change();
              swap = bytes.slice();
            },
            close: async () => {
              this.operations.change();
              replace(swap);
            },
            abort: async () => {},
          };
        },
      }),
      ...(this.#writing === 'sync' && {
        createSyncAccessHandle: async () => ({
          truncate: (size: number) => {
            this.operations.change();
            replace(file.bytes.slice(0, size));
          },
          write: (bytes: Uint8Array, { at }: { at: number }) => {
            room(at + bytes.length);
            const put = (part: Uint8Array) => {
              const joined = new Uint8Array(Math.max(file.bytes.length, at + part.length));
              joined.set(file.bytes);
              joined.set(part, at);
              replace(joined);
            };
            this.operations.change(() => put(bytes.subarray(0, bytes.length >> 1)));
            put(bytes);
            return bytes.length;
          },
          flush: () => {
            this.operations.change();
            file.isSettled = true;
          },
          close: () => {},
        }),
      }),
    };
  }
}

/** Web Locks of one tab. They end with it. */
function locks() {
  const queue = new Map<string, Promise<unknown>>();
  return {
    request: async (name: string, options: object, work?: () => Promise<unknown>) => {
      const run = work ?? (options as () => Promise<unknown>);
      const mine = (queue.get(name) ?? Promise.resolve()).then(run);
      queue.set(
        name,
        mine.catch(() => {}),
      );
      return mine;
    },
    query: async () => ({ held: [] }),
  };
}

function missing(name: string): DOMException {
  return new DOMException(`no ${name}`, 'NotFoundError');
}
