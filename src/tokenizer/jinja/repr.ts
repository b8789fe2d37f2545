/** Python's str() and repr(). */
import { checkLength, spend, spendText } from './limits.ts';
import { floatText, intText } from './numbers.ts';
import { Bytes, Dict, DictView, Float, Markup, Range, Tuple, type Value } from './values.ts';

export function str(value: Value): string {
  if (typeof value === 'string') return value;
  if (value instanceof Markup) return value.value;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return repr(value);
  return isBuiltIn(value) ? repr(value) : value.text();
}

function isBuiltIn(value: Value): boolean {
  return [Float, Tuple, Dict, DictView, Range, Bytes].some((type) => value instanceof type);
}

export function repr(value: Value): string {
  spend(1);
  switch (typeof value) {
    case 'string':
      return quoted(value);
    case 'boolean':
      return value ? 'True' : 'False';
    case 'number':
    case 'bigint':
      return intText(value);
  }
  if (value === null) return 'None';
  if (Array.isArray(value)) return `[${joined(value)}]`;
  if (value instanceof Markup) return `Markup(${quoted(value.value)})`;
  if (value instanceof Float) return floatText(value.value);
  if (value instanceof Tuple)
    return value.items.length === 1 ? `(${repr(value.items[0])},)` : `(${joined(value.items)})`;
  if (value instanceof Dict)
    return `{${listed([...value.entries()].map(([key, item]) => `${repr(key)}: ${repr(item)}`))}}`;
  if (value instanceof DictView) {
    const items = { [Symbol.iterator]: () => value.iterate() };
    return `${value.typeName}([${joined([...items])}])`;
  }
  if (value instanceof Range) return `range(${value.start}, ${value.stop}${value.step === 1 ? '' : `, ${value.step}`})`;
  if (value instanceof Bytes) return `b${quotedBytes(value.value)}`;
  return value.repr();
}

function joined(items: readonly Value[]): string {
  return listed(items.map(repr));
}

function listed(texts: readonly string[]): string {
  checkLength(texts.reduce((length, text) => length + text.length + 2, 0));
  return texts.join(', ');
}

/** Double quotes only if the text has single quotes and no double quotes. */
function quoteFor(text: string): string {
  return text.includes("'") && !text.includes('"') ? '"' : "'";
}

const NAMED: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\\': '\\\\' };
/** Characters that repr() escapes: separators and control, format, private-use and unassigned code points. */
const UNPRINTABLE = /[\\'"]|(?! )[\p{C}\p{Z}]/gu;

function quoted(text: string): string {
  spendText(text.length);
  const quote = quoteFor(text);
  const escaped = text.replace(UNPRINTABLE, (character) => {
    if (character === "'" || character === '"') return character === quote ? `\\${character}` : character;
    return NAMED[character] ?? escapedCodePoint(character.codePointAt(0)!);
  });
  return quote + escaped + quote;
}

/** \x7f, \u200b or \U000e0001 */
export function escapedCodePoint(code: number): string {
  if (code <= 0xff) return `\\x${hex(code, 2)}`;
  return code <= 0xffff ? `\\u${hex(code, 4)}` : `\\U${hex(code, 8)}`;
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0');
}

function quotedBytes(bytes: Uint8Array): string {
  const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
  const quote = quoteFor(text);
  const escaped = text.replace(/[\\'"]|[^ -~]/g, (character) => {
    if (character === "'" || character === '"') return character === quote ? `\\${character}` : character;
    return NAMED[character] ?? `\\x${hex(character.charCodeAt(0), 2)}`;
  });
  return quote + escaped + quote;
}
