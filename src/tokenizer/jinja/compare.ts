/** Python's ==, < and in. */
import { typeError } from './errors.ts';
import { iterate, iterateForward } from './iterate.ts';
import { spend, spendText } from './limits.ts';
import { isNumber } from './numbers.ts';
import { compareText } from './text.ts';
import {
  Bytes,
  Dict,
  DictView,
  Float,
  isString,
  Lazy,
  Range,
  stringValue,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from './values.ts';

type ComparisonOperator = '<' | '<=' | '>' | '>=';

export function equal(a: Value, b: Value): boolean {
  if (typeof a === 'string' && typeof b === 'string') {
    if (a.length !== b.length) return false;
    spendText(a.length);
    return a === b;
  }
  if (a === b) return !(a instanceof Float && Number.isNaN(a.value));
  spend(1);
  if (isNumber(a)) return isNumber(b) && sameNumber(numeric(a), numeric(b));
  if (isString(a)) return isString(b) && stringValue(a) === stringValue(b);
  if (Array.isArray(a)) return Array.isArray(b) && sameItems(a, b);
  if (a instanceof Tuple) return b instanceof Tuple && sameItems(a.items, b.items);
  if (a instanceof Dict) return b instanceof Dict && sameEntries(a, b);
  if (a instanceof Undefined) return b instanceof Undefined;
  if (a instanceof Range) return b instanceof Range && sameItems([...iterateForward(a)], [...iterateForward(b)]);
  if (a instanceof Bytes) return b instanceof Bytes && a.value.join() === b.value.join();
  if (a instanceof DictView && a.kind !== 'values')
    return (
      b instanceof DictView &&
      b.kind === a.kind &&
      sameItems([...iterateForward(a)].sort(byText), [...iterateForward(b)].sort(byText))
    );
  return false;
}

const byText = (a: Value, b: Value): number => compareText(String(a), String(b));

function numeric(value: number | bigint | boolean | Float): number | bigint {
  if (value instanceof Float) return value.value;
  return typeof value === 'boolean' ? Number(value) : value;
}

function sameNumber(a: number | bigint, b: number | bigint): boolean {
  return typeof a === typeof b ? a === b : a >= b && a <= b;
}

function sameItems(a: readonly Value[], b: readonly Value[]): boolean {
  return a.length === b.length && a.every((item, i) => same(item, b[i]));
}

function sameEntries(a: Dict, b: Dict): boolean {
  if (a.size !== b.size) return false;
  for (const [key, value] of a.entries()) {
    const other = b.get(key);
    if (other === undefined || !same(value, other)) return false;
  }
  return true;
}

/** Equality of elements: identical or equal, as in Python's containers. */
function same(a: Value, b: Value): boolean {
  return (typeof a !== 'string' && a === b) || equal(a, b);
}

/** @throws {JinjaError} TypeError if the two types cannot be compared */
export function ordered(operator: ComparisonOperator, a: Value, b: Value): boolean {
  if (typeof a === 'number' && typeof b === 'number') return holds(operator, a - b);
  spend(1);
  if (isNumber(a) && isNumber(b)) {
    const [x, y] = [numeric(a), numeric(b)];
    if (Number.isNaN(x) || Number.isNaN(y)) return false;
    return holds(operator, x < y ? -1 : x > y ? 1 : 0);
  }
  if (isString(a) && isString(b)) return holds(operator, compareText(stringValue(a), stringValue(b)));
  const items =
    a instanceof Tuple && b instanceof Tuple
      ? ([a.items, b.items] as const)
      : Array.isArray(a) && Array.isArray(b)
        ? ([a, b] as const)
        : undefined;
  if (items) {
    const [x, y] = items;
    for (let i = 0; i < x.length && i < y.length; i++) if (!same(x[i], y[i])) return ordered(operator, x[i], y[i]);
    return holds(operator, x.length - y.length);
  }
  if (a instanceof Bytes && b instanceof Bytes)
    return holds(operator, compareText(String.fromCharCode(...a.value), String.fromCharCode(...b.value)));
  for (const value of [a, b]) if (value instanceof Undefined) throw value.error();
  throw typeError(`'${operator}' not supported between instances of '${typeName(a)}' and '${typeName(b)}'`);
}

function holds(operator: ComparisonOperator, order: number): boolean {
  switch (operator) {
    case '<':
      return order < 0;
    case '<=':
      return order <= 0;
    case '>':
      return order > 0;
    case '>=':
      return order >= 0;
  }
}

/** `item in container` */
export function contains(container: Value, item: Value): boolean {
  if (isString(container)) {
    if (!isString(item)) throw typeError(`'in <string>' requires string as left operand, not ${typeName(item)}`);
    const text = stringValue(container);
    spendText(text.length);
    return text.includes(stringValue(item));
  }
  if (container instanceof Dict) return container.has(item);
  if (container instanceof DictView && container.kind === 'keys') return container.dict.has(item);
  if (container instanceof Range && typeof item === 'number')
    return Number.isInteger((item - container.start) / container.step) && isBetween(item, container);
  if (container === null || typeof container !== 'object' || (!Array.isArray(container) && !container.iterate))
    throw typeError(`argument of type '${typeName(container)}' is not iterable`);
  for (const found of container instanceof Lazy
    ? { [Symbol.iterator]: () => iterate(container) }
    : iterateForward(container))
    if (same(found, item)) return true;
  return false;
}

function isBetween(item: number, { start, step, count }: Range): boolean {
  const index = (item - start) / step;
  return index >= 0 && index < count;
}

/** Python's sorted(): stable, uses only `<`. */
export function sorted<T>(items: readonly T[], key: (item: T) => Value, reverse = false): T[] {
  spend(items.length);
  const keyed = items.map((item) => ({ item, key: key(item) }));
  keyed.sort((a, b) => {
    const order = ordered('<', a.key, b.key) ? -1 : ordered('<', b.key, a.key) ? 1 : 0;
    return reverse ? -order : order;
  });
  return keyed.map(({ item }) => item);
}
