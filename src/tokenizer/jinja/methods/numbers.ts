/** Attributes and methods of int and float. */
import type { Methods } from '../attributes.ts';
import { Builtin, Float, type Int, type Value } from '../values.ts';

const whole = (value: Value): Int => (typeof value === 'boolean' ? Number(value) : (value as Int));
const method = (name: string, run: () => Value) => new Builtin(name, run);

export const intMethods: Methods<Int | boolean> = new Map<string, (value: Int | boolean) => Value>([
  ['real', whole],
  ['numerator', whole],
  ['imag', () => 0],
  ['denominator', () => 1],
  ['conjugate', (value) => method('conjugate', () => whole(value))],
  ['bit_length', (value) => method('bit_length', () => bitLength(BigInt(value)))],
  ['bit_count', (value) => method('bit_count', () => BigInt(value).toString(2).replace(/[^1]/g, '').length)],
]);

function bitLength(value: bigint): number {
  const magnitude = value < 0n ? -value : value;
  return magnitude === 0n ? 0 : magnitude.toString(2).length;
}

export const floatMethods: Methods<Float> = new Map<string, (value: Float) => Value>([
  ['real', (value) => value],
  ['imag', () => new Float(0)],
  ['conjugate', (value) => method('conjugate', () => value)],
  ['is_integer', ({ value }) => method('is_integer', () => Number.isInteger(value))],
]);
