/**
 * Reads fields of a config.json, with the defaults of the model type's config class in transformers. It records the fields
 * that were read, so that unread ones can be refused.
 */
import { FormatError, UnsupportedError } from '../../core/errors.ts';
import { shown } from '../metadata.ts';

export type Fields = Readonly<Record<string, unknown>>;

export class FolderConfig {
  /** Folder name for error messages. */
  readonly folder: string;
  readonly #values: Fields;
  readonly #defaults: Fields;
  readonly #read = new Set<string>();

  constructor(folder: string, values: Fields, defaults: Fields) {
    this.folder = folder;
    this.#values = values;
    this.#defaults = defaults;
  }

  /** Value of a field, or its default if config.json lacks it. null counts as undefined. */
  value(field: string): unknown {
    this.#read.add(field);
    return (field in this.#values ? this.#values[field] : this.#defaults[field]) ?? undefined;
  }

  /** True if config.json itself has the field. */
  says(field: string): boolean {
    return field in this.#values;
  }

  number(field: string): number | undefined {
    const value = this.value(field);
    if (value === undefined) return undefined;
    if (typeof value !== 'number' || !Number.isFinite(value)) throw this.wrong(field, 'a number', value);
    return value;
  }

  /** A whole number from 0 to `most`. @throws {FormatError} naming the field if it is missing */
  count(field: string, most = 2 ** 31): number {
    const value = this.number(field);
    if (value === undefined || !Number.isInteger(value) || value < 0 || value > most)
      throw this.wrong(field, `a whole number from 0 to ${most}`, value);
    return value;
  }

  flag(field: string): boolean {
    const value = this.value(field) ?? false;
    if (typeof value !== 'boolean') throw this.wrong(field, 'true or false', value);
    return value;
  }

  text(field: string): string | undefined {
    const value = this.value(field);
    if (value === undefined || typeof value === 'string') return value;
    throw this.wrong(field, 'a string', value);
  }

  list(field: string): readonly unknown[] | undefined {
    const value = this.value(field);
    if (value === undefined || Array.isArray(value)) return value;
    throw this.wrong(field, 'a list', value);
  }

  object(field: string): Fields | undefined {
    const value = this.value(field);
    if (value === undefined || isFields(value)) return value;
    throw this.wrong(field, 'an object', value);
  }

  /** Unread fields of config.json. */
  unread(): [field: string, value: unknown][] {
    return Object.entries(this.#values).filter(([field]) => !this.#read.has(field));
  }

  wrong(field: string, expected: string, found: unknown): FormatError {
    const text = shown(found);
    return new FormatError(`${this.folder}/config.json`, `${field} is ${text}, expected ${expected}`, {
      field,
      expected,
      found: text,
    });
  }

  unsupported(field: string, found: unknown, supported: readonly string[] = []): UnsupportedError {
    return new UnsupportedError(`${this.folder}/config.json: ${field}`, shown(found), supported, { field });
  }
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
