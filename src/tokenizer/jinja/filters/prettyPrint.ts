/** Python's pprint.pformat(): values longer than a line are split over several lines. */
import { ordered, sorted } from '../compare.ts';
import { JinjaError } from '../errors.ts';
import { spend } from '../limits.ts';
import { repr } from '../repr.ts';
import { lengthOf } from '../text.ts';
import { Dict, Tuple, typeName, type Value } from '../values.ts';
import { SPACE, splitLines } from '../whitespace.ts';

const WIDTH = 80;
const PARTS = new RegExp(`[^${SPACE}]*[${SPACE}]*`, 'g');

export function prettyPrint(value: Value): string {
  return formatted(value, 0, 0, 1);
}

/**
 * @param indent column where the value begins
 * @param allowance characters that follow it in its last line
 * @param level 1 for the whole value
 */
function formatted(value: Value, indent: number, allowance: number, level: number): string {
  spend(1);
  const inline = inOneLine(value);
  if (lengthOf(inline) <= WIDTH - indent - allowance) return inline;
  if (Array.isArray(value)) return `[${items(value, indent, allowance + 1, level)}]`;
  if (value instanceof Tuple) {
    const end = value.items.length === 1 ? ',)' : ')';
    return `(${items(value.items, indent, allowance + end.length, level)}${end}`;
  }
  if (value instanceof Dict) return `{${entries(value, indent, allowance + 1, level)}}`;
  return typeof value === 'string' ? text(value, indent, allowance, level) : inline;
}

/** repr() with sorted keys. */
function inOneLine(value: Value): string {
  if (Array.isArray(value)) return `[${value.map(inOneLine).join(', ')}]`;
  if (value instanceof Tuple) return `(${value.items.map(inOneLine).join(', ')}${value.items.length === 1 ? ',' : ''})`;
  if (!(value instanceof Dict)) return repr(value);
  return `{${sortedEntries(value)
    .map(([key, item]) => `${inOneLine(key)}: ${inOneLine(item)}`)
    .join(', ')}}`;
}

/** Sorted by key, or by type name if the keys cannot be compared. */
function sortedEntries(dict: Dict): [Value, Value][] {
  const all = [...dict.entries()];
  try {
    for (const [key] of all) ordered('<', key, all[0][0]);
    return sorted(all, ([key]) => key);
  } catch (error) {
    if (!(error instanceof JinjaError) || error.type !== 'TypeError') throw error;
    return sorted(all, ([key]) => `<class '${typeName(key)}'>`);
  }
}

function items(values: readonly Value[], indent: number, allowance: number, level: number): string {
  const last = values.length - 1;
  return values
    .map((value, i) => formatted(value, indent + 1, i === last ? allowance : 1, level + 1))
    .join(separator(indent + 1));
}

function entries(dict: Dict, indent: number, allowance: number, level: number): string {
  const all = sortedEntries(dict);
  return all
    .map(([key, value], i) => {
      const name = `${inOneLine(key)}: `;
      return name + formatted(value, indent + 1 + lengthOf(name), i === all.length - 1 ? allowance : 1, level + 1);
    })
    .join(separator(indent + 1));
}

function separator(indent: number): string {
  return `,\n${' '.repeat(indent)}`;
}

/** Splits a string into adjacent literals behind line ends and white space. */
function text(value: string, given: number, givenAllowance: number, level: number): string {
  const [indent, allowance] = level === 1 ? [given + 1, givenAllowance + 1] : [given, givenAllowance];
  const width = WIDTH - indent;
  const lines = splitLines(value, true);
  const chunks: string[] = [];
  lines.forEach((line, i) => {
    const isLast = i === lines.length - 1;
    const whole = repr(line);
    if (lengthOf(whole) <= width - (isLast ? allowance : 0)) {
      chunks.push(whole);
      return;
    }
    const parts = (line.match(PARTS) ?? []).filter((part) => part !== '');
    let current = '';
    parts.forEach((part, j) => {
      const room = width - (isLast && j === parts.length - 1 ? allowance : 0);
      if (lengthOf(repr(current + part)) <= room) current += part;
      else {
        if (current !== '') chunks.push(repr(current));
        current = part;
      }
    });
    if (current !== '') chunks.push(repr(current));
  });
  if (chunks.length === 1) return repr(value);
  const joined = chunks.join(`\n${' '.repeat(indent)}`);
  return level === 1 ? `(${joined})` : joined;
}
