/** Reads typed values of a model's metadata by GGUF key. It records the keys that were read, so that unread ones can be refused. */
import { FormatError } from '../core/errors.ts';

export class Metadata {
  /** File or folder name for error messages. */
  readonly file: string;
  readonly architecture: string;
  readonly #values: ReadonlyMap<string, unknown>;
  readonly #read = new Set<string>();

  constructor(file: string, architecture: string, values: ReadonlyMap<string, unknown>) {
    this.file = file;
    this.architecture = architecture;
    this.#values = values;
  }

  has(key: string): boolean {
    return this.value(key) !== undefined;
  }

  /** A finite number under `<architecture>.<key>`. @throws {FormatError} if it is missing and has no default */
  number(key: string, otherwise?: number): number {
    const value = this.value(key);
    if (value === undefined && otherwise !== undefined) return otherwise;
    return this.#number(key, value);
  }

  /** A whole number from `least` to `most`. */
  count(key: string, otherwise?: number, least = 1, most = 2 ** 31): number {
    return this.#count(key, this.number(key, otherwise), least, most);
  }

  text(key: string, otherwise: string): string {
    const value = this.value(key) ?? otherwise;
    if (typeof value !== 'string') throw this.wrong(key, 'a string', value);
    return value;
  }

  /** A boolean, stored as a boolean or as 0 or 1. */
  flag(key: string, otherwise: boolean): boolean {
    const value = this.value(key) ?? otherwise;
    if (value === true || value === 1) return true;
    if (value === false || value === 0) return false;
    throw this.wrong(key, 'a boolean', value);
  }

  /** One boolean per layer, see {@link numbers}. */
  flags(key: string, layers: number): boolean[] {
    const value = this.value(key);
    if (!isList(value)) return new Array<boolean>(layers).fill(this.flag(key, false));
    const list = Array.from(value, Number);
    if (list.length < layers || list.some((one) => one !== 0 && one !== 1))
      throw this.wrong(key, `a boolean, or a list of ${layers}, one for each layer`, value);
    return list.slice(0, layers).map((one) => one === 1);
  }

  /** One number per layer. The file has a list with at least one number per layer, or one number for all layers. */
  numbers(key: string, layers: number, otherwise?: number | readonly number[]): number[] {
    const value = this.value(key) ?? otherwise;
    if (!isList(value)) return new Array<number>(layers).fill(this.#number(key, value));
    if (value.length < layers) throw this.wrong(key, `a number, or a list of ${layers}, one for each layer`, value);
    return Array.from({ length: layers }, (_, layer) => this.#number(key, value[layer]));
  }

  /** One number per layer under a key without the architecture's prefix. */
  globalNumbers(key: string, layers: number): number[] {
    const value = this.#values.get(key);
    const list = isList(value) ? Array.from(value) : new Array<unknown>(layers).fill(value);
    return list.slice(0, layers).map((element) => this.#number(key, element));
  }

  /** One whole number per layer, see {@link numbers}. */
  counts(key: string, layers: number, otherwise?: number | readonly number[], least = 1, most = 2 ** 31): number[] {
    return this.numbers(key, layers, otherwise).map((value) => this.#count(key, value, least, most));
  }

  /** The value as the file has it. */
  value(key: string): unknown {
    this.#read.add(key);
    return this.#values.get(`${this.architecture}.${key}`) ?? undefined;
  }

  /** Unread keys of this architecture, without its prefix, and their values. */
  unread(): [key: string, value: unknown][] {
    const prefix = `${this.architecture}.`;
    return [...this.#values]
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, value]): [string, unknown] => [key.slice(prefix.length), value])
      .filter(([key]) => !this.#read.has(key));
  }

  wrong(key: string, expected: string, found: unknown): FormatError {
    const name = `${this.architecture}.${key}`;
    const text = shown(found);
    return new FormatError(this.file, `metadata ${name} is ${text}, expected ${expected}`, {
      key: name,
      expected,
      found: text,
    });
  }

  #number(key: string, value: unknown): number {
    if (typeof value === 'bigint') return Number(value);
    if (typeof value !== 'number' || !Number.isFinite(value)) throw this.wrong(key, 'a number', value);
    return value;
  }

  #count(key: string, value: number, least: number, most: number): number {
    if (!Number.isInteger(value) || value < least || value > most)
      throw this.wrong(key, `a whole number from ${least} to ${most}`, value);
    return value;
  }
}

/** True for typed arrays (GGUF) and plain arrays (config.json). */
export function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

/** A metadata value for error messages, at most 80 characters. */
export function shown(value: unknown): string {
  if (value === undefined) return 'missing';
  const plain = isList(value) ? Array.from(value) : value;
  const text = JSON.stringify(plain, (_, v) => (typeof v === 'bigint' ? `${v}` : v)) ?? String(plain);
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}
