/** Compares two recipes, to explain why a run cannot be resumed. */
import { fieldName } from './problems.ts';
import type { Recipe } from './schema.ts';

/** Fields that may change when a run is resumed, because they do not affect what is computed. */
const FREE: readonly (keyof Recipe)[] = ['name', 'about', 'checkpoints', 'samples', 'output', 'threads'];

/**
 * Returns the fields that differ and affect the run, e.g. 'optimizer.learningRate'.
 * @param before recipe of the checkpoint, as JSON
 * @param after recipe as written now
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
