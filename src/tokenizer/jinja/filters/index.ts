/** All filters by name: those of Jinja2 3.1, with transformers' `tojson`. */
import type { FilterFunction } from '../call.ts';
import { htmlFilters } from './html.ts';
import { jsonFilters } from './json.ts';
import { mappingFilters } from './mapping.ts';
import { numberFilters } from './numbers.ts';
import { otherFilters } from './other.ts';
import { sequenceFilters } from './sequences.ts';
import { textFilters } from './text.ts';

const all = new Map<string, FilterFunction>([
  ...textFilters,
  ...sequenceFilters,
  ...numberFilters,
  ...jsonFilters,
  ...htmlFilters,
  ...otherFilters,
]);
for (const [name, filter] of mappingFilters(all)) all.set(name, filter);

export const filters: ReadonlyMap<string, FilterFunction> = all;
