/** The filter `tojson` of transformers: Python's json.dumps with ensure_ascii=False by default. */

import { sorted } from '../compare.ts';
import { JinjaError, typeError, valueError } from '../errors.ts';
import { listOf } from '../iterate.ts';
import { checkLength, spend, spendText } from '../limits.ts';
import { floatText, intText } from '../numbers.ts';
import { Dict, Float, isInt, isString, isTrue, stringValue, Tuple, typeName, type Value } from '../values.ts';
import { type Filters, filter } from './define.ts';

interface JsonOptions {
  readonly ascii: boolean;
  /** Indentation of one level. undefined: everything in one line. */
  readonly indent: string | undefined;
  readonly itemSeparator: string;
  readonly keySeparator: string;
  readonly sortKeys: boolean;
}

export const jsonFilters: Filters = [
  filter(
    'tojson',
    ['ensure_ascii?', 'indent?', 'separators?', 'sort_keys?'],
    (value, [ascii = false, indent = null, separators = null, sortKeys = false]) => {
      const [itemSeparator, keySeparator] =
        separators === null ? [indent === null ? ', ' : ',', ': '] : separatorsOf(separators);
      const options = {
        ascii: isTrue(ascii),
        indent: indentOf(indent),
        itemSeparator,
        keySeparator,
        sortKeys: isTrue(sortKeys),
      };
      const pieces: string[] = [];
      new Writer(options, pieces).write(value, '\n');
      const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
      checkLength(length);
      return pieces.join('');
    },
  ),
];

function indentOf(value: Value): string | undefined {
  if (value === null) return undefined;
  if (isString(value)) return stringValue(value);
  if (!isInt(value)) throw typeError(`can't multiply sequence by non-int of type '${typeName(value)}'`);
  checkLength(Number(value));
  spendText(Number(value));
  return ' '.repeat(Math.max(0, Number(value)));
}

function separatorsOf(value: Value): string[] {
  const parts = listOf(value);
  if (parts.length !== 2) throw valueError(`separators must be two strings, got ${parts.length}`);
  return parts.map((part) => {
    if (!isString(part)) throw typeError('separators must be strings');
    return stringValue(part);
  });
}

class Writer {
  readonly #options: JsonOptions;
  readonly #pieces: string[];
  #length = 0;

  constructor(options: JsonOptions, pieces: string[]) {
    this.#options = options;
    this.#pieces = pieces;
  }

  /** @param lineStart line end and indentation of the current line */
  write(value: Value, lineStart: string): void {
    spend(1);
    if (isString(value)) this.#add(this.#quoted(stringValue(value)));
    else if (value === null) this.#add('null');
    else if (typeof value === 'boolean') this.#add(value ? 'true' : 'false');
    else if (isInt(value)) this.#add(intText(value));
    else if (value instanceof Float) this.#add(floatJson(value.value));
    else if (Array.isArray(value)) this.#list(value, lineStart);
    else if (value instanceof Tuple) this.#list(value.items, lineStart);
    else if (value instanceof Dict) this.#dict(value, lineStart);
    else throw typeError(`Object of type ${typeName(value)} is not JSON serializable`);
  }

  #add(piece: string): void {
    this.#length += piece.length;
    checkLength(this.#length);
    this.#pieces.push(piece);
  }

  #list(items: readonly Value[], lineStart: string): void {
    this.#bracketed('[', ']', items, lineStart, (item, inner) => this.write(item, inner));
  }

  #dict(dict: Dict, lineStart: string): void {
    let entries = [...dict.entries()];
    if (this.#options.sortKeys) entries = sorted(entries, (entry) => new Tuple(entry));
    this.#bracketed('{', '}', entries, lineStart, ([key, value], inner) => {
      this.#add(this.#quoted(keyText(key)) + this.#options.keySeparator);
      this.write(value, inner);
    });
  }

  #bracketed<T>(
    open: string,
    close: string,
    items: readonly T[],
    lineStart: string,
    each: (item: T, inner: string) => void,
  ): void {
    if (items.length === 0) {
      this.#add(open + close);
      return;
    }
    const { indent, itemSeparator } = this.#options;
    const inner = lineStart + (indent ?? '');
    const gap = indent === undefined ? '' : inner;
    this.#add(open + gap);
    items.forEach((item, i) => {
      if (i > 0) this.#add(itemSeparator + gap);
      each(item, inner);
    });
    this.#add((indent === undefined ? '' : lineStart) + close);
  }

  #quoted(text: string): string {
    spendText(text.length);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones that JSON escapes
    const pattern = this.#options.ascii ? /["\\]|[^ -~]/g : /["\\\x00-\x1f]/g;
    return `"${text.replace(pattern, escapedCharacter)}"`;
  }
}

const NAMED: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\f': '\\f',
  '\b': '\\b',
};

function escapedCharacter(unit: string): string {
  return NAMED[unit] ?? `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

function floatJson(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value < 0 ? '-Infinity' : 'Infinity';
  return floatText(value);
}

function keyText(key: Value): string {
  if (isString(key)) return stringValue(key);
  if (key === null) return 'null';
  if (typeof key === 'boolean') return key ? 'true' : 'false';
  if (isInt(key)) return intText(key);
  if (key instanceof Float) return floatJson(key.value);
  throw new JinjaError('TypeError', `keys must be str, int, float, bool or None, not ${typeName(key)}`);
}
