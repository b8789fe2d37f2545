/** Methods of str. The same methods of Markup return Markup and escape their arguments. */
import { signature } from '../call.ts';
import { capitalize, caseFold, kinds, swapCase, title } from '../characters.ts';
import { typeError, valueError } from '../errors.ts';
import { formatString, mapArguments } from '../format/strFormat.ts';
import { escapeHtml } from '../html.ts';
import { iterateForward } from '../iterate.ts';
import { checkLength, spend, spendText } from '../limits.ts';
import { codePointIndex, lengthOf, sliceIndices, unitIndex } from '../text.ts';
import {
  type Arguments,
  Builtin,
  Bytes,
  Dict,
  indexOf,
  isString,
  isTrue,
  Markup,
  stringValue,
  Tuple,
  typeName,
  type Value,
} from '../values.ts';
import { split, splitLines, splitRight, strip } from '../whitespace.ts';

/** @param put converts inserted text; it escapes if the string is Markup */
type Method = (text: string, args: Arguments, put: (value: Value) => string) => Value;

const none = (name: string) => signature(name, '/');

/** Methods without arguments. */
const simple: readonly (readonly [string, (text: string) => string | boolean])[] = [
  ['upper', (text) => text.toUpperCase()],
  ['lower', (text) => text.toLowerCase()],
  ['title', title],
  ['capitalize', capitalize],
  ['swapcase', swapCase],
  ['casefold', caseFold],
  ...kinds,
];

const methods = new Map<string, Method>(
  simple.map(([name, run]) => {
    const bind = none(name);
    return [
      name,
      (text, args) => {
        bind(args);
        spendText(text.length);
        return run(text);
      },
    ];
  }),
);

/** @param parameters as `signature` has them */
function method(
  name: string,
  parameters: readonly string[],
  run: (text: string, given: (Value | undefined)[], put: (value: Value) => string) => Value,
): void {
  const bind = signature(name, ...parameters);
  methods.set(name, (text, args, put) => run(text, bind(args), put));
}

/** Returns a bound method, or undefined if there is none of that name. */
export function stringMethod(string: string | Markup, name: string): Value | undefined {
  const found = methods.get(name);
  if (!found) return undefined;
  if (typeof string === 'string') return new Builtin(name, (args) => found(string, args, textArgument));
  return new Builtin(name, (args) => asMarkup(found(string.value, args, escapeHtml)));
}

function asMarkup(value: Value): Value {
  if (typeof value === 'string') return new Markup(value);
  if (Array.isArray(value)) return value.map(asMarkup);
  return value instanceof Tuple ? new Tuple(value.items.map(asMarkup)) : value;
}

function textArgument(value: Value): string {
  if (isString(value)) return stringValue(value);
  throw typeError(`must be str, not ${typeName(value)}`);
}

function optionalText(value: Value | undefined): string | undefined {
  return value === undefined || value === null ? undefined : textArgument(value);
}

function optionalInt(value: Value | undefined, otherwise: number): number {
  return value === undefined ? otherwise : indexOf(value);
}

for (const [name, side] of [
  ['strip', 'both'],
  ['lstrip', 'left'],
  ['rstrip', 'right'],
] as const)
  method(name, ['/', 'chars?'], (text, [characters]) => strip(text, optionalText(characters), side));

for (const [name, run] of [
  ['split', split],
  ['rsplit', splitRight],
] as const)
  method(name, ['sep?', 'maxsplit?'], (text, [given, limit]) => {
    const separator = optionalText(given);
    if (separator === '') throw valueError('empty separator');
    return run(text, separator, optionalInt(limit, -1));
  });

method('splitlines', ['keepends?'], (text, [keepEnds = false]) => splitLines(text, isTrue(keepEnds)));

method('replace', ['/', 'old', 'new', 'count?'], (text, [old, replacement, count], put) =>
  replaceText(text, textArgument(old!), put(replacement!), optionalInt(count, -1)),
);

method('join', ['/', 'iterable'], (text, [iterable], put) => {
  const parts: string[] = [];
  for (const part of iterateForward(iterable!)) {
    if (put === textArgument && !isString(part))
      throw typeError(`sequence item ${parts.length}: expected str instance, ${typeName(part)} found`);
    parts.push(put(part));
  }
  return joinTexts(parts, text);
});

for (const [name, matches] of [
  ['startswith', (text: string, affix: string) => text.startsWith(affix)],
  ['endswith', (text: string, affix: string) => text.endsWith(affix)],
] as const)
  method(name, ['/', 'affix', 'start?', 'end?'], (text, [affix, start = null, end = null]) => {
    const range = rangeOf(text, start, end);
    // behind the end not even '' is found
    if (!range) return false;
    const searched = text.slice(range.from, range.to);
    const affixes = affix instanceof Tuple ? affix.items : [affix!];
    return affixes.some((each) => {
      if (isString(each)) {
        spendText(stringValue(each).length);
        return matches(searched, stringValue(each));
      }
      throw typeError(`${name} first arg must be str or a tuple of str, not ${typeName(each)}`);
    });
  });

/** Range in UTF-16 units, or undefined if it starts behind the end. */
function rangeOf(text: string, start: Value, end: Value): { from: number; to: number } | undefined {
  if (start === null && end === null) return { from: 0, to: text.length };
  const length = lengthOf(text);
  const indices = sliceIndices({ start, stop: end, step: null }, length);
  if (start !== null && indexOf(start) > length) return undefined;
  if (indices.start > indices.stop) return undefined;
  return { from: unitIndex(text, indices.start), to: unitIndex(text, indices.stop) };
}

for (const [name, backwards, required] of [
  ['find', false, false],
  ['rfind', true, false],
  ['index', false, true],
  ['rindex', true, true],
] as const)
  method(name, ['/', 'sub', 'start?', 'end?'], (text, [searched, start = null, end = null]) => {
    const wanted = textArgument(searched!);
    const range = rangeOf(text, start, end);
    spendText(text.length);
    let found = -1;
    if (range) {
      const { from, to } = range;
      found = backwards ? text.lastIndexOf(wanted, to - wanted.length) : text.indexOf(wanted, from);
      if (to - wanted.length < from || found < from || found + wanted.length > to) found = -1;
    }
    if (found < 0 && required) throw valueError('substring not found');
    return codePointIndex(text, found);
  });

method('count', ['/', 'sub', 'start?', 'end?'], (text, [searched, start = null, end = null]) => {
  const wanted = textArgument(searched!);
  const range = rangeOf(text, start, end);
  if (!range) return 0;
  const within = text.slice(range.from, range.to);
  spendText(text.length);
  return wanted === '' ? lengthOf(within) + 1 : within.split(wanted).length - 1;
});

method('partition', ['/', 'sep'], (text, [given]) => {
  const separator = separatorOf(given!);
  const at = text.indexOf(separator);
  return new Tuple(at < 0 ? [text, '', ''] : [text.slice(0, at), separator, text.slice(at + separator.length)]);
});

method('rpartition', ['/', 'sep'], (text, [given]) => {
  const separator = separatorOf(given!);
  const at = text.lastIndexOf(separator);
  return new Tuple(at < 0 ? ['', '', text] : [text.slice(0, at), separator, text.slice(at + separator.length)]);
});

function separatorOf(value: Value): string {
  const separator = textArgument(value);
  if (separator === '') throw valueError('empty separator');
  return separator;
}

method('removeprefix', ['/', 'prefix'], (text, [given]) => {
  const prefix = textArgument(given!);
  return text.startsWith(prefix) ? text.slice(prefix.length) : text;
});

method('removesuffix', ['/', 'suffix'], (text, [given]) => {
  const suffix = textArgument(given!);
  return suffix !== '' && text.endsWith(suffix) ? text.slice(0, -suffix.length) : text;
});

for (const name of ['ljust', 'rjust', 'center'] as const)
  method(name, ['/', 'width', 'fillchar?'], (text, [width, fill = ' '], put) => {
    const filling = put(fill);
    if (lengthOf(filling) !== 1) throw typeError('The fill character must be exactly one character long');
    return justify(text, indexOf(width!), name, filling);
  });

export function justify(text: string, width: number, side: 'ljust' | 'rjust' | 'center', fill = ' '): string {
  const missing = Math.max(0, width - lengthOf(text));
  checkLength(width * fill.length);
  spendText(width);
  // Python's rule for an odd number of fill characters
  const before = side === 'ljust' ? 0 : side === 'rjust' ? missing : (missing >> 1) + (missing & width & 1);
  return fill.repeat(before) + text + fill.repeat(missing - before);
}

method('zfill', ['/', 'width'], (text, [width]) => {
  const missing = Math.max(0, indexOf(width!) - lengthOf(text));
  checkLength(missing);
  spendText(missing);
  const sign = /^[+-]/.test(text) ? text[0] : '';
  return sign + '0'.repeat(missing) + text.slice(sign.length);
});

method('expandtabs', ['tabsize?'], (text, [tabSize = 8]) => {
  const size = indexOf(tabSize);
  let column = 0;
  let result = '';
  for (const character of text) {
    if (character === '\t') {
      const spaces = size > 0 ? size - (column % size) : 0;
      result += ' '.repeat(spaces);
      column += spaces;
      checkLength(result.length);
      spendText(spaces);
    } else {
      result += character;
      column = character === '\n' || character === '\r' ? 0 : column + 1;
    }
  }
  return result;
});

method('encode', ['encoding?', 'errors?'], (text, [encoding = 'utf-8']) => {
  const name = textArgument(encoding).toLowerCase().replaceAll('_', '-');
  if (name !== 'utf-8' && name !== 'utf8' && !(name === 'ascii' && /^[ -~\s]*$/.test(text)))
    throw valueError(`encoding '${name}' is not supported`);
  return new Bytes(new TextEncoder().encode(text));
});

method('translate', ['/', 'table'], (text, [table]) => {
  if (!(table instanceof Dict)) throw typeError(`'${typeName(table!)}' object is not subscriptable`);
  spendText(text.length);
  let result = '';
  for (const character of text) {
    const to = table.get(character.codePointAt(0)!);
    if (to === undefined) result += character;
    else if (to !== null) result += isString(to) ? stringValue(to) : String.fromCodePoint(indexOf(to));
  }
  checkLength(result.length);
  return result;
});

methods.set('format', (text, args, put) => formatString(text, args, put === escapeHtml));
method('format_map', ['/', 'mapping'], (text, [mapping], put) =>
  formatString(text, mapArguments(mapping!), put === escapeHtml),
);

/** Python's str.replace(). '' matches before each character and at the end. @param count negative: no limit */
export function replaceText(text: string, old: string, replacement: string, count: number): string {
  spendText(text.length);
  if (old === '') {
    const characters = Array.from(text);
    const inserted = count < 0 ? characters.length + 1 : Math.min(count, characters.length + 1);
    checkLength(text.length + inserted * replacement.length);
    spend(characters.length);
    return (
      characters.map((character, i) => (i < inserted ? replacement : '') + character).join('') +
      (inserted > characters.length ? replacement : '')
    );
  }
  const parts = split(text, old, count);
  return joinTexts(parts, replacement);
}

export function joinTexts(parts: readonly string[], separator: string): string {
  const length = parts.reduce((sum, part) => sum + part.length, separator.length * Math.max(0, parts.length - 1));
  checkLength(length);
  spendText(length);
  return parts.join(separator);
}
