/**
 * Parses the JSON of a safetensors header and accepts nothing else: an object of objects whose values are strings
 * and arrays of integers. Unlike JSON.parse, it detects repeated keys and builds nothing larger than the text.
 */
import { FormatError, grouped } from '../../core/errors.ts';

/** `{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}` or the strings of `__metadata__`. */
export type HeaderEntry = Map<string, string | number[]>;

/** Maximum entries and dimensions. Far more than real files have, but they still fit into memory. */
const MAX_ENTRIES = 65_536;
const MAX_NUMBERS = 64;

/** @param start offset of the text in the file, for errors @throws {FormatError} */
export function parseHeaderJson(text: string, file: string, start: number): Map<string, HeaderEntry> {
  let at = 0;

  function fail(expected: string): never {
    const found = at < text.length ? JSON.stringify(text.slice(at, at + 10)) : 'its end';
    const problem = `the header has ${found} near byte ${grouped(start + at)}, expected ${expected}`;
    throw new FormatError(file, problem, { offset: start + at, expected, found });
  }

  function match(pattern: RegExp, expected: string): string {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (!found) fail(expected);
    at += found[0].length;
    return found[0];
  }

  function skipSpace(): void {
    while (at < text.length && ' \t\r\n'.includes(text[at])) at++;
  }

  /** Consumes the next character if it is `character`. */
  function takes(character: string): boolean {
    skipSpace();
    if (text[at] !== character) return false;
    at++;
    return true;
  }

  function string(): string {
    skipSpace();
    if (text[at] !== '"') fail('a string');
    // scanned by hand: a regular expression would need a stack proportional to the string
    let end = at + 1;
    while (end < text.length && text[end] !== '"') end += text[end] === '\\' ? 2 : 1;
    try {
      const value: string = JSON.parse(text.slice(at, end + 1));
      at = end + 1;
      return value;
    } catch {
      return fail('a string');
    }
  }

  function numbers(): number[] {
    const list: number[] = [];
    if (!takes('[')) fail("a string or '['");
    if (takes(']')) return list;
    do {
      skipSpace();
      if (list.length === MAX_NUMBERS) fail(`at most ${MAX_NUMBERS} numbers`);
      list.push(Number(match(/0|[1-9]\d*/y, 'a whole number')));
    } while (takes(','));
    if (!takes(']')) fail("',' or ']'");
    return list;
  }

  function object<T>(value: () => T): Map<string, T> {
    const map = new Map<string, T>();
    if (!takes('{')) fail("'{'");
    if (takes('}')) return map;
    do {
      skipSpace();
      const offset = start + at;
      const key = string();
      if (map.has(key)) {
        const problem = `the header has the key ${JSON.stringify(key)} twice, again near byte ${grouped(offset)}`;
        throw new FormatError(file, problem, { key, offset });
      }
      if (map.size === MAX_ENTRIES) fail(`at most ${grouped(MAX_ENTRIES)} entries`);
      if (!takes(':')) fail("':'");
      map.set(key, value());
    } while (takes(','));
    if (!takes('}')) fail("',' or '}'");
    return map;
  }

  const entries = object(() =>
    object(() => {
      skipSpace();
      return text[at] === '"' ? string() : numbers();
    }),
  );
  skipSpace();
  if (at < text.length) fail('its end');
  return entries;
}
