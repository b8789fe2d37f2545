/** Typed access to a model's metadata by GGUF keys. Errors contain the file, the key and the value. */
import { FormatError } from '../core/errors.ts';

export class Metadata {
  readonly file: string;
  readonly architecture: string;
  readonly #values: ReadonlyMap<string, unknown>;

  constructor(file: string, architecture: string, values: ReadonlyMap<string, unknown>) {
    this.file = file;
    this.architecture = architecture;
    this.#values = values;
  }

  /** Returns the finite number at `<architecture>.<key>`. @throws {FormatError} if it is missing and has no default */
  number(key: string, otherwise?: number): number {
    const value = this.#value(key);
    if (value === undefined && otherwise !== undefined) return otherwise;
    if (typeof value === 'bigint') return Number(value);
    if (typeof value !== 'number' || !Number.isFinite(value)) throw this.#wrong(key, 'a number', value);
    return value;
  }

  /** Returns an integer from `least` to 2^31. */
  count(key: string, otherwise?: number, least = 1): number {
    const value = this.number(key, otherwise);
    if (!Number.isInteger(value) || value < least || value > 2 ** 31)
      throw this.#wrong(key, `a whole number of at least ${least}`, value);
    return value;
  }

  text(key: string, otherwise: string): string {
    const value = this.#value(key) ?? otherwise;
    if (typeof value !== 'string') throw this.#wrong(key, 'a string', value);
    return value;
  }

  #value(key: string): unknown {
    return this.#values.get(`${this.architecture}.${key}`);
  }

  #wrong(key: string, expected: string, found: unknown): FormatError {
    const name = `${this.architecture}.${key}`;
    const shown =
      found === undefined ? 'nothing' : JSON.stringify(found, (_, v) => (typeof v === 'bigint' ? `${v}` : v));
    return new FormatError(this.file, `metadata ${name} is ${shown.slice(0, 80)}, expected ${expected}`, {
      key: name,
      expected,
      found: shown,
    });
  }
}
