/** Tests, e.g. `x is defined`. */
import { signature, type TestFunction } from './call.ts';
import { isLower, isUpper } from './characters.ts';
import { contains, equal, ordered } from './compare.ts';
import { filters } from './filters/index.ts';
import { isIterable, len } from './iterate.ts';
import { isNumber } from './numbers.ts';
import { binary } from './operators.ts';
import { str } from './repr.ts';
import {
  Bytes,
  Dict,
  Float,
  isInt,
  isString,
  Markup,
  PyObject,
  Range,
  stringValue,
  Tuple,
  Undefined,
  type Value,
} from './values.ts';

const all = new Map<string, TestFunction>();

/** A test without arguments. */
function test(name: string, run: (value: Value) => boolean): void {
  const bind = signature(name);
  all.set(name, (value, args) => {
    bind(args);
    return run(value);
  });
}

/** A test with one argument, under several names. */
function comparison(names: readonly string[], run: (value: Value, other: Value) => boolean): void {
  const bind = signature(names[0], 'other');
  for (const name of names) all.set(name, (value, args) => run(value, bind(args)[0]!));
}

test('odd', (value) => equal(binary('%', value, 2), 1));
test('even', (value) => equal(binary('%', value, 2), 0));
test('defined', (value) => !(value instanceof Undefined));
test('undefined', (value) => value instanceof Undefined);
test('none', (value) => value === null);
test('boolean', (value) => typeof value === 'boolean');
test('false', (value) => value === false);
test('true', (value) => value === true);
test('integer', (value) => isInt(value) && typeof value !== 'boolean');
test('float', (value) => value instanceof Float);
test('number', isNumber);
test('string', isString);
test('mapping', (value) => value instanceof Dict);
test('sequence', isSequence);
test('iterable', isIterable);
test('callable', (value) => value instanceof PyObject && (value.call !== undefined || value instanceof Undefined));
test('escaped', (value) => value instanceof Markup);
test('lower', (value) => isLower(str(value)));
test('upper', (value) => isUpper(str(value)));
test('filter', (value) => isNameIn(filters, value));
test('test', (value) => isNameIn(all, value));

const divisor = signature('divisibleby', 'num');
all.set('divisibleby', (value, args) => equal(binary('%', value, divisor(args)[0]!), 0));

comparison(['==', 'eq', 'equalto'], equal);
comparison(['!=', 'ne'], (value, other) => !equal(value, other));
comparison(['<', 'lt', 'lessthan'], (value, other) => ordered('<', value, other));
comparison(['<=', 'le'], (value, other) => ordered('<=', value, other));
comparison(['>', 'gt', 'greaterthan'], (value, other) => ordered('>', value, other));
comparison(['>=', 'ge'], (value, other) => ordered('>=', value, other));
comparison(['in'], (value, seq) => contains(seq, value));
comparison(['sameas'], isSame);

/** @throws {JinjaError} TypeError for a value that has no hash */
function isNameIn(names: ReadonlyMap<string, unknown>, value: Value): boolean {
  return new Dict([[value, null]]).size > 0 && isString(value) && names.has(stringValue(value));
}

/** True for types with a length and `[…]`. A dict counts, and so do undefined values. */
function isSequence(value: Value): boolean {
  const types = [Tuple, Dict, Range, Bytes, Markup, Undefined];
  if (typeof value !== 'string' && !Array.isArray(value) && !types.some((type) => value instanceof type)) return false;
  return len(value) >= 0;
}

/** Identity. Equal numbers or strings of the same type count as identical, as constants do in Python. */
function isSame(value: Value, other: Value): boolean {
  if (value instanceof Float && other instanceof Float) return Object.is(value.value, other.value);
  return value === other;
}

export const tests: ReadonlyMap<string, TestFunction> = all;
