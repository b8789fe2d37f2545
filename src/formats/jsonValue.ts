/** Values of JSON files, each with its path in the file, so that errors can name it. */
import { FormatError, UnsupportedError } from '../core/errors.ts';

/** A value of the file with its path, for errors. null and absent are the same. */
export class JsonValue {
  readonly value: unknown;
  readonly path: string;
  readonly #file: string;

  constructor(value: unknown, path: string, file: string) {
    this.value = value;
    this.path = path;
    this.#file = file;
  }

  /** A field of an object or an element of an array. @throws {FormatError} for a field of anything else */
  get(key: string | number): JsonValue {
    const name = String(key).slice(0, 40);
    const path = typeof key === 'number' ? `${this.path}[${name}]` : this.path === '' ? name : `${this.path}.${name}`;
    if (typeof this.value !== 'object' || this.value === null)
      throw this.wrong(typeof key === 'number' ? 'an array' : 'an object');
    const found = Object.hasOwn(this.value, key) ? (this.value as Record<string | number, unknown>)[key] : undefined;
    return new JsonValue(found, path, this.#file);
  }

  isAbsent(): boolean {
    return this.value === undefined || this.value === null;
  }

  isObject(): boolean {
    return typeof this.value === 'object' && this.value !== null && !Array.isArray(this.value);
  }

  string(otherwise?: string): string {
    if (this.isAbsent() && otherwise !== undefined) return otherwise;
    if (typeof this.value !== 'string') throw this.wrong('a string');
    return this.value;
  }

  /** A string of exactly one character. */
  character(otherwise?: string): string {
    const text = this.string(otherwise);
    if (Array.from(text).length !== 1) throw this.wrong('one character');
    return text;
  }

  boolean(otherwise: boolean): boolean {
    if (this.isAbsent()) return otherwise;
    if (typeof this.value !== 'boolean') throw this.wrong('true or false');
    return this.value;
  }

  /** At least 0, below `bound`. */
  integer(bound: number): number {
    if (!isId(this.value, bound)) throw this.wrong(`an integer from 0 to ${bound - 1}`);
    return this.value;
  }

  oneOf<T extends string>(values: readonly T[], otherwise: T): T {
    if (this.isAbsent()) return otherwise;
    const found = values.find((value) => value === this.value);
    if (found === undefined) throw this.unsupported(describe(this.value), values);
    return found;
  }

  mustBe(text: string): void {
    if (this.value !== text) throw this.unsupported(describe(this.value), [JSON.stringify(text)]);
  }

  /** A finite number. */
  number(): number {
    if (typeof this.value !== 'number') throw this.wrong('a number');
    return this.value;
  }

  /** Elements of an array; empty if absent. */
  array(): readonly unknown[] {
    if (this.isAbsent()) return [];
    if (!Array.isArray(this.value)) throw this.wrong('an array');
    return this.value;
  }

  list(): JsonValue[] {
    return this.array().map((_, index) => this.get(index));
  }

  object(): Readonly<Record<string, unknown>> {
    if (!this.isObject()) throw this.wrong('an object');
    return this.value as Record<string, unknown>;
  }

  wrong(expected: string): FormatError {
    const found = describe(this.value);
    return new FormatError(this.#file, `${this.path || 'the file'} is ${found}, expected ${expected}`, {
      key: this.path,
      expected,
      found,
    });
  }

  unsupported(found: string, supported: readonly string[]): UnsupportedError {
    return new UnsupportedError(`${this.#file}: ${this.path}`, found, supported, { file: this.#file, key: this.path });
  }
}

function describe(value: unknown): string {
  if (value === undefined) return 'missing';
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 80));
  if (Array.isArray(value)) return `an array of ${value.length} values`;
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}

export function isId(value: unknown, bound: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < bound;
}
