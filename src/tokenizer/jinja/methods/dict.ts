/** Methods of dict. Those that would change it are unsafe, as in Jinja2's immutable sandbox. */
import type { Methods } from '../attributes.ts';
import { signature } from '../call.ts';
import { iterateForward } from '../iterate.ts';
import { spend } from '../limits.ts';
import { Builtin, Dict, DictView } from '../values.ts';

const get = signature('get', '/', 'key', 'default?');
const noArguments = signature('keys', '/');

const view = (kind: 'keys' | 'values' | 'items') => (dict: Dict) =>
  new Builtin(kind, (args) => {
    noArguments(args);
    return new DictView(dict, kind);
  });

export const dictMethods: Methods<Dict> = new Map([
  ['keys', view('keys')],
  ['values', view('values')],
  ['items', view('items')],
  [
    'get',
    (dict: Dict) =>
      new Builtin('get', (args) => {
        const [key, otherwise = null] = get(args);
        const value = dict.get(key!);
        return value === undefined ? otherwise : value;
      }),
  ],
  [
    'copy',
    (dict: Dict) =>
      new Builtin('copy', () => {
        spend(dict.size);
        return new Dict(dict.entries());
      }),
  ],
  [
    'fromkeys',
    () =>
      new Builtin(
        'fromkeys',
        ({ positional: [keys = null, value = null] }) =>
          new Dict([...iterateForward(keys)].map((key) => [key, value] as const)),
      ),
  ],
  ...(['clear', 'pop', 'popitem', 'setdefault', 'update'] as const).map((name) => [name, 'unsafe'] as const),
] as [string, ((dict: Dict) => Builtin) | 'unsafe'][]);
