/** JSON as Python reads it, where `1.0` is a float and `1` an int, as templates print them. */
import { int } from './numbers.ts';
import { Float } from './values.ts';

/** A string, which is left alone, or a number. */
const STRING_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/gs;

/**
 * Like JSON.parse, for messages, tools and documents that come as JSON text: JSON.parse makes the same number of `1.0`
 * and `1`, and rounds large whole numbers. The result is for chat templates.
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

/** Strings, and whole numbers that JavaScript's numbers hold exactly. */
function isKept(part: string): boolean {
  return part.startsWith('"') || (isWhole(part) && Number.isSafeInteger(Number(part)));
}

function isWhole(number: string): boolean {
  return /^-?\d+$/.test(number);
}
