/** Python's format specifications: `{:>8.2f}`, `%05d` and the like. */
import { valueError } from '../errors.ts';
import { checkLength, spendText } from '../limits.ts';
import { floatText, intText, isNumber, scaledDecimal, toFloat } from '../numbers.ts';
import { escapedCodePoint, str } from '../repr.ts';
import { lengthOf, substring } from '../text.ts';
import { Float, type Int, isInt, isString, stringValue, typeName, type Value } from '../values.ts';

interface Spec {
  readonly fill: string;
  readonly align: string;
  readonly sign: string;
  readonly alternate: boolean;
  readonly zero: boolean;
  readonly width: number;
  readonly grouping: string;
  readonly precision: number | undefined;
  readonly type: string;
}

const SPEC = /^(?:(.)?([<>=^]))?([-+ ])?(z)?(#)?(0)?(\d+)?([,_])?(?:\.(\d+))?([bcdeEfFgGnosxX%])?$/su;

/** format(value, spec) */
export function formatValue(value: Value, spec: string): string {
  if (spec === '') return str(value);
  const parsed = parseSpec(spec, value);
  if (isString(value)) return formatText(stringValue(value), parsed);
  if (typeof value === 'boolean' && parsed.type === '') return formatInt(Number(value), { ...parsed, type: 'd' });
  if (isInt(value)) {
    const whole = typeof value === 'boolean' ? Number(value) : value;
    return /[eEfFgG%]/.test(parsed.type) ? formatFloat(toFloat(whole), parsed) : formatInt(whole, parsed);
  }
  if (value instanceof Float) return formatFloat(value.value, parsed);
  throw valueError(`unsupported format string passed to ${typeName(value)}.__format__`);
}

function parseSpec(spec: string, value: Value): Spec {
  const match = SPEC.exec(spec);
  if (!match) throw valueError(`Invalid format specifier '${spec}' for object of type '${typeName(value)}'`);
  const [, fill, align, sign = '', , alternate, zero, width = '0', grouping = '', precision, type = ''] = match;
  checkLength(Number(width) + Number(precision ?? 0));
  spendText(Number(width) + Number(precision ?? 0));
  return {
    fill: fill ?? (zero && !align ? '0' : ' '),
    align: align ?? (zero && isNumber(value) ? '=' : isNumber(value) ? '>' : '<'),
    sign,
    alternate: alternate !== undefined,
    zero: zero !== undefined,
    width: Number(width),
    grouping,
    precision: precision === undefined ? undefined : Number(precision),
    type,
  };
}

function formatText(text: string, spec: Spec): string {
  const { type, sign, grouping, alternate, align, precision } = spec;
  if (type !== '' && type !== 's') throw valueError(`Unknown format code '${type}' for object of type 'str'`);
  if (sign !== '') throw valueError('Sign not allowed in string format specifier');
  if (grouping !== '') throw valueError(`Cannot specify '${grouping}' with 's'.`);
  if (alternate) throw valueError('Alternate form (#) not allowed in string format specifier');
  if (align === '=') throw valueError("'=' alignment not allowed in string format specifier");
  return padded('', precision === undefined ? text : substring(text, 0, precision), spec);
}

function formatInt(value: Int, spec: Spec): string {
  const { type, precision, alternate, grouping } = spec;
  if (precision !== undefined) throw valueError('Precision not allowed in integer format specifier');
  if (type === 's') throw valueError("Unknown format code 's' for object of type 'int'");
  if (type === 'c') return padded('', String.fromCodePoint(Number(value)), spec);
  const magnitude = value < 0 ? -value : value;
  const base = type === 'b' ? 2 : type === 'o' ? 8 : type === 'x' || type === 'X' ? 16 : 10;
  let digits = base === 10 ? intText(magnitude) : magnitude.toString(base);
  let prefix = alternate && base !== 10 ? `0${type.toLowerCase()}` : '';
  if (type === 'X') [digits, prefix] = [digits.toUpperCase(), prefix.toUpperCase()];
  return numberPadded(signOf(value < 0, spec) + prefix, grouped(digits, grouping, base === 10 ? 3 : 4), spec);
}

function formatFloat(value: number, spec: Spec): string {
  const { type, precision, alternate, grouping } = spec;
  if (!/^[eEfFgGn%]?$/.test(type)) throw valueError(`Unknown format code '${type}' for object of type 'float'`);
  const negative = value < 0 || Object.is(value, -0);
  const text = floatDigits(Math.abs(value), type, precision, alternate);
  const [, whole, rest] = /^(\d*)(.*)$/s.exec(text)!;
  return numberPadded(signOf(negative, spec), grouped(whole, grouping, 3) + rest, spec);
}

/** Formats a non-negative float with a format letter of C. '' is repr() with the given precision. */
export function floatDigits(value: number, type: string, precision: number | undefined, alternate = false): string {
  const upper = /[EFG]/.test(type);
  if (!Number.isFinite(value)) {
    const text = Number.isNaN(value) ? 'nan' : 'inf';
    return (upper ? text.toUpperCase() : text) + (type === '%' ? '%' : '');
  }
  let text: string;
  switch (type.toLowerCase()) {
    case 'f':
      text = fixedDigits(value, precision ?? 6, alternate);
      break;
    case '%':
      return `${fixedDigits(value * 100, precision ?? 6, alternate)}%`;
    case 'e':
      text = exponentDigits(value, precision ?? 6, alternate);
      break;
    case '':
      text = precision === undefined ? floatText(value) : generalDigits(value, precision, alternate, true);
      break;
    default:
      text = generalDigits(value, precision ?? 6, alternate, false);
  }
  return upper ? text.toUpperCase() : text;
}

/** A float has at most 1,074 decimal places and 767 significant digits; all others are zeros. */
const MAX_PLACES = 1074;
const MAX_SIGNIFICANT = 767;

function fixedDigits(value: number, places: number, point: boolean): string {
  if (places > MAX_PLACES) return fixedDigits(value, MAX_PLACES, point) + '0'.repeat(places - MAX_PLACES);
  const digits = scaledDecimal(value, places)
    .toString()
    .padStart(places + 1, '0');
  if (places === 0) return point ? `${digits}.` : digits;
  return `${digits.slice(0, -places)}.${digits.slice(-places)}`;
}

/** Rounds to `count` significant digits. `exponent` is the power of ten of the first digit. */
function significantDigits(value: number, count: number): { digits: string; exponent: number } {
  if (value === 0) return { digits: '0'.repeat(count), exponent: 0 };
  if (count > MAX_SIGNIFICANT) {
    const { digits, exponent } = significantDigits(value, MAX_SIGNIFICANT);
    return { digits: digits.padEnd(count, '0'), exponent };
  }
  let exponent = Number(value.toExponential().split('e')[1]);
  let digits = scaledDecimal(value, count - 1 - exponent).toString();
  if (digits.length > count) {
    exponent++;
    digits = scaledDecimal(value, count - 1 - exponent).toString();
  }
  return { digits, exponent };
}

function exponentDigits(value: number, places: number, point: boolean): string {
  const { digits, exponent } = significantDigits(value, places + 1);
  const fraction = digits.slice(1);
  const sign = exponent < 0 ? '-' : '+';
  const mantissa = digits[0] + (fraction !== '' || point ? `.${fraction}` : '');
  return `${mantissa}e${sign}${String(Math.abs(exponent)).padStart(2, '0')}`;
}

/** C's %g: fixed or exponential form, without trailing zeros. @param keepPoint whole numbers end in '.0' */
function generalDigits(value: number, precision: number, alternate: boolean, keepPoint: boolean): string {
  const count = precision === 0 ? 1 : precision;
  const { digits, exponent } = significantDigits(value, count);
  // without a format letter Python switches to exponents one digit earlier, to leave room for '.0'
  const scientific = exponent < -4 || exponent >= (keepPoint ? Math.max(count - 1, 1) : count);
  if (scientific) {
    const fraction = alternate ? digits.slice(1) : digits.slice(1).replace(/0+$/, '');
    const mantissa = digits[0] + (fraction !== '' || alternate ? `.${fraction}` : '');
    return `${mantissa}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
  }
  const whole = exponent >= 0 ? digits.slice(0, exponent + 1).padEnd(exponent + 1, '0') : '0';
  let fraction = exponent >= 0 ? digits.slice(exponent + 1) : '0'.repeat(-exponent - 1) + digits;
  if (!alternate) fraction = fraction.replace(/0+$/, '');
  if (fraction === '' && keepPoint) fraction = '0';
  return whole + (fraction !== '' || alternate ? `.${fraction}` : '');
}

function signOf(negative: boolean, { sign }: Spec): string {
  if (negative) return '-';
  return sign === '-' ? '' : sign;
}

/** Puts a separator between groups of digits. */
function grouped(digits: string, separator: string, size: number): string {
  if (separator === '') return digits;
  const first = digits.length % size || size;
  const groups = [digits.slice(0, first)];
  for (let at = first; at < digits.length; at += size) groups.push(digits.slice(at, at + size));
  return groups.join(separator);
}

function numberPadded(prefix: string, digits: string, spec: Spec): string {
  const { fill, align, width, grouping, zero } = spec;
  if (align !== '=') return padded(prefix, digits, spec);
  let body = digits;
  if (grouping !== '' && zero && fill === '0') {
    const [, whole, rest] = /^([\da-fA-F,_]*)(.*)$/s.exec(digits)!;
    const room = width - prefix.length - rest.length;
    // of 4 characters 3 are digits; the first group may be shorter
    let zeros = whole.replaceAll(grouping, '').padStart(Math.floor((room * 3) / 4) - 1, '0');
    while (zeros.length + Math.floor((zeros.length - 1) / 3) < room) zeros = `0${zeros}`;
    body = grouped(zeros, grouping, 3) + rest;
  }
  return prefix + fill.repeat(Math.max(0, width - prefix.length - lengthOf(body))) + body;
}

function padded(prefix: string, body: string, { fill, align, width }: Spec): string {
  const text = prefix + body;
  const missing = Math.max(0, width - lengthOf(text));
  const before = align === '<' ? 0 : align === '^' ? missing >> 1 : missing;
  return fill.repeat(before) + text + fill.repeat(missing - before);
}

/** Escapes all non-ASCII characters, as Python's ascii(). */
export function asciiOnly(text: string): string {
  return text.replace(/[^ -~]/gu, (character) => escapedCodePoint(character.codePointAt(0)!));
}
