/** Filters of text. */

import { getAttribute } from '../attributes.ts';
import { callValue } from '../call.ts';
import { JinjaError, typeError } from '../errors.ts';
import { escapeHtml } from '../html.ts';
import { len } from '../iterate.ts';
import { checkLength, spendText } from '../limits.ts';
import { replaceText } from '../methods/string.ts';
import { binary } from '../operators.ts';
import { str } from '../repr.ts';
import { lengthOf, substring } from '../text.ts';
import { type Arguments, Dict, isString, Markup, stringValue, Tuple, type Value } from '../values.ts';
import { SPACE, splitLines } from '../whitespace.ts';
import { type Filters, filter, flag, like, optionalInt, text } from './define.ts';
import { wrapLine } from './wrap.ts';

const WORD_START = new RegExp(`([-${SPACE}({\\[<]+)`);
const WORDS = /[\p{L}\p{N}_]+/gu;

/** Converts to str, but keeps Markup. */
function soft(value: Value): string | Markup {
  return isString(value) ? value : str(value);
}

/** Calls the str method of the same name. */
function viaMethod(name: string, value: Value, positional: Value[] = []): Value {
  return callValue(getAttribute(soft(value), name), { positional, named: new Map() });
}

export const textFilters: Filters = [
  filter('upper', [], (value) => viaMethod('upper', value)),
  filter('lower', [], (value) => viaMethod('lower', value)),
  filter('capitalize', [], (value) => viaMethod('capitalize', value)),
  filter('trim', ['chars?'], (value, [characters = null]) => viaMethod('strip', value, [characters])),
  filter('center', ['width?'], (value, [width = 80]) => viaMethod('center', value, [width])),
  filter('title', [], (value) => {
    const all = stringValue(soft(value));
    spendText(all.length);
    return all
      .split(WORD_START)
      .map((part) => {
        const [first = ''] = part;
        return first.toUpperCase() + part.slice(first.length).toLowerCase();
      })
      .join('');
  }),
  filter('string', [], soft),
  filter('replace', ['old', 'new', 'count?'], (value, [old, replacement, count = null], { autoescape }) => {
    const limit = count === null ? -1 : optionalInt(count, -1);
    if (!autoescape) return replaceText(str(value), str(old!), str(replacement!), limit);
    const escapes = old instanceof Markup || (replacement instanceof Markup && !(value instanceof Markup));
    const source = escapes ? new Markup(escapeHtml(value)) : soft(value);
    return viaMethod('replace', source, [soft(old!), soft(replacement!), limit]);
  }),
  [
    'format',
    (_, value, { positional, named }: Arguments) => {
      if (positional.length > 0 && named.size > 0)
        throw new JinjaError('FilterArgumentError', "can't handle positional and keyword arguments at the same time");
      return binary('%', soft(value), named.size > 0 ? new Dict(named) : new Tuple(positional));
    },
  ],
  filter('indent', ['width?', 'first?', 'blank?'], (value, [width = 4, first, blank]) => {
    const indention = isString(width)
      ? stringValue(width)
      : ' '.repeat(Math.max(0, checkedWidth(optionalInt(width, 4))));
    if (!isString(value)) throw binaryError(value);
    const lines = splitLines(`${stringValue(value)}\n`);
    checkLength(lines.length * indention.length);
    spendText(lines.length * indention.length);
    const indented = lines.map((line, i) =>
      (i === 0 ? flag(first) : flag(blank) || line !== '') ? indention + line : line,
    );
    return like(value, indented.join('\n'));
  }),
  filter(
    'truncate',
    ['length?', 'killwords?', 'end?', 'leeway?'],
    (value, [length = 255, killWords, end = '...', leeway = null]) => {
      const [limit, ending, slack] = [
        optionalInt(length, 255),
        text(end),
        leeway === null ? 5 : optionalInt(leeway, 5),
      ];
      if (limit < lengthOf(ending))
        throw new JinjaError('ValueError', `expected length >= ${lengthOf(ending)}, got ${limit}`);
      if (slack < 0) throw new JinjaError('ValueError', `expected leeway >= 0, got ${slack}`);
      if (len(value) <= limit + slack) return value;
      const source = text(value);
      const cut = substring(source, 0, limit - lengthOf(ending));
      if (flag(killWords)) return like(value, cut + ending);
      const space = cut.lastIndexOf(' ');
      return like(value, (space < 0 ? cut : cut.slice(0, space)) + ending);
    },
  ),
  filter(
    'wordwrap',
    ['width?', 'break_long_words?', 'wrapstring?', 'break_on_hyphens?'],
    (value, [width = 79, breakWords = true, wrapString = null, hyphens = true]) => {
      const separator = wrapString === null ? '\n' : text(wrapString);
      const options = { width: optionalInt(width, 79), breakWords: flag(breakWords), breakOnHyphens: flag(hyphens) };
      const lines = splitLines(text(value)).map((line) => wrapLine(line, options).join(separator));
      return lines.join(separator);
    },
  ),
  filter('wordcount', [], (value) => stringValue(soft(value)).match(WORDS)?.length ?? 0),
];

function checkedWidth(width: number): number {
  checkLength(width);
  return width;
}

function binaryError(value: Value): Error {
  try {
    binary('+', value, '\n');
  } catch (error) {
    return error as Error;
  }
  return typeError('indent needs a str');
}
