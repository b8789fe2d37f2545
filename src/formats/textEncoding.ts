/** Decodes text files: UTF-8 by default. Invalid bytes are an error and never replaced. */
import { FormatError, grouped, OptionError } from '../core/errors.ts';

/** Supported encodings. The keys are the names that users write. */
const labels = {
  'utf-8': 'utf-8',
  utf8: 'utf-8',
  'utf-16': 'utf-16le',
  'utf-16le': 'utf-16le',
  'utf-16be': 'utf-16be',
  latin1: 'windows-1252',
  'iso-8859-1': 'windows-1252',
  'windows-1252': 'windows-1252',
} as const;

export const textEncodings: readonly string[] = Object.keys(labels);

export interface DecodeTextOptions {
  /** One of `textEncodings`. Default: UTF-8. */
  readonly encoding?: string;
  /** Advice for other encodings, for the error message. */
  readonly advice?: string;
}

/**
 * Decodes a whole text. A byte order mark is removed.
 * @throws {FormatError} naming the first invalid byte and the likely encoding of the text; {OptionError}
 */
export function decodeText(bytes: Uint8Array, name: string, { encoding, advice }: DecodeTextOptions = {}): string {
  const label = encoding === undefined ? 'utf-8' : labels[encoding.toLowerCase() as keyof typeof labels];
  if (label === undefined) throw new OptionError('encoding', encoding, textEncodings.join(', '));
  if (label === 'utf-8') {
    checkUtf8(bytes, name, { advice, isWhole: true });
    return new TextDecoder().decode(bytes);
  }
  try {
    return new TextDecoder(label, { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new FormatError(name, `is not valid ${encoding}`, { expected: encoding }, { cause });
  }
}

export interface CheckOptions {
  readonly advice?: string;
  /** File offset of the first byte. */
  readonly start?: number;
  /** True for the last bytes of the file. */
  readonly isWhole?: boolean;
}

/** @throws {FormatError} naming the first byte that is not UTF-8 */
export function checkUtf8(bytes: Uint8Array, name: string, { advice, start = 0, isWhole }: CheckOptions): void {
  const other = start === 0 ? otherEncoding(bytes) : undefined;
  if (!other && isUtf8(bytes, !isWhole)) return;
  const at = other ? 0 : firstInvalid(bytes);
  const offset = start + at;
  const byte = `byte ${grouped(offset)} (0x${(bytes[at] ?? 0).toString(16).padStart(2, '0')})`;
  const what = isUtf8(bytes.subarray(at), true) ? `ends within a character, at ${byte}` : `${byte} is not valid UTF-8`;
  const guess = other ?? 'latin1';
  const problem = other ? `is ${other.toUpperCase()}, not UTF-8` : what;
  const help = advice ?? 'save it as UTF-8';
  throw new FormatError(name, `${problem}: ${help}`, { offset, expected: 'UTF-8', found: guess });
}

/** Detects UTF-16 by its byte order mark, or by the zero byte of each ASCII letter. */
function otherEncoding(bytes: Uint8Array): string | undefined {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be';
  const length = Math.min(bytes.length, 1024) & ~1;
  if (length < 4) return undefined;
  const zeros = [0, 0];
  for (let i = 0; i < length; i++) if (bytes[i] === 0) zeros[i & 1]++;
  const [even = 0, odd = 0] = zeros;
  if (odd > length * 0.35 && even < length * 0.05) return 'utf-16le';
  if (even > length * 0.35 && odd < length * 0.05) return 'utf-16be';
  return undefined;
}

/** Index of the first byte of the first character that is not UTF-8. */
function firstInvalid(bytes: Uint8Array): number {
  let valid = 0;
  for (let invalid = bytes.length; invalid - valid > 1; ) {
    const middle = (valid + invalid) >> 1;
    if (isUtf8(bytes.subarray(0, middle), true)) valid = middle;
    else invalid = middle;
  }
  // back to the start of the incomplete character
  while (!isUtf8(bytes.subarray(0, valid), false)) valid--;
  return valid;
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
