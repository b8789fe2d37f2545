/** Filters of sequences and mappings. */
import { equal, ordered, sorted } from '../compare.ts';
import { JinjaError, typeError } from '../errors.ts';
import { escapeHtml } from '../html.ts';
import { isIterable, iterate, iterateForward, len, listOf } from '../iterate.ts';
import { checkLength, spend } from '../limits.ts';
import { joinTexts } from '../methods/string.ts';
import { binary } from '../operators.ts';
import { str } from '../repr.ts';
import { characterAt } from '../text.ts';
import {
  Bytes,
  Dict,
  DictView,
  isString,
  Lazy,
  Markup,
  Range,
  stringValue,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from '../values.ts';
import { attributeGetter, attributesGetter, keyGetter, lowered } from './attribute.ts';
import { type Filters, filter, flag, optionalInt } from './define.ts';

/** Wraps a generator as a value. */
function lazy(values: Generator<Value>): Lazy {
  return new Lazy(values);
}

export const sequenceFilters: Filters = [
  filter('length', [], len),
  filter('count', [], len),
  filter('list', [], listOf),
  filter('first', [], (value) => {
    const first = iterate(value).next();
    return first.done ? new Undefined(() => 'No first item, sequence was empty.') : first.value;
  }),
  filter('last', [], (value) => itemOr(reversedItems(value)[0], 'No last item, sequence was empty.')),
  filter('random', [], (value) => {
    // Python looks up a random number as a key
    if (value instanceof Dict && value.size > 0) throw new JinjaError('KeyError', 'a number');
    if (!isIterable(value)) throw typeError(`object of type '${typeName(value)}' has no len()`);
    const items = listOf(value);
    return itemOr(items[Math.floor(Math.random() * items.length)], 'No random item, sequence was empty.');
  }),
  filter('reverse', [], (value) => {
    if (isString(value))
      return typeof value === 'string'
        ? Array.from(value).reverse().join('')
        : new Markup(Array.from(value.value).reverse().join(''));
    if (isReversible(value))
      return new Lazy(reversedItems(value).values(), Array.isArray(value) ? 'list_reverseiterator' : 'reversed');
    if (!isIterable(value)) throw new JinjaError('FilterArgumentError', 'argument must be iterable');
    return listOf(value).reverse();
  }),
  filter('join', ['d?', 'attribute?'], (value, [separator = '', attribute = null], { autoescape }) => {
    const get = attribute === null ? (item: Value) => item : attributeGetter(attribute);
    const items: Value[] = [];
    for (const item of iterateForward(value)) items.push(get(item));
    if (!autoescape) return joinTexts(items.map(str), str(separator));
    const marked = separator instanceof Markup || items.some((item) => item instanceof Markup);
    if (!marked) return joinTexts(items.map(str), str(separator));
    return new Markup(joinTexts(items.map(escapeHtml), escapeHtml(separator)));
  }),
  filter('sort', ['reverse?', 'case_sensitive?', 'attribute?'], (value, [reverse, caseSensitive, attribute = null]) =>
    sorted(listOf(value), attributesGetter(attribute, !flag(caseSensitive)), flag(reverse)),
  ),
  filter('dictsort', ['case_sensitive?', 'by?', 'reverse?'], (value, [caseSensitive, by = 'key', reverse]) => {
    if (by !== 'key' && by !== 'value')
      throw new JinjaError('FilterArgumentError', 'You can only sort by either "key" or "value"');
    if (!(value instanceof Dict)) throw noItems(value);
    const pairs = [...value.entries()].map((pair) => new Tuple([...pair]));
    const at = by === 'key' ? 0 : 1;
    return sorted(pairs, ({ items }) => (flag(caseSensitive) ? items[at] : lowered(items[at])), flag(reverse));
  }),
  filter('unique', ['case_sensitive?', 'attribute?'], (value, [caseSensitive, attribute = null]) =>
    lazy(unique(value, keyGetter(attribute, !flag(caseSensitive)))),
  ),
  filter('min', ['case_sensitive?', 'attribute?'], (value, [caseSensitive, attribute = null]) =>
    extreme('<', value, flag(caseSensitive), attribute),
  ),
  filter('max', ['case_sensitive?', 'attribute?'], (value, [caseSensitive, attribute = null]) =>
    extreme('>', value, flag(caseSensitive), attribute),
  ),
  filter('sum', ['attribute?', 'start?'], (value, [attribute = null, start = 0]) => {
    if (isString(start)) throw typeError("sum() can't sum strings [use ''.join(seq) instead]");
    const get = attributeGetter(attribute);
    let total: Value = start;
    for (const item of iterateForward(value)) total = binary('+', total, get(item));
    return total;
  }),
  filter('batch', ['linecount', 'fill_with?'], (value, [count, fill = null]) => lazy(batches(value, count!, fill))),
  filter('slice', ['slices', 'fill_with?'], (value, [count, fill = null]) => lazy(slices(value, count!, fill))),
  filter(
    'groupby',
    ['attribute', 'default?', 'case_sensitive?'],
    (value, [attribute, otherwise = null, caseSensitive]) => {
      const ignoreCase = !flag(caseSensitive);
      const key = keyGetter(attribute!, ignoreCase, otherwise);
      const name = keyGetter(attribute!, false, otherwise);
      const groups: GroupTuple[] = [];
      let current: { key: Value; items: Value[] } | undefined;
      for (const item of sorted(listOf(value), key)) {
        const found = key(item);
        if (current && equal(current.key, found)) current.items.push(item);
        else {
          current = { key: found, items: [item] };
          groups.push(new GroupTuple([ignoreCase ? name(item) : found, current.items]));
        }
      }
      return groups;
    },
  ),
  filter('items', [], (value) => lazy(itemsOf(value))),
];

function itemOr(item: Value | undefined, message: string): Value {
  return item === undefined ? new Undefined(() => message) : item;
}

/** Result of groupby: a pair with the attributes `grouper` and `list`. */
class GroupTuple extends Tuple {
  override readonly typeName = '_GroupTuple';

  override attribute(name: string): Value | undefined {
    return name === 'grouper' ? this.items[0] : name === 'list' ? this.items[1] : undefined;
  }
}

function noItems(value: Value): Error {
  if (value instanceof Undefined) return value.error();
  return new JinjaError('TypeError', `'${typeName(value)}' object has no attribute 'items'`);
}

function* itemsOf(value: Value): Generator<Value> {
  if (value instanceof Undefined) return;
  if (!(value instanceof Dict)) throw typeError('Can only get item pairs from a mapping.');
  for (const [key, item] of value.entries()) yield new Tuple([key, item]);
}

function isReversible(value: Value): boolean {
  return Array.isArray(value) || [Tuple, Dict, DictView, Range, Bytes, Undefined].some((type) => value instanceof type);
}

function reversedItems(value: Value): Value[] {
  if (isString(value)) {
    const last = characterAt(stringValue(value), -1);
    return last === undefined ? [] : [last];
  }
  if (!isReversible(value)) throw typeError(`'${typeName(value)}' object is not reversible`);
  return listOf(value).reverse();
}

function* unique(value: Value, key: (item: Value) => Value): Generator<Value> {
  const seen = new Dict();
  for (const item of iterateForward(value)) {
    const found = key(item);
    if (seen.has(found)) continue;
    seen.set(found, null);
    yield item;
  }
}

function extreme(operator: '<' | '>', value: Value, caseSensitive: boolean, attribute: Value): Value {
  const key = keyGetter(attribute, !caseSensitive);
  let best: { item: Value; key: Value } | undefined;
  for (const item of iterateForward(value)) {
    const found = key(item);
    if (!best || ordered(operator, found, best.key)) best = { item, key: found };
  }
  return best ? best.item : new Undefined(() => 'No aggregated item, sequence was empty.');
}

function* batches(value: Value, count: Value, fill: Value): Generator<Value> {
  let batch: Value[] = [];
  for (const item of iterateForward(value)) {
    if (equal(batch.length, count)) {
      yield batch;
      batch = [];
    }
    batch.push(item);
  }
  if (batch.length === 0) return;
  if (fill !== null && ordered('<', batch.length, count)) {
    const missing = optionalInt(count, 0) - batch.length;
    checkLength(missing);
    spend(missing);
    batch = [...batch, ...new Array<Value>(missing).fill(fill)];
  }
  yield batch;
}

function* slices(value: Value, given: Value, fill: Value): Generator<Value> {
  const items = listOf(value);
  const count = optionalInt(given, 0);
  if (count === 0) throw new JinjaError('ZeroDivisionError', 'integer division or modulo by zero');
  const size = Math.floor(items.length / count);
  const longer = items.length - size * count;
  let offset = 0;
  for (let i = 0; i < count; i++) {
    spend(1);
    const start = offset + i * size;
    if (i < longer) offset++;
    const slice = items.slice(start, offset + (i + 1) * size);
    if (fill !== null && i >= longer) slice.push(fill);
    yield slice;
  }
}
