/**
 * Python's values in JavaScript.
 *
 *     None   null                  list    an array
 *     bool   boolean               tuple   Tuple
 *     int    number, beyond ±2⁵³   dict    Dict
 *            bigint                range   Range
 *     float  Float                 bytes   Bytes
 *     str    string; Markup        …       other subclasses of PyObject
 *
 * JavaScript's own objects never get in: what applications pass is converted (`fromJavaScript.ts`). So a name like
 * `constructor` or `__proto__` is an attribute that does not exist.
 */
import { JinjaError, typeError } from './errors.ts';

export type Value = null | boolean | number | bigint | string | Value[] | PyObject;
export type Int = number | bigint;

/** Arguments of a call: positional ones and those given by name. */
export interface Arguments {
  readonly positional: Value[];
  readonly named: ReadonlyMap<string, Value>;
}

/** Base of all values that are neither primitives nor arrays. Subclasses override what their type supports. */
export abstract class PyObject {
  /** Name of Python's type: 'dict'. */
  abstract readonly typeName: string;

  repr(): string {
    return `<${this.typeName} object>`;
  }

  /** Python's str(). */
  text(): string {
    return this.repr();
  }

  isTrue(): boolean {
    return this.length === undefined || this.length() > 0;
  }

  /** Returns an attribute, or undefined if there is none. 'unsafe': a method that would change the object. */
  attribute(_name: string): Value | 'unsafe' | undefined {
    return undefined;
  }

  /** Key for a JavaScript Map; equal values have the same key. @throws {JinjaError} TypeError if the type is not hashable */
  hash(): unknown {
    return this;
  }

  /** Python's len(). Absent if the type has no length. */
  length?(): number;
  /** Absent if the type cannot be iterated. */
  iterate?(): Iterator<Value>;
  /** Absent if the type cannot be called. */
  call?(args: Arguments): Value;
}

export class Float extends PyObject {
  readonly typeName = 'float';
  readonly value: number;

  constructor(value: number) {
    super();
    this.value = value;
  }

  override isTrue(): boolean {
    return this.value !== 0;
  }

  override hash(): unknown {
    const { value } = this;
    return Number.isInteger(value) && !Number.isSafeInteger(value) ? BigInt(value) : value;
  }
}

/** A str that is safe HTML. Text that is inserted is escaped. */
export class Markup extends PyObject {
  readonly typeName = 'Markup';
  readonly value: string;

  constructor(value: string) {
    super();
    this.value = value;
  }

  override text(): string {
    return this.value;
  }

  override isTrue(): boolean {
    return this.value !== '';
  }

  override hash(): unknown {
    return hashKey(this.value);
  }
}

export class Tuple extends PyObject {
  readonly typeName: string = 'tuple';
  readonly items: Value[];

  constructor(items: Value[]) {
    super();
    this.items = items;
  }

  override length(): number {
    return this.items.length;
  }

  override iterate(): Iterator<Value> {
    return this.items.values();
  }

  override hash(): unknown {
    return `\0t${this.items.map(keyText).join('')}`;
  }
}

/** Keeps the order of insertion. As in Python, 1, 1.0 and True are the same key. */
export class Dict extends PyObject {
  readonly typeName = 'dict';
  readonly #entries = new Map<unknown, [key: Value, value: Value]>();

  constructor(entries: Iterable<readonly [Value, Value]> = []) {
    super();
    for (const [key, value] of entries) this.set(key, value);
  }

  /** @throws {JinjaError} TypeError if the key is not hashable */
  get(key: Value): Value | undefined {
    return this.#entries.get(hashKey(key))?.[1];
  }

  /** An existing key keeps its position and its type. */
  set(key: Value, value: Value): void {
    const hashed = hashKey(key);
    const entry = this.#entries.get(hashed);
    if (entry) entry[1] = value;
    else this.#entries.set(hashed, [key, value]);
  }

  has(key: Value): boolean {
    return this.#entries.has(hashKey(key));
  }

  get size(): number {
    return this.#entries.size;
  }

  override length(): number {
    return this.#entries.size;
  }

  entries(): IterableIterator<[Value, Value]> {
    return this.#entries.values();
  }

  *keys(): IterableIterator<Value> {
    for (const [key] of this.#entries.values()) yield key;
  }

  *values(): IterableIterator<Value> {
    for (const [, value] of this.#entries.values()) yield value;
  }

  override iterate(): Iterator<Value> {
    return this.keys();
  }

  override hash(): never {
    throw typeError("unhashable type: 'dict'");
  }
}

/** Result of dict.keys(), values() and items(). */
export class DictView extends PyObject {
  readonly typeName: string;
  readonly dict: Dict;
  readonly kind: 'keys' | 'values' | 'items';

  constructor(dict: Dict, kind: 'keys' | 'values' | 'items') {
    super();
    this.dict = dict;
    this.kind = kind;
    this.typeName = `dict_${kind}`;
  }

  override length(): number {
    return this.dict.size;
  }

  override *iterate(): Generator<Value> {
    for (const [key, value] of this.dict.entries()) {
      yield this.kind === 'keys' ? key : this.kind === 'values' ? value : new Tuple([key, value]);
    }
  }
}

export class Range extends PyObject {
  readonly typeName = 'range';
  readonly start: number;
  readonly step: number;
  readonly count: number;
  readonly stop: number;

  constructor(start: number, stop: number, step: number) {
    super();
    this.start = start;
    this.stop = stop;
    this.step = step;
    this.count = Math.max(0, Math.ceil((stop - start) / step));
  }

  at(index: number): number {
    return this.start + index * this.step;
  }

  override length(): number {
    return this.count;
  }

  override *iterate(): Generator<Value> {
    for (let i = 0; i < this.count; i++) yield this.at(i);
  }
}

export class Bytes extends PyObject {
  readonly typeName = 'bytes';
  readonly value: Uint8Array;

  constructor(value: Uint8Array) {
    super();
    this.value = value;
  }

  override length(): number {
    return this.value.length;
  }

  override iterate(): Iterator<Value> {
    return this.value.values();
  }

  override hash(): unknown {
    return `\0b${this.value.join()}`;
  }
}

/** A generator. It can be iterated once. */
export class Lazy extends PyObject {
  readonly typeName: string;
  readonly #values: Iterator<Value>;

  constructor(values: Iterator<Value>, typeName = 'generator') {
    super();
    this.#values = values;
    this.typeName = typeName;
  }

  override iterate(): Iterator<Value> {
    return this.#values;
  }
}

/** `a:b:c` between brackets. */
export interface Slice {
  readonly start: Value;
  readonly stop: Value;
  readonly step: Value;
}

/** Value of a missing name or attribute. It prints as '', is false and has no elements; other operations throw. */
export class Undefined extends PyObject {
  readonly typeName = 'Undefined';
  readonly #message: () => string;
  readonly #type: 'UndefinedError' | 'SecurityError';

  constructor(message: () => string, type: 'UndefinedError' | 'SecurityError' = 'UndefinedError') {
    super();
    this.#message = message;
    this.#type = type;
  }

  override repr(): string {
    return 'Undefined';
  }

  override text(): string {
    return '';
  }

  override length(): number {
    return 0;
  }

  override iterate(): Iterator<Value> {
    return [][Symbol.iterator]();
  }

  /** All undefined values are equal. */
  override hash(): unknown {
    return Undefined;
  }

  error(): JinjaError {
    return new JinjaError(this.#type, this.#message());
  }
}

/** A function that templates may call. */
export class Builtin extends PyObject {
  readonly typeName: string = 'builtin_function_or_method';
  readonly name: string;
  readonly #run: (args: Arguments) => Value;

  constructor(name: string, run: (args: Arguments) => Value) {
    super();
    this.name = name;
    this.#run = run;
  }

  override repr(): string {
    return `<built-in method ${this.name}>`;
  }

  override call(args: Arguments): Value {
    return this.#run(args);
  }
}

function hashKey(value: Value): unknown {
  // keys of composite values begin with U+0000
  if (typeof value === 'string') return value.charCodeAt(0) === 0 ? `\0s${value}` : value;
  if (typeof value === 'boolean') return Number(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) throw typeError("unhashable type: 'list'");
  return value.hash();
}

const identities = new WeakMap<object, number>();
let lastIdentity = 0;

/** Key with its length, so that ('a', 'b') and ('ab',) differ. */
function keyText(value: Value): string {
  const key = hashKey(value);
  if (typeof key === 'string') return `s${key.length}:${key}`;
  if (typeof key !== 'object' && typeof key !== 'function') return `${String(key)};`;
  if (key === null) return 'null;';
  const identity = identities.get(key) ?? ++lastIdentity;
  identities.set(key, identity);
  return `o${identity};`;
}

export function typeName(value: Value): string {
  if (value === null) return 'NoneType';
  switch (typeof value) {
    case 'boolean':
      return 'bool';
    case 'number':
    case 'bigint':
      return 'int';
    case 'string':
      return 'str';
  }
  return Array.isArray(value) ? 'list' : value.typeName;
}

export function isString(value: Value): value is string | Markup {
  return typeof value === 'string' || value instanceof Markup;
}

/** The characters of a str, Markup or not. */
export function stringValue(value: string | Markup): string {
  return typeof value === 'string' ? value : value.value;
}

export function isTrue(value: Value): boolean {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? value.length > 0 : value.isTrue();
  return Boolean(value);
}

/** True for int and bool. */
export function isInt(value: Value): value is Int | boolean {
  return typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean';
}

/** @throws {JinjaError} if the value is not an int, or beyond 2⁵³ */
export function indexOf(value: Value): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'boolean') return Number(value);
  if (typeof value === 'bigint') throw new JinjaError('OverflowError', 'Python int too large to convert');
  if (value instanceof Undefined) throw value.error();
  throw typeError(`'${typeName(value)}' object cannot be interpreted as an integer`);
}
