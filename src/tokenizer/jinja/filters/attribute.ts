/** The `attribute` argument of filters: 'a.b', 'a.0', or an index. */
import { getItem } from '../attributes.ts';
import { isString, stringValue, Undefined, type Value } from '../values.ts';

export type Getter = (item: Value) => Value;

/** @param otherwise replaces undefined values, unless it is null */
export function attributeGetter(attribute: Value, otherwise: Value = null): Getter {
  const parts = attributeParts(attribute);
  return (item) => {
    let value = item;
    for (const part of parts) {
      value = getItem(value, part);
      if (otherwise !== null && value instanceof Undefined) value = otherwise;
    }
    return value;
  };
}

function attributeParts(attribute: Value): Value[] {
  if (attribute === null) return [];
  if (!isString(attribute)) return [attribute];
  return stringValue(attribute)
    .split('.')
    .map((part) => (/^\d+$/.test(part) ? Number(part) : part));
}

/** Getter for comma-separated attributes. It returns a list. */
export function attributesGetter(attribute: Value, ignoreCase: boolean): Getter {
  const each = isString(attribute) ? stringValue(attribute).split(',') : [attribute];
  const getters = each.map((part) => keyGetter(part, ignoreCase));
  return (item) => getters.map((get) => get(item));
}

/** Getter for sort keys and the like. */
export function keyGetter(attribute: Value, ignoreCase: boolean, otherwise: Value = null): Getter {
  const get = attributeGetter(attribute, otherwise);
  if (!ignoreCase) return get;
  return (item) => lowered(get(item));
}

export function lowered(value: Value): Value {
  return isString(value) ? stringValue(value).toLowerCase() : value;
}
