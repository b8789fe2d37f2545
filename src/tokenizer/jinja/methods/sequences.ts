/** Methods of list, tuple and range. Those that would change a list are unsafe, as in Jinja2's immutable sandbox. */
import type { Methods } from '../attributes.ts';
import { signature } from '../call.ts';
import { equal } from '../compare.ts';
import { valueError } from '../errors.ts';
import { spend } from '../limits.ts';
import { sliceIndices } from '../text.ts';
import { Builtin, type Range, type Tuple, type Value } from '../values.ts';

const count = signature('count', '/', 'value');
const index = signature('index', '/', 'value', 'start?', 'stop?');

const countIn = (items: readonly Value[]) =>
  new Builtin('count', (args) => {
    const [value] = count(args);
    spend(items.length);
    return items.filter((item) => item === value || equal(item, value!)).length;
  });

const indexIn = (items: readonly Value[], type: string) =>
  new Builtin('index', (args) => {
    const [value, start = null, stop = null] = index(args);
    spend(items.length);
    const range = sliceIndices({ start, stop, step: null }, items.length);
    for (let i = range.start; i < range.stop; i++) if (items[i] === value || equal(items[i], value!)) return i;
    throw valueError(`${type}.index(x): x not in ${type}`);
  });

const changing = ['append', 'clear', 'pop', 'reverse', 'insert', 'sort', 'extend', 'remove'] as const;

export const listMethods: Methods<Value[]> = new Map([
  ['count', countIn],
  ['index', (items: Value[]) => indexIn(items, 'list')],
  ['copy', (items: Value[]) => new Builtin('copy', () => [...items])],
  ...changing.map((name) => [name, 'unsafe'] as const),
] as [string, ((items: Value[]) => Builtin) | 'unsafe'][]);

export const tupleMethods: Methods<Tuple> = new Map([
  ['count', ({ items }: Tuple) => countIn(items)],
  ['index', ({ items }: Tuple) => indexIn(items, 'tuple')],
]);

const itemsOf = (range: Range): Value[] => Array.from({ length: range.count }, (_, i) => range.at(i));

export const rangeMethods: Methods<Range> = new Map<string, (range: Range) => Value>([
  ['count', (range) => countIn(itemsOf(range))],
  ['index', (range) => indexIn(itemsOf(range), 'range')],
  ['start', ({ start }) => start],
  ['stop', ({ stop }) => stop],
  ['step', ({ step }) => step],
]);
