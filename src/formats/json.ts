/** JSON files of a model. */
import { FormatError } from '../core/errors.ts';
import type { ByteSource } from './byteSource.ts';
import { decodeUtf8 } from './utf8.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

/** Maximum nesting depth. Real files have less than ten levels, and code that walks them may recurse. */
const MAX_DEPTH = 64;

/** Reads a small file as UTF-8 text. @throws {FormatError|SourceError} */
export async function readText(source: ByteSource, signal?: AbortSignal): Promise<string> {
  const bytes = new Uint8Array(source.size);
  await source.read(0, bytes.length, bytes, signal);
  return decodeUtf8(bytes, source.name, 'the text', 0);
}

/** @throws {FormatError} if the text is not a JSON object or nests more than 64 levels deep */
export function parseJsonObject(text: string, file: string): JsonObject {
  const depth = nesting(text);
  if (depth > MAX_DEPTH) {
    const problem = `nests objects and arrays ${depth} deep, expected at most ${MAX_DEPTH}`;
    throw new FormatError(file, problem, { expected: MAX_DEPTH, found: depth });
  }
  const value = parse(text, file);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw new FormatError(file, `holds ${text.trim().slice(0, 20)}, expected a JSON object`, { expected: 'object' });
}

/** Python writes NaN and infinity as bare words, and transformers 5 as an object. Both are read as numbers. */
function parse(text: string, file: string): unknown {
  const plain = text.startsWith('\uFEFF') ? text.slice(1) : text;
  try {
    return JSON.parse(/NaN|Infinity/.test(plain) ? quotedFloats(plain) : plain, floatOf);
  } catch (cause) {
    throw new FormatError(file, `is not JSON: ${(cause as Error).message}`, { expected: 'JSON' }, { cause });
  }
}

/** Rewrites bare words to transformers' form. Strings are unchanged. */
function quotedFloats(text: string): string {
  return text.replace(/"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b/gs, (token) =>
    token.startsWith('"') ? token : `{"__float__":"${token}"}`,
  );
}

function floatOf(_key: string, value: unknown): unknown {
  const word = (value as { __float__?: unknown } | null)?.__float__;
  return typeof word === 'string' && /^(NaN|-?Infinity)$/.test(word) ? Number(word) : value;
}

/** Maximum nesting depth of brackets outside strings. */
function nesting(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (let i = 0; i < text.length; i++) {
    const character = text.charCodeAt(i);
    if (character === QUOTE) {
      while (++i < text.length && text.charCodeAt(i) !== QUOTE) if (text.charCodeAt(i) === BACKSLASH) i++;
    } else if (character === OPEN_BRACKET || character === OPEN_BRACE) deepest = Math.max(deepest, ++depth);
    else if (character === CLOSE_BRACKET || character === CLOSE_BRACE) depth--;
  }
  return deepest;
}

const [QUOTE, BACKSLASH, OPEN_BRACKET, OPEN_BRACE, CLOSE_BRACKET, CLOSE_BRACE] = Array.from('"\\[{]}', (c) =>
  c.charCodeAt(0),
);
