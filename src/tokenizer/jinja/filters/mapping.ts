/** Filters that apply a filter, a test or an attribute to each element: map, select, reject … */
import type { FilterFunction } from '../call.ts';
import type { RenderContext } from '../context.ts';
import { JinjaError } from '../errors.ts';
import { iterateForward } from '../iterate.ts';
import { str } from '../repr.ts';
import { tests } from '../tests.ts';
import { type Arguments, isTrue, Lazy, type Value } from '../values.ts';
import { attributeGetter } from './attribute.ts';
import type { Filters } from './define.ts';

export function mappingFilters(filters: ReadonlyMap<string, FilterFunction>): Filters {
  return [
    ['map', (context, value, args) => new Lazy(mapped(filters, context, value, args))],
    ['select', (_, value, args) => new Lazy(selected(value, args, true, false))],
    ['reject', (_, value, args) => new Lazy(selected(value, args, false, false))],
    ['selectattr', (_, value, args) => new Lazy(selected(value, args, true, true))],
    ['rejectattr', (_, value, args) => new Lazy(selected(value, args, false, true))],
  ];
}

/** Reads the input lazily. False values, including none, have no elements. */
function* mapped(
  filters: ReadonlyMap<string, FilterFunction>,
  context: RenderContext,
  value: Value,
  { positional, named }: Arguments,
): Generator<Value> {
  if (!isTrue(value)) return;
  const attribute = named.get('attribute');
  if (positional.length === 0 && attribute !== undefined) {
    for (const name of named.keys())
      if (name !== 'attribute' && name !== 'default')
        throw new JinjaError('FilterArgumentError', `Unexpected keyword argument '${name}'`);
    const get = attributeGetter(attribute, named.get('default'));
    for (const item of iterateForward(value)) yield get(item);
    return;
  }
  const [name, ...rest] = positional;
  if (name === undefined) throw new JinjaError('FilterArgumentError', 'map requires a filter argument');
  for (const item of iterateForward(value)) {
    const found = filters.get(str(name));
    if (!found) throw new JinjaError('TemplateRuntimeError', `No filter named '${str(name)}'.`);
    yield found(context, item, { positional: rest, named });
  }
}

function* selected(
  value: Value,
  { positional, named }: Arguments,
  wanted: boolean,
  byAttribute: boolean,
): Generator<Value> {
  if (!isTrue(value)) return;
  const [attribute, name, ...rest] = byAttribute ? positional : [null, ...positional];
  if (attribute === undefined) throw new JinjaError('FilterArgumentError', 'Missing parameter for attribute name');
  const get = attributeGetter(attribute);
  for (const item of iterateForward(value)) {
    const tested = get(item);
    let passes: boolean;
    if (name === undefined) passes = isTrue(tested);
    else {
      const test = tests.get(str(name));
      if (!test) throw new JinjaError('TemplateRuntimeError', `No test named '${str(name)}'.`);
      passes = test(tested, { positional: rest, named });
    }
    if (passes === wanted) yield item;
  }
}
