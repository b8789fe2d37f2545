/** Python's str.format(), with Jinja2's sandbox for attributes and items. */
import { getAttribute, getItem } from '../attributes.ts';
import { JinjaError, valueError } from '../errors.ts';
import { escapeHtml } from '../html.ts';
import { checkLength, spendText } from '../limits.ts';
import { repr, str } from '../repr.ts';
import { type Arguments, Dict, Markup, type Value } from '../values.ts';
import { asciiOnly, formatValue } from './spec.ts';

interface Field {
  readonly literal: string;
  /** Absent behind the last field. */
  readonly name?: string;
  readonly conversion?: string;
  readonly spec?: string;
}

/** @param escapes the format is Markup, so values are escaped */
export function formatString(format: string, args: Arguments, escapes = false): string {
  spendText(format.length);
  const numbering = { next: 0 as number | 'manual' };
  return formatted(format, args, numbering, 2, escapes);
}

function formatted(
  format: string,
  args: Arguments,
  numbering: { next: number | 'manual' },
  depth: number,
  escapes: boolean,
): string {
  if (depth < 0) throw valueError('Max string recursion exceeded');
  let text = '';
  for (const { literal, name, conversion, spec = '' } of parseFields(format)) {
    text += literal;
    if (name === undefined) continue;
    const value = converted(resolve(numbered(name, numbering), args), conversion);
    const filled = formatted(spec, args, numbering, depth - 1, false);
    const shown = value instanceof Markup && escapes ? markupText(value, filled) : formatValue(value, filled);
    text += escapes && !(value instanceof Markup) ? escapeHtml(shown) : shown;
    checkLength(text.length);
  }
  return text;
}

function markupText(value: Markup, spec: string): string {
  if (spec !== '') throw valueError('Unsupported format specification for Markup.');
  return value.value;
}

/** Fields without a name are numbered. */
function numbered(name: string, numbering: { next: number | 'manual' }): string {
  const first = /^[^.[]*/.exec(name)![0];
  if (first === '') {
    if (numbering.next === 'manual')
      throw valueError('cannot switch from manual field specification to automatic field numbering');
    return `${numbering.next++}${name}`;
  }
  if (/^\d+$/.test(first)) {
    if (typeof numbering.next === 'number' && numbering.next > 0)
      throw valueError('cannot switch from manual field specification to automatic field numbering');
    numbering.next = 'manual';
  }
  return name;
}

/** `0.name[key]` */
function resolve(name: string, { positional, named }: Arguments): Value {
  const first = /^[^.[]*/.exec(name)![0];
  let value: Value | undefined;
  if (/^\d+$/.test(first)) {
    value = positional[Number(first)];
    if (value === undefined)
      throw new JinjaError('IndexError', `Replacement index ${first} out of range for positional args tuple`);
  } else {
    value = named.get(first);
    if (value === undefined) throw new JinjaError('KeyError', repr(first));
  }
  let rest = name.slice(first.length);
  while (rest !== '') {
    const part = /^(?:\.([^.[]+)|\[([^\]]+)\])/.exec(rest);
    if (!part) throw valueError('Empty attribute in format string');
    const [whole, attribute, key] = part;
    value =
      attribute !== undefined ? getAttribute(value, attribute) : getItem(value, /^\d+$/.test(key) ? Number(key) : key);
    rest = rest.slice(whole.length);
  }
  return value;
}

function converted(value: Value, conversion: string | undefined): Value {
  switch (conversion) {
    case undefined:
      return value;
    case 's':
      return str(value);
    case 'r':
      return repr(value);
    case 'a':
      return asciiOnly(repr(value));
    default:
      throw valueError(`Unknown conversion specifier ${conversion}`);
  }
}

const BRACE = /[{}]/g;

/** Yields each field with the literal text before it. */
function* parseFields(format: string): Generator<Field> {
  let at = 0;
  let literal = '';
  while (at < format.length) {
    BRACE.lastIndex = at;
    const brace = BRACE.exec(format);
    if (!brace) break;
    literal += format.slice(at, brace.index);
    at = brace.index;
    if (format[at + 1] === format[at]) {
      literal += format[at];
      at += 2;
      continue;
    }
    if (format[at] === '}') throw valueError("Single '}' encountered in format string");
    const end = fieldEnd(format, at);
    yield { literal, ...parseField(format.slice(at + 1, end)) };
    literal = '';
    at = end + 1;
  }
  yield { literal: literal + format.slice(at) };
}

function fieldEnd(format: string, start: number): number {
  let depth = 0;
  for (let at = start; at < format.length; at++) {
    if (format[at] === '{') depth++;
    else if (format[at] === '}' && --depth === 0) return at;
  }
  throw valueError(
    start + 1 < format.length ? "expected '}' before end of string" : "Single '{' encountered in format string",
  );
}

function parseField(field: string): Omit<Field, 'literal'> {
  const [, name, conversion, spec] = /^((?:[^![:]|\[[^\]]*\])*)(?:!([^:]*))?(?::(.*))?$/s.exec(field) ?? [];
  if (name === undefined || name.includes('{')) throw valueError("unexpected '{' in field name");
  if (conversion !== undefined && conversion.length !== 1)
    throw valueError('end of string while looking for conversion specifier');
  return { name, conversion, spec };
}

/** str.format_map(mapping) */
export function mapArguments(mapping: Value): Arguments {
  if (!(mapping instanceof Dict)) throw valueError('format_map() argument must be a mapping');
  return { positional: [], named: new Map([...mapping.entries()].map(([key, value]) => [str(key), value])) };
}
