/** Filters of any value. */
import { getAttribute, hasAttribute } from '../attributes.ts';
import { JinjaError } from '../errors.ts';
import { isString, isTrue, stringValue, typeName, Undefined } from '../values.ts';
import { type Filters, filter, flag } from './define.ts';
import { prettyPrint } from './prettyPrint.ts';

const otherwise = ['default_value?', 'boolean?'];

export const otherFilters: Filters = [
  ...['default', 'd'].map((name) =>
    filter(name, otherwise, (value, [replacement = '', boolean]) =>
      value instanceof Undefined || (flag(boolean) && !isTrue(value)) ? replacement : value,
    ),
  ),
  filter('attr', ['name'], (value, [name]) => {
    if (!isString(name!)) throw new JinjaError('TypeError', 'attribute name must be string');
    const attribute = stringValue(name);
    if (hasAttribute(value, attribute)) return getAttribute(value, attribute);
    return new Undefined(() => `'${typeName(value)} object' has no attribute '${attribute}'`);
  }),
  filter('pprint', [], prettyPrint),
];
