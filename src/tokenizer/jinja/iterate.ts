/** Iteration over Python's values. */
import { typeError } from './errors.ts';
import { checkLength, spend } from './limits.ts';
import { lengthOf } from './text.ts';
import { isString, type PyObject, stringValue, Tuple, typeName, type Value } from './values.ts';

/** Python's iter(). @throws {JinjaError} TypeError where the value cannot be iterated */
export function iterate(value: Value): Iterator<Value> {
  if (Array.isArray(value)) return value.values();
  if (isString(value)) return stringValue(value)[Symbol.iterator]();
  if (value !== null && typeof value === 'object' && value.iterate) return value.iterate();
  throw typeError(`'${typeName(value)}' object is not iterable`);
}

/** Iterates with `for … of`, spending a step per element. Leaving the loop early does not close a generator. */
export function iterateForward(value: Value): Iterable<Value> {
  const values = iterate(value);
  return {
    [Symbol.iterator]: () => ({
      next: () => {
        spend(1);
        return values.next();
      },
    }),
  };
}

/** Python's list(value). */
export function listOf(value: Value): Value[] {
  if (Array.isArray(value)) {
    spend(value.length >> 3);
    return [...value];
  }
  if (value instanceof Tuple) return [...value.items];
  if (isString(value)) checkLength(stringValue(value).length);
  const items: Value[] = [];
  for (const item of iterateForward(value)) items.push(item);
  checkLength(items.length);
  return items;
}

/** Python's len(). @throws {JinjaError} TypeError where the type has no length */
export function len(value: Value): number {
  if (Array.isArray(value)) return value.length;
  if (isString(value)) return lengthOf(stringValue(value));
  const length = value !== null && typeof value === 'object' ? (value as PyObject).length?.() : undefined;
  if (length === undefined) throw typeError(`object of type '${typeName(value)}' has no len()`);
  return length;
}

export function isIterable(value: Value): boolean {
  return (
    Array.isArray(value) ||
    isString(value) ||
    (value !== null && typeof value === 'object' && value.iterate !== undefined)
  );
}
