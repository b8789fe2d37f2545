/** JSON files that come with a model: read whole, refused when they are not JSON objects. */
import { FormatError } from '../core/errors.ts';
import type { ByteSource } from './byteSource.ts';
import { decodeUtf8 } from './utf8.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

/** Levels of objects and arrays: real files have less than ten, and code that walks them may recurse. */
const MAX_DEPTH = 64;

/** All bytes of a small file. @throws {FormatError|SourceError} */
export async function readText(source: ByteSource, signal?: AbortSignal): Promise<string> {
  const bytes = new Uint8Array(source.size);
  await source.read(0, bytes.length, bytes, signal);
  return decodeUtf8(bytes, source.name, 'the text', 0);
}

/** @throws {FormatError} when the text is not an object in JSON or nests more than 64 deep */
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

function parse(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new FormatError(file, `is not JSON: ${(cause as Error).message}`, { expected: 'JSON' }, { cause });
  }
}

/** The most brackets open at once, those in strings aside. */
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
