/** `object.name`, `object[index]` and `object[a:b]`, as Jinja2's sandbox resolves them. */
import { typeError } from './errors.ts';
import { bytesMethods } from './methods/bytes.ts';
import { dictMethods } from './methods/dict.ts';
import { floatMethods, intMethods } from './methods/numbers.ts';
import { listMethods, rangeMethods, tupleMethods } from './methods/sequences.ts';
import { stringMethod } from './methods/string.ts';
import { repr } from './repr.ts';
import { characterAt, sliceItems, sliceText } from './text.ts';
import {
  Bytes,
  Dict,
  Float,
  isInt,
  isString,
  Markup,
  Range,
  type Slice,
  stringValue,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from './values.ts';

/** Methods and attributes by name; 'unsafe' are those that would change the object. */
export type Methods<T extends Value> = ReadonlyMap<string, ((object: T) => Value) | 'unsafe'>;

/** Attributes that every object of Python has. The sandbox hides all that begin with an underscore. */
const HIDDEN = new Set(
  `class delattr dir doc eq format ge getattribute getstate gt hash init init_subclass le lt ne new reduce reduce_ex repr
  setattr sizeof str subclasshook`
    .split(/\s+/)
    .map((name) => `__${name}__`),
);

/** An attribute, then an item of that name. */
export function getAttribute(object: Value, name: string): Value {
  const found = attributeOf(object, name);
  if (found !== undefined) return found === 'unsafe' ? unsafe(object, name) : found.value;
  const item = itemOf(object, name);
  return item === undefined ? missing(object, name) : item;
}

/** An item, then an attribute of that name. */
export function getItem(object: Value, index: Value): Value {
  if (object instanceof Undefined) throw object.error();
  const item = itemOf(object, index);
  if (item !== undefined) return item;
  if (isString(index)) {
    const name = stringValue(index);
    const found = attributeOf(object, name);
    if (found !== undefined) return found === 'unsafe' ? unsafe(object, name) : found.value;
  }
  return missing(object, index);
}

export function getSlice(object: Value, slice: Slice): Value {
  if (object instanceof Undefined) throw object.error();
  if (typeof object === 'string') return sliceText(object, slice);
  if (object instanceof Markup) return new Markup(sliceText(object.value, slice));
  if (Array.isArray(object)) return sliceItems(object, slice);
  if (object instanceof Tuple) return new Tuple(sliceItems(object.items, slice));
  if (object instanceof Bytes) return new Bytes(Uint8Array.from(sliceItems([...object.value], slice)));
  if (object instanceof Range) {
    const items = sliceItems(
      Array.from({ length: object.count }, (_, i) => object.at(i)),
      slice,
    );
    const step = object.step * (items.length > 1 ? (items[1] - items[0]) / object.step : 1);
    return items.length > 0 ? new Range(items[0], items[items.length - 1] + Math.sign(step), step) : new Range(0, 0, 1);
  }
  if (object instanceof Dict) throw typeError("unhashable type: 'slice'");
  throw typeError(`'${typeName(object)}' object is not subscriptable`);
}

/** True if the object itself has the attribute, for the filter `attr`. */
export function hasAttribute(object: Value, name: string): boolean {
  return attributeOf(object, name) !== undefined;
}

function attributeOf(object: Value, name: string): { readonly value: Value } | 'unsafe' | undefined {
  if (HIDDEN.has(name)) return 'unsafe';
  if (object instanceof Undefined) throw object.error();
  if (isString(object)) {
    const method = stringMethod(object, name);
    return method === undefined ? undefined : { value: method };
  }
  if (object instanceof Dict) return ofMethods(dictMethods, object, name);
  if (Array.isArray(object)) return ofMethods(listMethods, object, name);
  if (object instanceof Tuple) {
    const own = object.attribute(name);
    return own === undefined ? ofMethods(tupleMethods, object, name) : { value: own as Value };
  }
  if (object instanceof Float) return ofMethods(floatMethods, object, name);
  if (isInt(object)) return ofMethods(intMethods, object, name);
  if (object instanceof Bytes) return ofMethods(bytesMethods, object, name);
  if (object instanceof Range) return ofMethods(rangeMethods, object, name);
  if (object === null) return undefined;
  const found = object.attribute(name);
  return found === undefined || found === 'unsafe' ? found : { value: found };
}

function ofMethods<T extends Value>(methods: Methods<T>, object: T, name: string) {
  const method = methods.get(name);
  return method === undefined || method === 'unsafe' ? method : { value: method(object) };
}

/** @returns undefined if there is no such item, or the type has none */
function itemOf(object: Value, index: Value): Value | undefined {
  if (object instanceof Undefined) throw object.error();
  if (object instanceof Dict) return isHashable(index) ? object.get(index) : undefined;
  if (typeof index !== 'number' && typeof index !== 'boolean') return undefined;
  const at = Number(index);
  if (Array.isArray(object)) return object[at < 0 ? at + object.length : at];
  if (typeof object === 'string') return characterAt(object, at);
  if (object instanceof Tuple) return object.items[at < 0 ? at + object.items.length : at];
  if (object instanceof Markup) {
    const character = characterAt(object.value, at);
    return character === undefined ? undefined : new Markup(character);
  }
  if (object instanceof Range) {
    const position = at < 0 ? at + object.count : at;
    return position >= 0 && position < object.count ? object.at(position) : undefined;
  }
  if (object instanceof Bytes) return object.value[at < 0 ? at + object.value.length : at];
  return undefined;
}

function isHashable(value: Value): boolean {
  if (value instanceof Tuple) return value.items.every(isHashable);
  return !Array.isArray(value) && !(value instanceof Dict);
}

function unsafe(object: Value, name: string): Undefined {
  return new Undefined(
    () => `access to attribute '${name}' of '${typeName(object)}' object is unsafe.`,
    'SecurityError',
  );
}

function missing(object: Value, name: Value): Undefined {
  return new Undefined(() => {
    const type = object === null ? 'None' : `${typeName(object)} object`;
    return isString(name) ? `'${type}' has no attribute ${repr(name)}` : `${type} has no element ${repr(name)}`;
  });
}
