/**
 * The canonical JSON of TUF (OLPC's): keys sorted by code points, no white space, no fractions, and only " and \ escaped. It differs from
 * RFC 8785, which manifests use, in its escapes.
 */
import { compareCodePoints } from '../oms/statement.ts';

/** @throws {RangeError} for numbers that are not safe integers */
export function olpcJson(value: unknown): string {
  if (typeof value === 'string') return quoted(value);
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is not a safe integer`);
    return String(value);
  }
  if (typeof value !== 'object' || value === null) return String(value);
  if (Array.isArray(value)) return `[${value.map(olpcJson).join(',')}]`;
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  fields.sort(([a], [b]) => compareCodePoints(a, b));
  return `{${fields.map(([key, field]) => `${quoted(key)}:${olpcJson(field)}`).join(',')}}`;
}

function quoted(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}
