/** Writes a GGUF file that is complete or not there. */
import { checkpointFolder } from '#leaf/train/checkpoint/folder';
import type { ByteSink } from '../formats/byteSink.ts';
import { type GgufContents, writeGguf } from '../formats/gguf/write.ts';

/** @throws {SourceError} e.g. if the disk is full */
export async function writeFile(
  path: string,
  contents: GgufContents,
  options: { signal?: AbortSignal } = {},
): Promise<void> {
  const [folder, file] = splitPath(path);
  await checkpointFolder(folder).replace(file, async (sink) => {
    const behind = new WriteBehind(sink);
    await writeGguf(behind, contents, options);
    await behind.finish();
  });
}

/** Writes in the background while the caller computes the next bytes. An error is thrown by the next write, or by `finish`. */
class WriteBehind implements ByteSink {
  readonly #sink: ByteSink;
  #last: Promise<void> = Promise.resolve();

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  /** @param bytes must not change afterwards */
  async write(bytes: Uint8Array): Promise<void> {
    await this.#last;
    this.#last = this.#sink.write(bytes);
    // whoever awaits it next handles the failure
    this.#last.catch(() => undefined);
  }

  async finish(): Promise<void> {
    await this.#last;
  }
}

/** 'a/b.gguf' → ['a', 'b.gguf'] */
export function splitPath(path: string): [folder: string, file: string] {
  const at = Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\'));
  return at < 0 ? ['.', path] : [path.slice(0, at) || '/', path.slice(at + 1)];
}
