/** JSON as Python reads it, where `1.0` is a float and `1` an int, as templates print them. */
import { int } from './numbers.ts';
import { Float } from './values.ts';

/** Matches strings, to skip them, and numbers. */
const STRING_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/gs;

/**
 * JSON.parse for messages, tools and documents that come as JSON text. It keeps `1.0` and `1` apart, and large integers
 * exact; JSON.parse does not. Use the result only for chat templates.
 * @throws {SyntaxError}
 */
export function parseTemplateJson(text: string): unknown {
  let mark = 'number:';
  while (text.includes(mark)) mark = `_${mark}`;
  const marked = text.replace(STRING_OR_NUMBER, (part) => (isKept(part) ? part : `"${mark}${part}"`));
  return JSON.parse(marked, (_, value: unknown) => {
    if (typeof value !== 'string' || !value.startsWith(mark)) return value;
    const number = value.slice(mark.length);
    return isWhole(number) ? int(BigInt(number)) : new Float(Number(number));
  });
}

/** True for strings and safe integers. */
function isKept(part: string): boolean {
  return part.startsWith('"') || (isWhole(part) && Number.isSafeInteger(Number(part)));
}

function isWhole(number: string): boolean {
  return /^-?\d+$/.test(number);
}
