/** Opens a model from any source, in any supported format. */
import { locatePath } from '#leaf/formats/sources/path';
import { FormatError, OptionError, SourceError } from '../core/errors.ts';
import type { Notice, OnProgress, Progress } from '../core/progress.ts';
import { type ByteSource, closingOnError } from './byteSource.ts';
import { type Checkpoint, isCheckpoint, lent } from './checkpoint.ts';
import { type CacheOptions, hubNameOf, isWeights } from './download/hub.ts';
import type { Folder } from './folder.ts';
import { openGguf } from './gguf/checkpoint.ts';
import { checkedFolder, refusePointer } from './pointerFile.ts';
import { blobSource } from './sources/blob.ts';
import {
  type DirectoryHandleLike,
  type FileHandleLike,
  filesFolder,
  handleFolder,
  type NamedFolder,
} from './sources/files.ts';
import type { HttpOptions } from './sources/httpFile.ts';
import { memorySource } from './sources/memory.ts';
import { refusal } from './sources/refusal.ts';
import { nameOf } from './sources/request.ts';
import { isOpaque, locateUrl, openUrl, type UrlFolderOptions } from './sources/url.ts';
import { readStream } from './sources/wholeBody.ts';

/**
 * Source of a model:
 * - a path or URL of a .gguf file (any part of a split one), of a .safetensors file, or of a Hugging Face folder;
 *   `blob:` and `data:` URLs too
 * - `hf:owner/repo[@revision][/file]`
 * - `package:NAME[#ROLE]`: a component of an installed package, by default its base (espalier/package)
 * - its bytes, a Blob or File, a Response, a stream
 * - several Files: the parts of a split GGUF, or the files of a Hugging Face folder
 * - a handle of a file or directory, as browsers' pickers return it
 * - a checkpoint that `openCheckpoint` has opened; it stays open
 */
export type CheckpointSource =
  | string
  | URL
  | Uint8Array
  | ArrayBuffer
  | Blob
  | Response
  | ReadableStream<Uint8Array>
  | ArrayLike<Blob>
  | FileHandleLike
  | DirectoryHandleLike
  | Checkpoint;

export interface OpenOptions extends Omit<HttpOptions, 'signal' | 'window' | 'noStore' | 'onNotice'> {
  /** Cancels opening. Later reads are not affected. */
  readonly signal?: AbortSignal;
  /** Called with the progress of downloads, and with notices about them. */
  readonly onProgress?: OnProgress;
  /** Hub of `hf:` models, and the download cache. */
  readonly cache?: CacheOptions;
  /** Folder of installed packages, for `package:` sources. Default: the one of `openStore()`. */
  readonly packages?: string;
  /** True if only the headers are read; the weights are then not stored. */
  readonly headerOnly?: boolean;
}

interface FileOptions {
  readonly folder?: Folder;
  readonly file?: string;
  readonly signal?: AbortSignal;
}

const EXPECTED =
  'a path, a URL, hf:owner/repo/file, package:NAME, bytes, a Blob or File, several Files, a Response, a stream, a file or directory handle, or an open checkpoint';

/**
 * Opens a model and reads its headers. Tensors are read on demand.
 * @throws {FormatError} if a file is damaged; {SourceError} if it cannot be read; {UnsupportedError} if it is valid, but
 *   Espalier does not support it; {OptionError} if the source is invalid
 */
export async function openCheckpoint(source: CheckpointSource, options: OpenOptions = {}): Promise<Checkpoint> {
  const { signal } = options;
  signal?.throwIfAborted();
  if (typeof source === 'string' || source instanceof URL) return openNamed(checkedName(source), options);
  if (typeof source === 'object' && source !== null) {
    if (isCheckpoint(source)) return lent(source);
    if (source instanceof Uint8Array) return openFile(memorySource(source), { signal });
    if (isBuffer(source)) return openFile(memorySource(new Uint8Array(source)), { signal });
    if (source instanceof Blob) return openFile(blobSource(source), { signal });
    if (source instanceof Response) return openFile(await responseSource(source, options), { signal });
    if (source instanceof ReadableStream) {
      const onProgress = options.onProgress;
      return openFile(blobSource(await readStream(source, 'stream', { signal, onProgress }), 'stream'), { signal });
    }
    if ('getFileHandle' in source) return openFolder(handleFolder(source), signal);
    if ('getFile' in source) return openFile(blobSource(await source.getFile()), { signal });
    if (isList(source)) return openFiles([...Array.from(source)], signal);
  }
  throw new OptionError('source', describe(source), EXPECTED);
}

async function openNamed(source: string, options: OpenOptions): Promise<Checkpoint> {
  const { signal, cache, headerOnly, headers, retry } = options;
  const { onProgress, onNotice } = withNotices(options.onProgress);
  if (/^hf:/i.test(source)) {
    const { locateOnHub } = await import('./download/locateOnHub.ts');
    const { folder, file } = locateOnHub(source.replace(/^hf:/i, 'hf:'), {
      cache,
      onProgress,
      onNotice,
      headerOnly,
    });
    return openLocated(folder, file, signal);
  }
  if (/^package:/i.test(source)) {
    const { locateInstalled } = await import('./packages/locateInstalled.ts');
    const { folder, file, tokenizer } = await locateInstalled(source, options.packages);
    const opened = file === undefined ? openFolder(folder, signal) : openLocated(folder, file, signal);
    if (tokenizer === undefined) return opened;
    const { withTokenizer } = await import('./packages/withTokenizer.ts');
    return withTokenizer(await opened, folder, tokenizer, signal);
  }
  const located = /^(https?|blob|data):/i.test(source) ? checkedUrl(source) : await locatePath(source);
  if (!(located instanceof URL)) {
    const { folder, file } = located;
    return file === undefined ? openFolder(folder as NamedFolder, signal) : openLocated(folder, file, signal);
  }
  const onHub = cache?.endpoint === undefined && !headers ? hubNameOf(located) : undefined;
  if (onHub) return openNamed(onHub, options);
  const { folder: store, keep } = cache ?? {};
  const keeps = headerOnly ? (file: string) => !isWeights(file) && /\.\w+$/.test(file) : undefined;
  const policy = retry ?? cache?.retry;
  return openAtUrl(located, { headers, retry: policy, signal, onProgress, onNotice, folder: store, keep, keeps });
}

/** Opens a URL that can be a file of any name, or a folder. */
async function openAtUrl(url: URL, options: UrlFolderOptions): Promise<Checkpoint> {
  const { signal } = options;
  if (isOpaque(url)) return openFile(await openUrl(url, options), { signal });
  const { folder, file, asFolder } = locateUrl(url, options);
  let problem: unknown;
  if (file !== undefined) {
    try {
      const opened = await folder.open(file, signal);
      if (opened) return await openFile(opened, { folder: checkedFolder(folder), file, signal });
      problem = new SourceError(folder.name, `has no file ${file}`, { expected: file, status: 404 });
    } catch (error) {
      // a server may answer with a list of a folder's files, or refuse to
      const status = error instanceof SourceError ? error.data.status : undefined;
      if (isWeights(file) || (status !== 403 && status !== 404 && status !== 200)) throw error;
      problem = error;
    }
    if (isWeights(file)) throw problem;
  }
  try {
    return await openFolder(asFolder, signal);
  } catch (error) {
    if (!isConfigMissing(error) || !problem) throw error;
    const message = (problem as Error).message.replace(/^.*?: /, '');
    const text = `is neither a model file (${message}) nor a folder with a config.json`;
    throw new SourceError(nameOf(url), text, { ...(problem as SourceError).data }, { cause: problem });
  }
}

async function openLocated(folder: Folder, file: string | undefined, signal?: AbortSignal): Promise<Checkpoint> {
  if (file === undefined) return openFolder(folder, signal);
  const opened = await folder.open(file, signal);
  if (!opened) throw new SourceError(folder.name, `has no file ${file}`, { expected: file, status: 404 });
  return openFile(opened, { folder: checkedFolder(folder), file, signal });
}

/** Opens a Hugging Face folder, or a folder without config.json that contains a single GGUF model. */
async function openFolder(folder: Folder | NamedFolder, signal?: AbortSignal): Promise<Checkpoint> {
  try {
    // a page that runs GGUF files does not download the reader of folders
    const { openHuggingFaceFolder } = await import('./huggingface/checkpoint.ts');
    return await openHuggingFaceFolder(checkedFolder(folder), signal);
  } catch (error) {
    if (!('names' in folder) || !isConfigMissing(error)) throw error;
    const files = (await folder.names(signal)).filter((name) => /\.gguf$/i.test(name)).sort();
    const [first] = files;
    if (first === undefined) throw error;
    if (files.every((name) => stem(name) === stem(first))) return openLocated(folder, first, signal);
    const problem = `has no config.json, and several models: name one of ${files.slice(0, 8).join(', ')}`;
    throw new SourceError(folder.name, problem, { found: files }, { cause: error });
  }
}

function isConfigMissing(error: unknown): boolean {
  return error instanceof SourceError && error.data.expected === 'config.json';
}

async function openFiles(files: readonly Blob[], signal?: AbortSignal): Promise<Checkpoint> {
  const wrong = files.findIndex((file) => !(file instanceof Blob));
  if (wrong >= 0) throw new OptionError(`source[${wrong}]`, describe(files[wrong]), 'a File');
  const [first] = files;
  if (first === undefined) throw new OptionError('source', 'an empty list', 'at least one File');
  if (files.length === 1 && !(first as File).webkitRelativePath) return openFile(blobSource(first), { signal });
  const folder = filesFolder(files);
  const names = await folder.names();
  // a single file of another name is recognized by its bytes
  if (names.length === 1 && !/\.(json|safetensors)$/.test(names[0])) return openLocated(folder, names[0], signal);
  return openFolder(folder, signal);
}

/** 'x-00001-of-00003.gguf' → 'x' */
function stem(name: string): string {
  return name.replace(/-\d{5}-of-(\d{5})\.gguf$/i, ' of $1');
}

async function responseSource(response: Response, { signal, onProgress }: OpenOptions): Promise<ByteSource> {
  const name = response.url ? nameOf(new URL(response.url)) : 'response';
  if (!response.ok) throw refusal(name, response);
  if (response.bodyUsed) throw new OptionError('source', 'a Response whose body was read already', 'a fresh Response');
  return blobSource(await readStream(response.body, name, { signal, onProgress }), name);
}

/** Opens a file. Its first bytes determine the format. */
async function openFile(source: ByteSource, options: FileOptions): Promise<Checkpoint> {
  const kind = await closingOnError([source], () => detect(source, options.signal));
  if (kind === 'gguf') return openGguf(source, options);
  const { openSafetensors } = await import('./huggingface/checkpoint.ts');
  return openSafetensors(source, options.signal);
}

async function detect(source: ByteSource, signal?: AbortSignal): Promise<'gguf' | 'safetensors'> {
  await refusePointer(source, signal);
  const start = new Uint8Array(Math.min(9, source.size));
  await source.read(0, start.length, start, signal);
  const text = String.fromCharCode(...start);
  if (text.startsWith('GGUF')) return 'gguf';
  if (text[8] === '{') return 'safetensors';
  const data = { offset: 0, expected: "'GGUF', or '{' at byte 8", found: text };
  if (source.size === 0) throw new FormatError(source.name, 'is empty', data);
  const advice = /^\s*[{[]/.test(text) ? ': a model is opened by its folder, or by its .gguf or .safetensors file' : '';
  throw new FormatError(
    source.name,
    `begins with ${JSON.stringify(text)}: it is neither GGUF nor safetensors${advice}`,
    data,
  );
}

/** @throws {OptionError} if the name is empty or not a URL */
function checkedName(source: string | URL): string {
  const name = String(source);
  if (name.trim() !== '') return name;
  throw new OptionError('source', 'an empty text', EXPECTED);
}

function checkedUrl(source: string): URL {
  if (URL.canParse(source)) return new URL(source);
  throw new OptionError('source', source, 'a valid URL');
}

function isBuffer(source: object): source is ArrayBuffer {
  return (
    source instanceof ArrayBuffer || (typeof SharedArrayBuffer !== 'undefined' && source instanceof SharedArrayBuffer)
  );
}

function isList(source: object): source is ArrayLike<Blob> {
  return typeof (source as ArrayLike<Blob>).length === 'number' && !ArrayBuffer.isView(source);
}

/** Describes a value for an error message without printing its contents. */
function describe(value: unknown): string {
  if (value === null || ['undefined', 'number', 'boolean', 'bigint'].includes(typeof value)) return String(value);
  if (typeof value !== 'object') return `a ${typeof value}`;
  return `an object of the class ${(value as object).constructor?.name ?? 'Object'}`;
}

/** Reports notices with the last progress, so that a progress bar stays where it is. */
function withNotices(onProgress: OnProgress | undefined) {
  if (!onProgress) return {};
  let last: Progress = { stage: 'download', done: 0, total: 1, unit: 'bytes' };
  return {
    onProgress(progress: Progress) {
      last = progress;
      onProgress(progress);
    },
    onNotice: (notice: Notice) => onProgress({ ...last, notice }),
  };
}
