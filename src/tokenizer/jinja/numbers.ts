/** Arithmetic of Python's int, float and bool. */
import { JinjaError, valueError } from './errors.ts';
import { checkLength, spend } from './limits.ts';
import { Float, type Int, isInt, type Value } from './values.ts';

/** Bits of the largest int. Python refuses to print ints of more than 4,300 digits, which are 14,285 bits. */
const MAX_BITS = 1 << 16;
const MAX_DIGITS = 4300;

export type Operator = '+' | '-' | '*' | '/' | '//' | '%' | '**';

export function isNumber(value: Value): value is Int | boolean | Float {
  return isInt(value) || value instanceof Float;
}

/** Normalizes an int: a number if it is safe, otherwise a bigint. */
export function int(value: bigint): Int {
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
}

/** @throws {JinjaError} OverflowError for an int that is beyond the floats */
export function toFloat(value: Int | boolean | Float): number {
  if (value instanceof Float) return value.value;
  const number = Number(value);
  if (!Number.isFinite(number)) throw new JinjaError('OverflowError', 'int too large to convert to float');
  return number;
}

/** @returns undefined if these types have no such operator */
export function arithmetic(operator: Operator, left: Int | boolean | Float, right: Int | boolean | Float): Value {
  if (left instanceof Float || right instanceof Float) return floats(operator, toFloat(left), toFloat(right));
  const a = typeof left === 'boolean' ? Number(left) : left;
  const b = typeof right === 'boolean' ? Number(right) : right;
  if (typeof a === 'number' && typeof b === 'number') {
    const quick = small(operator, a, b);
    if (quick !== undefined) return quick;
  }
  return large(operator, BigInt(a), BigInt(b));
}

/** Fast path for ints that are numbers. Returns undefined if the result is not a safe integer. */
function small(operator: Operator, a: number, b: number): Value | undefined {
  let result: number;
  switch (operator) {
    case '+':
      result = a + b;
      break;
    case '-':
      result = a - b;
      break;
    case '*':
      result = a * b;
      break;
    case '/':
      if (b === 0) throw zeroDivision('division by zero');
      return new Float(a / b);
    case '//':
      if (b === 0) throw zeroDivision('integer division or modulo by zero');
      result = (a - modulo(a, b)) / b;
      break;
    case '%':
      if (b === 0) throw zeroDivision('integer modulo by zero');
      result = modulo(a, b);
      break;
    default:
      return undefined;
  }
  // no negative zero among ints
  return Number.isSafeInteger(result) ? result + 0 : undefined;
}

/** The remainder has the sign of the divisor. */
function modulo(a: number, b: number): number {
  const remainder = a % b;
  return remainder !== 0 && remainder < 0 !== b < 0 ? remainder + b : remainder;
}

function large(operator: Operator, a: bigint, b: bigint): Value {
  switch (operator) {
    case '+':
      return bounded(a + b);
    case '-':
      return bounded(a - b);
    case '*':
      spend(bits(a) >> 8);
      return bounded(a * b);
    case '/':
      if (b === 0n) throw zeroDivision('division by zero');
      return new Float(quotient(a, b));
    case '//':
      if (b === 0n) throw zeroDivision('integer division or modulo by zero');
      return int((a - bigModulo(a, b)) / b);
    case '%':
      if (b === 0n) throw zeroDivision('integer modulo by zero');
      return int(bigModulo(a, b));
    case '**':
      return power(a, b);
  }
}

function bigModulo(a: bigint, b: bigint): bigint {
  const remainder = a % b;
  return remainder !== 0n && remainder < 0n !== b < 0n ? remainder + b : remainder;
}

function power(a: bigint, b: bigint): Value {
  if (b < 0n) {
    if (a === 0n) throw zeroDivision('0.0 cannot be raised to a negative power');
    return new Float(Number(a) ** Number(b));
  }
  if (a !== 0n && a !== 1n && a !== -1n) checkBits(bits(a) * Number(b));
  return int(a === -1n ? (b % 2n === 0n ? 1n : -1n) : a ** (a === 0n || a === 1n ? (b > 0n ? 1n : 0n) : b));
}

function bits(value: bigint): number {
  return value.toString(16).length * 4;
}

function checkBits(count: number): void {
  if (count > MAX_BITS) throw new JinjaError('LimitError', `it computes an int of more than ${MAX_BITS} bits`);
}

function bounded(value: bigint): Int {
  checkBits(bits(value));
  return int(value);
}

/** a / b rounded to the nearest float. */
function quotient(a: bigint, b: bigint): number {
  const negative = a < 0n !== b < 0n;
  const [n, d] = [a < 0n ? -a : a, b < 0n ? -b : b];
  // compute at least 66 bits; the last bit marks a remainder, so that Number rounds only once
  const shift = Math.max(0, 66 + bits(d) - bits(n));
  const scaled = n << BigInt(shift);
  const whole = scaled / d;
  const sticky = scaled % d === 0n ? whole : whole | 1n;
  let value = Number(sticky);
  for (let left = shift; left > 0; left -= 1000) value /= 2 ** Math.min(left, 1000);
  if (!Number.isFinite(value)) throw new JinjaError('OverflowError', 'integer division result too large for a float');
  return negative ? -value : value;
}

function floats(operator: Operator, a: number, b: number): Float {
  switch (operator) {
    case '+':
      return new Float(a + b);
    case '-':
      return new Float(a - b);
    case '*':
      return new Float(a * b);
    case '/':
      if (b === 0) throw zeroDivision('float division by zero');
      return new Float(a / b);
    case '//':
    case '%': {
      if (b === 0) throw zeroDivision(operator === '%' ? 'float modulo' : 'float floor division by zero');
      const [floor, remainder] = floatDivMod(a, b);
      return new Float(operator === '%' ? remainder : floor);
    }
    case '**':
      return floatPower(a, b);
  }
}

function floatDivMod(a: number, b: number): [floor: number, remainder: number] {
  let remainder = a % b;
  let division = (a - remainder) / b;
  if (remainder !== 0) {
    if (remainder < 0 !== b < 0) {
      remainder += b;
      division -= 1;
    }
  } else remainder = Object.is(b, -0) || b < 0 ? -0 : 0;
  if (division === 0) return [a / b < 0 || Object.is(a / b, -0) ? -0 : 0, remainder];
  const floor = Math.floor(division);
  return [division - floor > 0.5 ? floor + 1 : floor, remainder];
}

function floatPower(a: number, b: number): Float {
  if (a === 1 || b === 0) return new Float(1);
  if (a === 0 && b < 0) throw zeroDivision('0.0 cannot be raised to a negative power');
  if (a < 0 && Number.isFinite(a) && Number.isFinite(b) && !Number.isInteger(b))
    throw new JinjaError('TypeError', 'complex numbers are not supported');
  // unlike in JavaScript, -1 to the power of infinity is 1
  if (a === -1 && !Number.isNaN(b) && !Number.isFinite(b)) return new Float(1);
  const result = a ** b;
  if (!Number.isFinite(result) && Number.isFinite(a) && Number.isFinite(b))
    throw new JinjaError('OverflowError', "(34, 'Numerical result out of range')");
  return new Float(result);
}

function zeroDivision(message: string): JinjaError {
  return new JinjaError('ZeroDivisionError', message);
}

/** @throws {JinjaError} ValueError for more digits than Python prints */
export function intText(value: Int): string {
  if (typeof value === 'bigint' && bits(value) > 14_000 && value.toString().replace('-', '').length > MAX_DIGITS)
    throw valueError(`Exceeds the limit (${MAX_DIGITS} digits) for integer string conversion`);
  return value.toString();
}

/** repr() of a float: the shortest digits that read back as it. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value < 0 ? '-inf' : 'inf';
  if (Object.is(value, -0)) return '-0.0';
  const [digits, exponentText] = value.toExponential().split('e');
  const exponent = Number(exponentText);
  if (exponent < -4 || exponent >= 16) {
    const sign = exponent < 0 ? '-' : '+';
    return `${digits}e${sign}${String(Math.abs(exponent)).padStart(2, '0')}`;
  }
  const text = exponent >= 0 || exponent < -6 ? String(value) : fixed(value, digits, exponent);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

function fixed(value: number, digits: string, exponent: number): string {
  const bare = digits.replace('-', '').replace('.', '');
  return `${value < 0 ? '-' : ''}0.${'0'.repeat(-exponent - 1)}${bare}`;
}

/** The float that is `mantissa` · 2^`exponent`, exactly. */
function exactly(value: number): { mantissa: bigint; exponent: number } {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  const stored = view.getBigUint64(0);
  const biased = Number((stored >> 52n) & 0x7ffn);
  const fraction = stored & 0xfffffffffffffn;
  return biased === 0
    ? { mantissa: fraction, exponent: -1074 }
    : { mantissa: fraction | (1n << 52n), exponent: biased - 1075 };
}

/**
 * |value| · 10^`places` rounded half to even, exactly, as Python rounds: Number.toFixed rounds halves up.
 * @param value finite
 */
export function scaledDecimal(value: number, places: number): bigint {
  checkLength(Math.abs(places));
  const { mantissa, exponent } = exactly(Math.abs(value));
  let numerator = mantissa;
  let denominator = 1n;
  if (exponent >= 0) numerator <<= BigInt(exponent);
  else denominator <<= BigInt(-exponent);
  if (places >= 0) numerator *= 10n ** BigInt(places);
  else denominator *= 10n ** BigInt(-places);
  return roundedQuotient(numerator, denominator);
}

/** Divides positive integers and rounds half to even. */
function roundedQuotient(numerator: bigint, denominator: bigint): bigint {
  const whole = numerator / denominator;
  const twice = 2n * (numerator % denominator);
  const up = twice > denominator || (twice === denominator && whole % 2n === 1n);
  return up ? whole + 1n : whole;
}

/** Python's round(value, places). */
export function roundTo(value: Int | boolean | Float, places: number): Value {
  if (value instanceof Float) {
    if (!Number.isFinite(value.value) || places > 400) return value;
    if (places < -400) return new Float(value.value < 0 ? -0 : 0);
    const scaled = scaledDecimal(value.value, places);
    const rounded = Number(`${scaled}e${-places}`);
    return new Float(value.value < 0 || Object.is(value.value, -0) ? -rounded : rounded);
  }
  const whole = typeof value === 'boolean' ? Number(value) : value;
  if (places >= 0) return whole;
  if (places < -MAX_DIGITS) return 0;
  const unit = 10n ** BigInt(-places);
  const big = BigInt(whole);
  const magnitude = roundedQuotient(big < 0n ? -big : big, unit) * unit;
  return int(big < 0n ? -magnitude : magnitude);
}

/** int() of a float: towards zero. @throws {JinjaError} for infinity and NaN */
export function truncated(value: number): Int {
  if (Number.isNaN(value)) throw valueError('cannot convert float NaN to integer');
  if (!Number.isFinite(value)) throw new JinjaError('OverflowError', 'cannot convert float infinity to integer');
  return int(BigInt(Math.trunc(value)));
}
