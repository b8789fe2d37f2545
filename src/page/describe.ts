/** Finds the methods and field values of an API object by reflection. */
import { promises } from './synchronous.ts';

/** True for an object with methods. It is not copied: the other side gets a proxy. */
export function isRemote(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null)
    return Object.values(value).some((member) => typeof member === 'function');
  // classes of the platform have a tag of their own
  return Object.prototype.toString.call(value) === '[object Object]';
}

export interface Description {
  readonly methods: string[];
  /** Names of fields and getters whose values a snapshot holds. */
  readonly values: string[];
}

export function describe(object: object): Description {
  const methods = new Set<string>();
  const values = new Set<string>();
  for (let level = object; level && level !== Object.prototype; level = Object.getPrototypeOf(level)) {
    for (const [name, property] of Object.entries(Object.getOwnPropertyDescriptors(level))) {
      // 'undefined' is the name of [Symbol.dispose] in engines without it, such as Node 20.0
      if (name === 'constructor' || name === 'undefined' || promises.has(name)) continue;
      if (typeof property.value === 'function') methods.add(name);
      else values.add(name);
    }
  }
  return { methods: [...methods], values: [...values] };
}
