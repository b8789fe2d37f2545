/** Converts JavaScript values to Python's: plain objects to dicts, arrays to lists, whole numbers to ints. */
import { JinjaError } from './errors.ts';
import { int } from './numbers.ts';
import { repr } from './repr.ts';
import { Builtin, Bytes, Dict, Float, isString, Markup, PyObject, Tuple, type Value } from './values.ts';

const MAX_DEPTH = 200;

/** @returns the variables, and the number of values and characters in them */
export function fromJavaScript(variables: Readonly<Record<string, unknown>>): {
  values: Map<string, Value>;
  count: number;
  characters: number;
} {
  let count = 0;
  let characters = 0;
  const convert = (value: unknown, depth: number): Value => {
    count++;
    if (depth > MAX_DEPTH) throw new JinjaError('RecursionError', `a variable is nested more than ${MAX_DEPTH} deep`);
    switch (typeof value) {
      case 'string':
        characters += value.length;
        return value;
      case 'boolean':
        return value;
      case 'number':
        return Number.isSafeInteger(value) ? value + 0 : new Float(value);
      case 'bigint':
        return int(value);
      case 'function':
        return new Builtin(value.name, ({ positional }) =>
          convert((value as (...args: unknown[]) => unknown)(...positional.map(toJavaScript)), 0),
        );
      case 'symbol':
        return String(value);
    }
    if (value === null || value === undefined || value instanceof PyObject) return value ?? null;
    if (Array.isArray(value)) return value.map((element) => convert(element, depth + 1));
    if (value instanceof Uint8Array) return new Bytes(value);
    if (value instanceof Map)
      return new Dict([...value].map(([key, item]) => [convert(key, depth + 1), convert(item, depth + 1)]));
    if (value instanceof Date) return value.toISOString();
    // undefined fields are treated as absent
    const fields = Object.entries(value).filter(([, field]) => field !== undefined);
    return new Dict(fields.map(([key, field]) => [key, convert(field, depth + 1)] as const));
  };
  const values = new Map<string, Value>();
  for (const [name, value] of Object.entries(variables)) if (value !== undefined) values.set(name, convert(value, 0));
  return { values, count, characters };
}

/** Converts arguments for a function of the application. */
function toJavaScript(value: Value): unknown {
  if (Array.isArray(value)) return value.map(toJavaScript);
  if (value instanceof Float || value instanceof Markup) return value.value;
  if (value instanceof Tuple) return value.items.map(toJavaScript);
  if (value instanceof Dict)
    return Object.fromEntries(
      [...value.entries()].map(([key, item]) => [isString(key) ? key : repr(key), toJavaScript(item)]),
    );
  return value instanceof PyObject ? repr(value) : value;
}
