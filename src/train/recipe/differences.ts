/** What two recipes differ in, to tell why a run cannot go on. */
import { fieldName } from './problems.ts';
import type { Recipe } from './schema.ts';

/** Fields that may change from one part of a run to the next, as they do not change what is computed. */
const FREE: readonly (keyof Recipe)[] = ['name', 'about', 'checkpoints', 'samples', 'output', 'threads'];

/**
 * Fields in which a run would not be the same, such as 'optimizer.learningRate'.
 * @param before of the run's checkpoint, as JSON @param after as it is written now
 */
export function recipeDifferences(before: unknown, after: Recipe): string[] {
  const found: string[] = [];
  const compare = (a: unknown, b: unknown, path: readonly PropertyKey[]): void => {
    if (isObject(a) && isObject(b)) {
      for (const key of new Set([...Object.keys(a), ...Object.keys(b)]))
        compare(a[key], b[key], [...path, Array.isArray(b) ? Number(key) : key]);
    } else if (a !== b && !FREE.some((field) => field === path[0])) found.push(fieldName(path));
  };
  compare(before, JSON.parse(JSON.stringify(after)), []);
  return found;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
