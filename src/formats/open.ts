/** Opens a model wherever it is, whatever its format. */
import { locatePath } from '#leaf/formats/sources/path';
import { FormatError, SourceError } from '../core/errors.ts';
import type { OnProgress } from '../core/progress.ts';
import { type ByteSource, closingOnError } from './byteSource.ts';
import type { Checkpoint } from './checkpoint.ts';
import { type CacheOptions, locateOnHub } from './download/hub.ts';
import type { Folder } from './folder.ts';
import { openGguf } from './gguf/checkpoint.ts';
import { openHuggingFaceFolder, openSafetensors } from './huggingface/checkpoint.ts';
import { blobSource } from './sources/blob.ts';
import { locateUrl } from './sources/http.ts';
import type { HttpOptions } from './sources/httpFile.ts';
import { memorySource } from './sources/memory.ts';

/**
 * A path or URL of a .gguf (any part of a split one), of a .safetensors or of a Hugging Face folder;
 * `hf:owner/repo[@revision][/file]`; bytes; a browser's File or handle of one.
 */
export type CheckpointSource = string | URL | Uint8Array | ArrayBuffer | Blob | FileSystemFileHandle;

export interface OpenOptions extends Omit<HttpOptions, 'signal'> {
  /** Ends the opening, not what is read later. */
  readonly signal?: AbortSignal;
  /** Hears of downloads to the cache. */
  readonly onProgress?: OnProgress;
  /** Where `hf:` models come from and are kept. */
  readonly cache?: CacheOptions;
}

interface Location {
  readonly folder: Folder;
  readonly file?: string;
}

/**
 * Reads the headers only; tensors are read when asked for.
 * @throws {FormatError} for a broken file; {SourceError} for one that cannot be had; {UnsupportedError} for a valid one
 *   that Espalier cannot read; {OptionError} for a source that names nothing
 */
export async function openCheckpoint(source: CheckpointSource, options: OpenOptions = {}): Promise<Checkpoint> {
  const { signal } = options;
  if (typeof source !== 'string' && !(source instanceof URL)) return openFile(await sourceOf(source), { signal });
  const { folder, file } = await locate(String(source), options);
  if (file === undefined) return openHuggingFaceFolder(folder, signal);
  const opened = await folder.open(file, signal);
  if (!opened) throw new SourceError(folder.name, `has no file ${file}`, { expected: file });
  return openFile(opened, { folder, file, signal });
}

async function locate(source: string, options: OpenOptions): Promise<Location> {
  if (source.startsWith('hf:')) return locateOnHub(source, options);
  if (/^https?:/i.test(source)) return locateUrl(source, options);
  return locatePath(source);
}

async function sourceOf(source: Uint8Array | ArrayBuffer | Blob | FileSystemFileHandle): Promise<ByteSource> {
  if (source instanceof Uint8Array) return memorySource(source);
  if (source instanceof ArrayBuffer) return memorySource(new Uint8Array(source));
  if (source instanceof Blob) return blobSource(source);
  return blobSource(await source.getFile());
}

/** Opens a file by what its first bytes say. */
async function openFile(
  source: ByteSource,
  options: { folder?: Folder; file?: string; signal?: AbortSignal },
): Promise<Checkpoint> {
  const kind = await closingOnError([source], () => detect(source, options.signal));
  return kind === 'gguf' ? openGguf(source, options) : openSafetensors(source, options.signal);
}

async function detect(source: ByteSource, signal?: AbortSignal): Promise<'gguf' | 'safetensors'> {
  const start = new Uint8Array(Math.min(9, source.size));
  await source.read(0, start.length, start, signal);
  const text = String.fromCharCode(...start);
  if (text.startsWith('GGUF')) return 'gguf';
  if (text[8] === '{') return 'safetensors';
  const problem = `begins with ${JSON.stringify(text)}: it is neither GGUF nor safetensors`;
  throw new FormatError(source.name, problem, { offset: 0, expected: "'GGUF', or '{' at byte 8", found: text });
}
