/**
 * Tokenized text as a file with random access:
 *
 *     token × N              2 bytes each for vocabularies below 2^15, else 4; top bit set: not trained on
 *     zeros                  padding to a multiple of 8
 *     end of document × M    f64 each: number of tokens up to the end of the document
 *     'ESPTOKEN' version:u32 bytes per token:u32 vocabulary:f64 N:f64 M:f64 bytes of text:f64
 *
 * Little endian. The header is at the end because the counts are known last.
 */
import { FormatError, grouped } from '../../core/errors.ts';
import type { ByteSource } from '../../formats/byteSource.ts';
import { memorySource } from '../../formats/sources/memory.ts';

const MAGIC = 'ESPTOKEN';
const VERSION = 1;
const FOOTER_BYTES = 48;
/** Smaller files are kept in memory. */
const KEPT_BYTES = 32 * 1024 * 1024;

export interface TokenFile {
  /** File name of the text, for error messages. */
  readonly name: string;
  readonly vocabulary: number;
  readonly tokens: number;
  /** Number of tokens up to the end of each document. */
  readonly documentEnds: Float64Array;
  /** Size of the text in bytes. */
  readonly textBytes: number;
  /**
   * Reads `ids.length` tokens from `at` on. learned[i] is 1 if the token is trained on, else 0.
   * @throws {FormatError} if an id is outside the vocabulary @throws {SourceError}
   */
  read(at: number, ids: Int32Array, learned: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

export interface TokenWriter {
  add(ids: readonly number[], learned: readonly boolean[]): Promise<void>;
  endDocument(): void;
  /** Writes the rest of the file. @param textBytes size of the text */
  finish(textBytes: number): Promise<void>;
}

/** @param write appends bytes to the file */
export function writeTokenFile(vocabulary: number, write: (bytes: Uint8Array) => Promise<void>): TokenWriter {
  const width = widthOf(vocabulary);
  const mark = markOf(width);
  const buffer = new DataView(new ArrayBuffer(1 << 16));
  let filled = 0;
  let tokens = 0;
  const ends: number[] = [];
  const flush = async () => {
    await write(new Uint8Array(buffer.buffer, 0, filled));
    filled = 0;
  };
  return {
    async add(ids, learned) {
      for (let i = 0; i < ids.length; i++) {
        if (filled === buffer.byteLength) await flush();
        const value = ids[i] + (learned[i] ? 0 : mark);
        if (width === 2) buffer.setUint16(filled, value, true);
        else buffer.setUint32(filled, value, true);
        filled += width;
      }
      tokens += ids.length;
    },
    endDocument: () => void ends.push(tokens),
    async finish(textBytes) {
      await flush();
      await write(new Uint8Array(padding(tokens * width)));
      const rest = new DataView(new ArrayBuffer(8 * ends.length + FOOTER_BYTES));
      for (let i = 0; i < ends.length; i++) rest.setFloat64(8 * i, ends[i], true);
      const footer = 8 * ends.length;
      for (let i = 0; i < MAGIC.length; i++) rest.setUint8(footer + i, MAGIC.charCodeAt(i));
      rest.setUint32(footer + 8, VERSION, true);
      rest.setUint32(footer + 12, width, true);
      for (const [i, value] of [vocabulary, tokens, ends.length, textBytes].entries())
        rest.setFloat64(footer + 16 + 8 * i, value, true);
      await write(new Uint8Array(rest.buffer));
    },
  };
}

/** @param name file name of the text @throws {FormatError} if the file was not written by `writeTokenFile` */
export async function readTokenFile(source: ByteSource, name: string): Promise<TokenFile> {
  const broken = (problem: string) =>
    new FormatError(source.name, `${problem}: it is not a token file, or damaged; delete it`, { text: name });
  if (source.size < FOOTER_BYTES) throw broken(`has ${source.size} bytes`);
  const footer = new DataView(await readBytes(source, source.size - FOOTER_BYTES, FOOTER_BYTES));
  const magic = String.fromCharCode(...new Uint8Array(footer.buffer, 0, MAGIC.length));
  const version = footer.getUint32(8, true);
  const width = footer.getUint32(12, true);
  const [vocabulary, tokens, documents, textBytes] = [0, 1, 2, 3].map((i) => footer.getFloat64(16 + 8 * i, true));
  if (magic !== MAGIC || version !== VERSION) throw broken(`ends with ${JSON.stringify(magic)}, version ${version}`);
  const expected = tokens * width + padding(tokens * width) + 8 * documents + FOOTER_BYTES;
  if (width !== widthOf(vocabulary) || expected !== source.size || !isCount(tokens) || !isCount(documents)) {
    throw broken(`has ${grouped(source.size)} bytes instead of ${grouped(expected)}`);
  }
  const endsAt = source.size - FOOTER_BYTES - 8 * documents;
  const documentEnds = new Float64Array(await readBytes(source, endsAt, 8 * documents));
  if (documentEnds.some((end, i) => !(end > (documentEnds[i - 1] ?? 0)) || end > tokens)) {
    throw broken('has documents out of order');
  }
  const bytes = await keptInMemory(source, tokens * width);
  const mark = markOf(width);
  return {
    name,
    vocabulary,
    tokens,
    documentEnds,
    textBytes,
    async read(at, ids, learned) {
      const view = new DataView(await readBytes(bytes, at * width, ids.length * width));
      for (let i = 0; i < ids.length; i++) {
        const value = width === 2 ? view.getUint16(2 * i, true) : view.getUint32(4 * i, true);
        const id = value >= mark ? value - mark : value;
        if (id >= vocabulary) throw broken(`has the id ${id} at token ${grouped(at + i)}`);
        ids[i] = id;
        learned[i] = value >= mark ? 0 : 1;
      }
    },
    close: () => bytes.close(),
  };
}

const isCount = (value: number) => Number.isSafeInteger(value) && value >= 0;
const widthOf = (vocabulary: number) => (vocabulary < 2 ** 15 ? 2 : 4);
const markOf = (width: number) => 2 ** (8 * width - 1);
const padding = (bytes: number) => (8 - (bytes % 8)) % 8;

async function readBytes(source: ByteSource, offset: number, length: number): Promise<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  await source.read(offset, length, bytes);
  return bytes.buffer;
}

/** Loads the first `length` bytes of a file into memory and closes it, if they are few enough. */
async function keptInMemory(source: ByteSource, length: number): Promise<ByteSource> {
  if (length > KEPT_BYTES) return source;
  const bytes = new Uint8Array(await readBytes(source, 0, length));
  await source.close();
  return memorySource(bytes, source.name);
}
