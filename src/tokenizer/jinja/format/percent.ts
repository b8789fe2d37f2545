/** Python's `format % values`. */
import { JinjaError, typeError, valueError } from '../errors.ts';
import { checkLength, spendText } from '../limits.ts';
import { intText, isNumber, toFloat, truncated } from '../numbers.ts';
import { repr, str } from '../repr.ts';
import { lengthOf, substring } from '../text.ts';
import {
  Bytes,
  Dict,
  Float,
  type Int,
  isInt,
  isString,
  Range,
  stringValue,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from '../values.ts';
import { asciiOnly, floatDigits } from './spec.ts';

/** Names have at most 128 characters, which bounds the cost of unclosed parentheses. */
const DIRECTIVE = /%(?:\(([^)]{0,128})\))?([-+ #0]*)(\*|\d+)?(\.(?:\*|\d+)?)?[hlL]?(.|$)/gsu;

/** @param textOf converts a value for %s; it escapes if the format is Markup */
export function formatPercent(format: string, values: Value, textOf: (value: Value) => string = str): string {
  spendText(format.length);
  const positional = values instanceof Tuple ? values.items : [values];
  let at = 0;
  const next = (): Value => {
    if (at >= positional.length) throw typeError('not enough arguments for format string');
    return positional[at++];
  };
  const size = (given: string | undefined): number | undefined => {
    if (given !== '*') return given === undefined ? undefined : Number(given);
    const value = next();
    if (!isInt(value)) throw typeError('* wants int');
    return Number(value);
  };
  const text = format.replace(
    DIRECTIVE,
    (_, name: string | undefined, flags: string, width, precision, type: string) => {
      if (type === '') throw valueError('incomplete format');
      const least = size(width) ?? 0;
      const places = precision === undefined ? undefined : precision === '.' ? 0 : size(precision.slice(1));
      if (type === '%') return '%';
      const value = name === undefined ? next() : named(values, name);
      checkLength(Math.abs(least) + (places ?? 0));
      spendText(Math.abs(least) + (places ?? 0));
      const left = least < 0 || flags.includes('-');
      return pad(directive(type, value, flags, places, textOf), flags, Math.abs(least), left, type);
    },
  );
  if (at < positional.length && !hasItems(values))
    throw typeError('not all arguments converted during string formatting');
  checkLength(text.length);
  return text;
}

/** Python does not complain about unused values that could be a mapping. */
function hasItems(values: Value): boolean {
  return [Dict, Range, Bytes, Undefined].some((type) => values instanceof type) || Array.isArray(values);
}

function named(values: Value, name: string): Value {
  if (values instanceof Undefined) throw values.error();
  if (!(values instanceof Dict)) throw typeError('format requires a mapping');
  const value = values.get(name);
  if (value === undefined) throw new JinjaError('KeyError', repr(name));
  return value;
}

interface Directive {
  readonly sign: string;
  readonly body: string;
}

function directive(
  type: string,
  value: Value,
  flags: string,
  places: number | undefined,
  textOf: (value: Value) => string,
): Directive {
  const cut = (text: string): Directive => ({
    sign: '',
    body: places === undefined ? text : substring(text, 0, places),
  });
  switch (type) {
    case 's':
      return cut(textOf(value));
    case 'r':
      return cut(repr(value));
    case 'a':
      return cut(asciiOnly(repr(value)));
    case 'c':
      return { sign: '', body: character(value) };
    case 'd':
    case 'i':
    case 'u':
      return integer(whole(value, type), flags, places, 10, '');
    case 'x':
    case 'X':
    case 'o': {
      if (value instanceof Float || !isInt(value))
        throw typeError(`%${type} format: an integer is required, not ${typeName(value)}`);
      const base = type === 'o' ? 8 : 16;
      const made = integer(whole(value, type), flags, places, base, flags.includes('#') ? `0${type}` : '');
      return type === 'X' ? { sign: made.sign.toUpperCase(), body: made.body.toUpperCase() } : made;
    }
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G': {
      if (value instanceof Undefined) throw value.error();
      if (!isNumber(value)) throw typeError(`must be real number, not ${typeName(value)}`);
      const number = toFloat(value);
      const negative = number < 0 || Object.is(number, -0);
      return {
        sign: signOf(negative, flags),
        body: floatDigits(Math.abs(number), type, places ?? 6, flags.includes('#')),
      };
    }
    default:
      throw valueError(`unsupported format character '${type}'`);
  }
}

function whole(value: Value, type: string): Int {
  if (value instanceof Undefined) throw value.error();
  if (value instanceof Float) return truncated(value.value);
  if (!isInt(value)) throw typeError(`%${type} format: a real number is required, not ${typeName(value)}`);
  return typeof value === 'boolean' ? Number(value) : value;
}

function integer(value: Int, flags: string, places: number | undefined, base: number, prefix: string): Directive {
  const magnitude = value < 0 ? -value : value;
  const digits = base === 10 ? intText(magnitude) : magnitude.toString(base);
  return { sign: signOf(value < 0, flags) + prefix, body: digits.padStart(places ?? 0, '0') };
}

function character(value: Value): string {
  if (isString(value) && lengthOf(stringValue(value)) === 1) return stringValue(value);
  if (!isInt(value)) throw typeError('%c requires int or char');
  if (Number(value) < 0 || Number(value) > 0x10ffff)
    throw new JinjaError('OverflowError', '%c arg not in range(0x110000)');
  return String.fromCodePoint(Number(value));
}

function signOf(negative: boolean, flags: string): string {
  return negative ? '-' : flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : '';
}

function pad({ sign, body }: Directive, flags: string, width: number, left: boolean, type: string): string {
  const missing = Math.max(0, width - sign.length - lengthOf(body));
  if (left) return sign + body + ' '.repeat(missing);
  if (flags.includes('0') && !/[srac]/.test(type)) return sign + '0'.repeat(missing) + body;
  return ' '.repeat(missing) + sign + body;
}
