/** Reads byte ranges of a published package, on a server or on disk. */
import { locatePath } from '#leaf/formats/sources/path';
import { collectYoungGarbage } from '../../core/collectGarbage.ts';
import { SourceError } from '../../core/errors.ts';
import type { ByteSource } from '../../formats/byteSource.ts';
import { PackageError } from '../../formats/packages/packageError.ts';
import { HttpFile, type HttpOptions } from '../../formats/sources/httpFile.ts';

/** Bytes of a response after which its chunks are collected. */
const COLLECTED_BYTES = 2 ** 20;

export interface Remote {
  /** Location for error messages. */
  readonly name: string;
  /** Opens a range of a file with one request. Returns undefined if the file does not exist. */
  open(path: string, offset: number, length: number, signal?: AbortSignal): Promise<Run | undefined>;
}

/** A range of a file that is read sequentially. */
export interface Run {
  /** Size of the whole file in bytes. */
  readonly size: number;
  /** Fills `into` with the next bytes. @throws {SourceError} */
  read(into: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** @param location a URL, oci://HOST/NAME:TAG or, in Node, a path or oci:FOLDER:TAG @throws {SourceError} */
export async function openRemote(location: string | URL, options: HttpOptions = {}): Promise<Remote> {
  if (typeof location === 'string' && /^oci:/i.test(location)) {
    const { ociRemote } = await import('../oci/artifactFiles.ts');
    const { openOci } = await import('../oci/openOci.ts');
    const { retry, signal } = options;
    return ociRemote(await openOci(location, { retry, signal }));
  }
  const isUrl = location instanceof URL || /^https?:/i.test(location);
  return isUrl ? httpRemote(new URL(location), options) : pathRemote(location as string);
}

/** Reads a whole small file. @throws {PackageError} BAD_PUBLICATION if it is missing or larger than `most` bytes */
export async function readSmall(remote: Remote, path: string, most: number, signal?: AbortSignal): Promise<Uint8Array> {
  const bytes = await readIfThere(remote, path, most, signal);
  if (bytes) return bytes;
  throw new PackageError('BAD_PUBLICATION', `${remote.name}: ${path} is missing`, { where: remote.name, path });
}

/** Like `readSmall`, but returns undefined if the file does not exist. */
export async function readIfThere(
  remote: Remote,
  path: string,
  most: number,
  signal?: AbortSignal,
): Promise<Uint8Array | undefined> {
  const run = await remote.open(path, 0, most, signal);
  if (!run) return undefined;
  try {
    if (run.size > most) {
      const problem = `${path} has ${run.size} bytes, expected at most ${most}`;
      throw new PackageError('BAD_PUBLICATION', `${remote.name}: ${problem}`, { where: remote.name, path });
    }
    const bytes = new Uint8Array(run.size);
    await run.read(bytes);
    return bytes;
  } finally {
    await run.close();
  }
}

function httpRemote(base: URL, options: HttpOptions): Remote {
  const root = new URL(base);
  if (!root.pathname.endsWith('/')) root.pathname += '/';
  return {
    name: root.href,
    async open(path, offset, length, signal) {
      let file: HttpFile;
      try {
        file = await HttpFile.open(new URL(path, root), { ...options, window: length, noStore: true, signal }, offset);
      } catch (error) {
        if (error instanceof SourceError && (error.data.status === 404 || error.data.status === 410)) return undefined;
        throw error;
      }
      let at = offset;
      let rest = new Uint8Array(0);
      let collected = offset;
      return {
        size: file.size,
        async read(into) {
          for (let done = 0; done < into.length; ) {
            if (rest.length === 0) rest = (await file.next(at, signal)) as Uint8Array<ArrayBuffer>;
            const part = rest.subarray(0, into.length - done);
            into.set(part, done);
            rest = rest.subarray(part.length);
            done += part.length;
            at += part.length;
          }
          if (at - collected < COLLECTED_BYTES) return;
          collected = at;
          collectYoungGarbage();
        },
        async close() {
          file.close();
        },
      };
    },
  };
}

async function pathRemote(path: string): Promise<Remote> {
  const located = await locatePath(path);
  if (located instanceof URL) return httpRemote(located, {});
  const { folder } = located;
  return {
    name: path,
    async open(name, offset, _length, signal) {
      const source: ByteSource | undefined = await folder.open(name, signal);
      if (!source) return undefined;
      let at = offset;
      return {
        size: source.size,
        async read(into) {
          await source.read(at, into.length, into, signal);
          at += into.length;
        },
        close: () => source.close(),
      };
    },
  };
}
