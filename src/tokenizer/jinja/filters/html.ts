/** Filters for HTML. Chat templates rarely use them. */
import { JinjaError, valueError } from '../errors.ts';
import { escaped, escapeHtml } from '../html.ts';
import { isIterable, iterateForward, listOf } from '../iterate.ts';
import { checkLength, spendText } from '../limits.ts';
import { repr, str } from '../repr.ts';
import { Dict, isString, Markup, stringValue, typeName, Undefined, type Value } from '../values.ts';
import { split } from '../whitespace.ts';
import { type Filters, filter, flag, optionalInt, text } from './define.ts';
import { unescapeHtml } from './entities.ts';
import { urlize } from './urlize.ts';

export const htmlFilters: Filters = [
  filter('safe', [], (value) => new Markup(str(value))),
  filter('escape', [], escaped),
  filter('e', [], escaped),
  filter('forceescape', [], (value) => escaped(str(value))),
  filter('striptags', [], (value) => stripTags(str(value))),
  filter('urlencode', [], urlEncode),
  filter('xmlattr', ['autospace?'], (value, [autospace = true], { autoescape }) => {
    const attributes = xmlAttributes(value);
    const made = flag(autospace) && attributes !== '' ? ` ${attributes}` : attributes;
    return autoescape ? new Markup(made) : made;
  }),
  filter(
    'urlize',
    ['trim_url_limit?', 'nofollow?', 'target?', 'rel?', 'extra_schemes?'],
    (value, [limit = null, nofollow, target = null, rel = null, schemes = null], { autoescape }) => {
      const relations = new Set(['noopener', ...(rel === null ? [] : split(text(rel), undefined, -1))]);
      if (flag(nofollow)) relations.add('nofollow');
      const extraSchemes = schemes === null ? [] : listOf(schemes).map(text);
      for (const scheme of extraSchemes)
        if (!/^[\w.+-]{2,}:\/{0,2}$/.test(scheme))
          throw new JinjaError('FilterArgumentError', `${repr(scheme)} is not a valid URI scheme prefix.`);
      const made = urlize(escapeHtml(value), {
        limit: limit === null ? undefined : optionalInt(limit, 0),
        rel: [...relations].sort().join(' '),
        target: target === null ? undefined : text(target),
        extraSchemes,
      });
      return autoescape ? new Markup(made) : made;
    },
  ),
];

function xmlAttributes(value: Value): string {
  if (value instanceof Undefined) throw value.error();
  if (!(value instanceof Dict))
    throw new JinjaError('TypeError', `'${typeName(value)}' object has no attribute 'items'`);
  const attributes: string[] = [];
  for (const [key, item] of value.entries()) {
    if (item === null || item instanceof Undefined) continue;
    if (/[\t-\r />=]/.test(text(key))) throw valueError(`Invalid character in attribute name: ${repr(key)}`);
    attributes.push(`${escapeHtml(key)}="${escapeHtml(item)}"`);
  }
  return attributes.join(' ');
}

function urlEncode(value: Value): Value {
  if (isString(value) || !isIterable(value)) return urlQuote(value, '/');
  const pairs =
    value instanceof Dict
      ? [...value.entries()]
      : Array.from(iterateForward(value), (pair) => [...iterateForward(pair)]);
  return pairs
    .map((pair) => {
      if (pair.length !== 2) throw valueError('not enough values to unpack (expected 2)');
      return pair.map((part) => urlQuote(part, '').replaceAll('%20', '+')).join('=');
    })
    .join('&');
}

function urlQuote(value: Value, safe: string): string {
  const source = isString(value) ? stringValue(value) : str(value);
  spendText(source.length);
  let quoted = '';
  for (const byte of new TextEncoder().encode(source)) {
    const character = String.fromCharCode(byte);
    const stands = /[\w.~-]/.test(character) || safe.includes(character);
    quoted += stands ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  checkLength(quoted.length);
  return quoted;
}

/** Removes tags and comments, collapses white space and replaces entities. */
function stripTags(source: string): string {
  spendText(source.length);
  let rest = '';
  let at = 0;
  for (let start = source.indexOf('<', at); start >= 0; start = source.indexOf('<', at)) {
    const isComment = source.startsWith('<!--', start);
    const end = isComment ? source.indexOf('-->', start + 4) : source.indexOf('>', start);
    if (end < 0) break;
    rest += source.slice(at, start);
    at = end + (isComment ? 3 : 1);
  }
  rest += source.slice(at);
  return unescapeHtml(split(rest, undefined, -1).join(' '));
}
