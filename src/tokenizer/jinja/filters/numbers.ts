/** Filters of numbers. */
import { JinjaError, typeError, valueError } from '../errors.ts';
import { floatDigits } from '../format/spec.ts';
import { arithmetic, int, isNumber, roundTo, toFloat, truncated } from '../numbers.ts';
import { Float, isInt, isString, stringValue, typeName, Undefined, type Value } from '../values.ts';
import { strip } from '../whitespace.ts';
import { type Filters, filter, flag, optionalInt } from './define.ts';

export const numberFilters: Filters = [
  filter('abs', [], (value) => {
    if (value instanceof Undefined || !isNumber(value))
      throw typeError(`bad operand type for abs(): '${typeName(value)}'`);
    if (value instanceof Float) return new Float(Math.abs(value.value));
    return arithmetic(Number(value) < 0 ? '-' : '+', 0, value);
  }),
  filter('round', ['precision?', 'method?'], (value, [precision = 0, method = 'common']) => {
    if (method !== 'common' && method !== 'ceil' && method !== 'floor')
      throw new JinjaError('FilterArgumentError', 'method must be common, ceil or floor');
    if (!isNumber(value)) throw typeError(`type ${typeName(value)} doesn't define __round__ method`);
    const places = optionalInt(precision, 0);
    if (method === 'common') return roundTo(value, places);
    const scale = arithmetic('**', 10, places) as Float | number;
    const scaled = arithmetic('*', value, scale) as Float | number | bigint;
    const whole = scaled instanceof Float ? truncated(Math[method](scaled.value)) : scaled;
    return arithmetic('/', whole, scale);
  }),
  filter(
    'int',
    ['default?', 'base?'],
    (value, [otherwise = 0, base = 10]) => toInt(value, optionalInt(base, 10)) ?? otherwise,
  ),
  filter('float', ['default?'], (value, [otherwise = new Float(0)]) => {
    if (value instanceof Undefined) throw value.error();
    if (isNumber(value)) return new Float(toFloat(value));
    const parsed = isString(value) ? parseFloatText(stringValue(value)) : undefined;
    return parsed === undefined ? otherwise : new Float(parsed);
  }),
  filter('filesizeformat', ['binary?'], (value, [binary]) => fileSize(asFloat(value), flag(binary))),
];

function asFloat(value: Value): number {
  if (value instanceof Undefined) throw value.error();
  if (isNumber(value)) return toFloat(value);
  const parsed = isString(value) ? parseFloatText(stringValue(value)) : undefined;
  if (parsed === undefined) throw valueError('could not convert to float');
  return parsed;
}

/** @returns undefined if the value is not a number */
function toInt(value: Value, base: number): Value | undefined {
  if (value instanceof Undefined) throw value.error();
  if (isInt(value)) return arithmetic('+', value, 0);
  if (value instanceof Float) return Number.isFinite(value.value) ? truncated(value.value) : infinite(value.value);
  if (!isString(value)) return undefined;
  const text = stringValue(value);
  const whole = parseIntText(text, base);
  if (whole !== undefined) return whole;
  const float = parseFloatText(text);
  return float === undefined || !Number.isFinite(float) ? undefined : truncated(float);
}

/** int() of infinity is an OverflowError, which the filter does not catch. */
function infinite(value: number): undefined {
  if (!Number.isNaN(value)) throw new JinjaError('OverflowError', 'cannot convert float infinity to integer');
  return undefined;
}

const DIGITS = '0123456789abcdefghijklmnopqrstuvwxyz';

/** Python's int(text, base). */
function parseIntText(text: string, base: number): Value | undefined {
  if (base !== 0 && (base < 2 || base > 36)) return undefined;
  const match = /^([+-]?)(?:0([box])_?)?([0-9a-z]+(?:_[0-9a-z]+)*)$/i.exec(asciiDigits(strip(text, undefined)));
  if (!match) return undefined;
  const [whole, sign, letter, digits] = match;
  const bases: Readonly<Record<string, number>> = { b: 2, o: 8, x: 16 };
  let radix = base === 0 ? 10 : base;
  let body = digits;
  if (letter !== undefined) {
    const prefixBase = bases[letter.toLowerCase()];
    if (base === 0 || base === prefixBase) radix = prefixBase;
    // the prefix letter is a digit in this base
    else body = whole.slice(sign.length);
  }
  if (base === 0 && letter === undefined && /^0+[1-9]/.test(body.replaceAll('_', ''))) return undefined;
  const characters = body.replaceAll('_', '').toLowerCase();
  if (characters.length > 4300) return undefined;
  let value = 0n;
  for (const character of characters) {
    const digit = DIGITS.indexOf(character);
    if (digit < 0 || digit >= radix) return undefined;
    value = value * BigInt(radix) + BigInt(digit);
  }
  return int(sign === '-' ? -value : value);
}

/** Python's float(text). */
function parseFloatText(text: string): number | undefined {
  const body = asciiDigits(strip(text, undefined));
  if (/^[+-]?(?:\d+(?:_\d+)*(?:\.(?:\d+(?:_\d+)*)?)?|\.\d+(?:_\d+)*)(?:e[+-]?\d+(?:_\d+)*)?$/i.test(body))
    return Number(body.replaceAll('_', ''));
  const special = /^([+-]?)(?:(inf(?:inity)?)|nan)$/i.exec(body);
  if (!special) return undefined;
  return special[2] ? (special[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY) : Number.NaN;
}

/** Replaces decimal digits of all scripts with 0 to 9. */
function asciiDigits(text: string): string {
  return text.replace(/(?![0-9])\p{Nd}/gu, (digit) => {
    // the ten digits of a script are consecutive code points
    let code = digit.codePointAt(0)!;
    let value = 0;
    while (value < 9 && /\p{Nd}/u.test(String.fromCodePoint(code - 1))) {
      code--;
      value++;
    }
    return String(value);
  });
}

function fileSize(bytes: number, binary: boolean): string {
  const base = binary ? 1024 : 1000;
  if (bytes === 1) return '1 Byte';
  if (bytes < base) return `${truncated(bytes)} Bytes`;
  const prefixes = binary
    ? ['KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB', 'ZiB', 'YiB']
    : ['kB', 'MB', 'GB', 'TB', 'PB', 'EB', 'ZB', 'YB'];
  let unit = base;
  for (const prefix of prefixes) {
    unit *= base;
    if (bytes < unit || prefix === prefixes.at(-1)) return `${floatDigits((base * bytes) / unit, 'f', 1)} ${prefix}`;
  }
  return '';
}
