/** Cuts a file into sections and pieces. GGUF and safetensors are cut at their tensors, any other file every MAX_PIECE_BYTES. */
import { sha256 } from '#leaf/formats/download/sha256';
import { FormatError } from '../core/errors.ts';
import type { OnProgress } from '../core/progress.ts';
import type { ByteSource } from '../formats/byteSource.ts';
import { readGguf } from '../formats/gguf/read.ts';
import { hashOf } from '../formats/packages/hash.ts';
import { MAX_PIECE_BYTES, type Piece, type Section } from '../formats/packages/manifest.ts';
import { readSafetensors, safetensorsHeaderBytes } from '../formats/safetensors/read.ts';
import type { SourceTensor } from '../formats/sourceTensor.ts';
import type { BlockFormat } from '../tensor/blockFormat.ts';

export interface SliceOptions {
  /** Called for every piece in the order of the file. The bytes are overwritten after it resolves. */
  readonly onPiece?: (piece: Piece, bytes: Uint8Array) => Promise<void>;
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
}

export interface SlicedFile {
  readonly bytes: number;
  readonly sha256: string;
  readonly sections: Section[];
}

interface Extent {
  readonly name: string;
  readonly offset: number;
  readonly bytes: number;
  readonly format?: BlockFormat;
  readonly shape?: readonly number[];
}

const GGUF_MAGIC = 'GGUF';

/** @throws {FormatError} for a damaged GGUF file; {SourceError}; the signal's reason */
export async function slice(source: ByteSource, options: SliceOptions = {}): Promise<SlicedFile> {
  const { onPiece, onProgress, signal } = options;
  const whole = sha256();
  const buffer = new Uint8Array(Math.min(MAX_PIECE_BYTES, source.size));
  const sections: Section[] = [];
  let done = 0;
  const next = async (bytes: number) => {
    signal?.throwIfAborted();
    const view = buffer.subarray(0, bytes);
    await source.read(done, bytes, view, signal);
    whole.update(view);
    done += bytes;
    onProgress?.({ stage: 'pack', done, total: source.size, unit: 'bytes' });
    return view;
  };
  const pieces = async (bytes: number, most: number) => {
    const list: Piece[] = [];
    for (let left = bytes; left > 0; ) {
      const view = await next(Math.min(left, most));
      const piece = { sha256: hashOf(view), bytes: view.length };
      await onPiece?.(piece, view);
      list.push(piece);
      left -= view.length;
    }
    return list;
  };
  for (const { name, offset, bytes, format, shape } of await extents(source, signal)) {
    if (offset > done) sections.push(...(await padding(offset - done, next, onPiece)));
    const most = format ? MAX_PIECE_BYTES - (MAX_PIECE_BYTES % format.blockBytes) : MAX_PIECE_BYTES;
    const list = await pieces(bytes, most);
    if (list.length > 0)
      sections.push({ name, ...(format && { type: format.name, shape: [...shape!] }), pieces: list });
  }
  return { bytes: source.size, sha256: whole.hex(), sections };
}

/** Reads the bytes between tensors, which are usually zeros. */
async function padding(
  bytes: number,
  next: (bytes: number) => Promise<Uint8Array>,
  onPiece: SliceOptions['onPiece'],
): Promise<Section[]> {
  const found: Section[] = [];
  for (let left = bytes; left > 0; ) {
    const view = await next(Math.min(left, MAX_PIECE_BYTES));
    left -= view.length;
    if (view.every((byte) => byte === 0)) {
      found.push({ zeros: view.length });
      continue;
    }
    const piece = { sha256: hashOf(view), bytes: view.length };
    await onPiece?.(piece, view);
    found.push({ name: 'bytes', pieces: [piece] });
  }
  return found;
}

/** Returns the sections of a file in order. Gaps are padding. */
async function extents(source: ByteSource, signal?: AbortSignal): Promise<Extent[]> {
  const found = (await ofGguf(source, signal)) ?? (await ofSafetensors(source, signal));
  if (!found) return [{ name: 'bytes', offset: 0, bytes: source.size }];
  const { headerBytes, tensors } = found;
  const placed = tensors
    .map(({ name, offset, byteLength, format, shape }) => ({ name, offset, bytes: byteLength, format, shape }))
    .sort((a, b) => a.offset - b.offset)
    // formats of safetensors that have no blocks are bytes to us
    .map(({ format, shape, ...place }) => (format.ggmlType >= 0 ? { ...place, format, shape } : place));
  const end = placed.length > 0 ? placed.at(-1)!.offset + placed.at(-1)!.bytes : headerBytes;
  // bytes after the last tensor count as padding
  const rest = { name: 'bytes', offset: source.size, bytes: 0 };
  return [{ name: 'header', offset: 0, bytes: headerBytes }, ...placed, ...(end < source.size ? [rest] : [])];
}

interface Placed {
  readonly headerBytes: number;
  readonly tensors: readonly SourceTensor[];
}

/** @returns undefined for another file @throws {FormatError} for a damaged one */
async function ofGguf(source: ByteSource, signal?: AbortSignal): Promise<Placed | undefined> {
  const magic = new Uint8Array(4);
  if (source.size >= magic.length) await source.read(0, magic.length, magic, signal);
  if (new TextDecoder('latin1').decode(magic) !== GGUF_MAGIC) return undefined;
  const { tensors, headerBytes } = await readGguf(source, { signal });
  return { headerBytes, tensors: [...tensors.values()] };
}

/** @returns undefined for another file, and for a damaged one, which is packed as bytes */
async function ofSafetensors(source: ByteSource, signal?: AbortSignal): Promise<Placed | undefined> {
  const headerBytes = await safetensorsHeaderBytes(source, signal);
  if (headerBytes === undefined) return undefined;
  try {
    const { tensors } = await readSafetensors(source, { signal });
    return { headerBytes, tensors: [...tensors.values()] };
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}
