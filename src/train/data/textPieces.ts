/** Reads the documents of a text file of any size in pieces, without loading the whole file. */
import { FormatError, grouped } from '../../core/errors.ts';
import type { OnProgress } from '../../core/progress.ts';
import type { ByteSource } from '../../formats/byteSource.ts';

export interface TextPiece {
  readonly text: string;
  /** True for the last piece of a document. */
  readonly ends: boolean;
}

export interface TextPiecesOptions {
  /**
   * Separator between documents. White space around documents is removed. Default: the file is one unmodified document.
   * A separator of line breaks matches exactly that number of them: '\n' separates stories whose paragraphs are
   * separated by '\n\n'.
   */
  readonly separator?: string;
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
}

const READ_BYTES = 1 << 20;
/** Maximum characters of a piece. */
const PIECE_LENGTH = 1 << 20;

/**
 * Long documents are split between a letter or digit and a space, where no known pre-tokenizer continues a word.
 * @throws {FormatError} if the file is empty or not UTF-8, with the byte offset @throws {SourceError} if it cannot be read
 */
export async function* textPieces(source: ByteSource, options: TextPiecesOptions = {}): AsyncGenerator<TextPiece> {
  const { separator = '', onProgress, signal } = options;
  const find = separator === '' ? () => undefined : separatorFinder(separator);
  const trim = separator !== '';
  let rest = '';
  /** True if part of the current document has been yielded. */
  let begun = false;
  let any = false;
  const piece = (text: string, ends: boolean): TextPiece | undefined => {
    const started = trim && !begun ? text.trimStart() : text;
    const trimmed = trim && ends ? started.trimEnd() : started;
    const hasContent = trimmed !== '' || (begun && ends);
    begun = hasContent && !ends;
    any ||= hasContent;
    return hasContent ? { text: trimmed, ends } : undefined;
  };

  for await (const { text, end } of decoded(source, signal)) {
    rest += text;
    onProgress?.({ stage: 'read text', done: end, total: source.size, unit: 'bytes', item: source.name });
    const atEnd = end === source.size;
    let from = 0;
    for (let found = find(rest, 0, atEnd); found; found = find(rest, from, atEnd)) {
      const document = piece(rest.slice(from, found.start), true);
      if (document) yield document;
      from = found.end;
    }
    while (rest.length - from > PIECE_LENGTH + 2 * separator.length) {
      const cut = from + cutAt(rest.slice(from, from + PIECE_LENGTH));
      const part = piece(rest.slice(from, cut), false);
      if (part) yield part;
      from = cut;
    }
    rest = rest.slice(from);
  }
  const last = piece(rest, true);
  if (last) yield last;
  if (!any) throw new FormatError(source.name, 'contains no text: add some, or remove the file from the recipe');
}

/** Finds the next separator at or after `from`. Returns undefined if the text to come could still lengthen it. */
type FindSeparator = (text: string, from: number, atEnd: boolean) => { start: number; end: number } | undefined;

/** A line break of the separator matches those of Windows (\r\n), too. */
function separatorFinder(separator: string): FindSeparator {
  if (!/^\n+$/.test(separator)) {
    const pattern = new RegExp(separator.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&').replaceAll('\n', '\\r?\\n'), 'g');
    return (text, from) => {
      pattern.lastIndex = from;
      const found = pattern.exec(text);
      return found ? { start: found.index, end: found.index + found[0].length } : undefined;
    };
  }
  return (text, from, atEnd) => {
    const breaks = /(?:\r?\n)+/g;
    breaks.lastIndex = from;
    for (let found = breaks.exec(text); found; found = breaks.exec(text)) {
      const [run] = found;
      const end = found.index + run.length;
      const isOpen = end === text.length || (end === text.length - 1 && text[end] === '\r');
      if (isOpen && !atEnd) return undefined;
      if (run.replaceAll('\r', '').length === separator.length) return { start: found.index, end };
    }
    return undefined;
  };
}

/** Returns the index to split a text at: before the last space after a letter or digit, otherwise at the last whole character. */
function cutAt(text: string): number {
  for (let at = text.length - 1; at > 0; at--) {
    if (text[at] === ' ' && /[\p{L}\p{N}]/u.test(text[at - 1])) return at;
  }
  const last = text.charCodeAt(text.length - 1);
  return last >= 0xd800 && last < 0xdc00 ? text.length - 1 : text.length;
}

/** Decodes a file in parts, each with its end offset in bytes. Skips a byte order mark at the start. */
async function* decoded(source: ByteSource, signal?: AbortSignal): AsyncGenerator<{ text: string; end: number }> {
  const buffer = new Uint8Array(Math.min(READ_BYTES, source.size) + 4);
  /** Bytes at the start of the buffer that belong to an incomplete character. */
  let carried = 0;
  for (let at = 0; at < source.size; ) {
    signal?.throwIfAborted();
    const length = Math.min(READ_BYTES, source.size - at);
    await source.read(at, length, buffer.subarray(carried), signal);
    const filled = carried + length;
    const start = at - carried;
    at += length;
    const whole = at === source.size ? filled : filled - incompleteBytes(buffer.subarray(0, filled));
    const text = decode(source, buffer.subarray(0, whole), start);
    buffer.copyWithin(0, whole, filled);
    carried = filled - whole;
    yield { text: start === 0 && text.startsWith('\uFEFF') ? text.slice(1) : text, end: at };
  }
}

/** Number of bytes at the end that belong to an incomplete character. */
function incompleteBytes(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back];
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    if (length > back) return back;
    if (byte < 0x80 || byte >= 0xc0) return 0;
  }
  return 0;
}

/** @param start offset of the bytes in the file */
function decode(source: ByteSource, bytes: Uint8Array, start: number): string {
  if (isUtf8(bytes, false)) return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
  let valid = 0;
  for (let invalid = bytes.length; invalid - valid > 1; ) {
    const middle = (valid + invalid) >> 1;
    if (isUtf8(bytes.subarray(0, middle), true)) valid = middle;
    else invalid = middle;
  }
  const offset = start + valid;
  const problem = `byte ${grouped(offset)} is not valid UTF-8: save the file as UTF-8 text, or remove it from the recipe`;
  throw new FormatError(source.name, problem, { offset, expected: 'UTF-8' });
}

/** @param open true if the last character may be incomplete */
function isUtf8(bytes: Uint8Array, open: boolean): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: open });
    return true;
  } catch {
    return false;
  }
}
