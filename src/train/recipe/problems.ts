/** Describes what is wrong with a recipe: the field, its value and the expected value. */
import type * as z from 'zod';
import { type RecipeField, recipeFields } from './fields.ts';
import { nearestName } from './nearestName.ts';

/** Returns one sentence per problem. @param value the JSON that was checked */
export function problemsOf(error: z.ZodError, value: unknown): string[] {
  const fields = recipeFields();
  return error.issues.flatMap((issue) => {
    const field = fieldName(issue.path);
    if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownField(fields, issue.path, key));
    const found = foundAt(value, issue.path);
    const state = found === undefined ? 'is missing' : `is ${shown(found)}`;
    return `${field} ${state}, expected ${expectedBy(fields, issue)}`;
  });
}

/** Formats a path as 'data.sources[0].path'. */
export function fieldName(path: readonly PropertyKey[]): string {
  return path.reduce<string>((name, key) => {
    if (typeof key === 'number') return `${name}[${key}]`;
    return name === '' ? String(key) : `${name}.${String(key)}`;
  }, '');
}

/** Joins names: "a", "a and b", "a, b and c". */
export function inWords(names: readonly string[], last = 'and'): string {
  return names.length < 2 ? names.join() : `${names.slice(0, -1).join(', ')} ${last} ${names.at(-1)}`;
}

function unknownField(fields: readonly RecipeField[], path: readonly PropertyKey[], key: string): string {
  const known = fields.filter(({ parent }) => parent === anyEntry(path)).map(({ key }) => key);
  const near = nearestName(key, known);
  const advice = near ? `did you mean ${near}?` : `expected ${inWords(known, 'or')}`;
  return `${fieldName([...path, key])} is not a field of a recipe, ${advice}`;
}

/** Replaces indices in a path by []. */
function anyEntry(path: readonly PropertyKey[]): string {
  return fieldName(path).replace(/\[\d+\]/g, '[]');
}

/** Type names of values that have no entry in `recipeFields`, such as list items. */
const types: Readonly<Record<string, string>> = { number: 'number', string: 'text', array: 'list', tuple: 'list' };

function expectedBy(fields: readonly RecipeField[], issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return withArticle(
        fields.find(({ parent, key }) => [parent, key].filter(Boolean).join('.') === anyEntry(issue.path))?.type ??
          types[issue.expected] ??
          issue.expected,
      );
    case 'invalid_value':
      return `one of ${issue.values.map(String).join(', ')}`;
    case 'too_small':
      return bound(issue.origin, issue.inclusive ? 'at least' : 'more than', issue.minimum);
    case 'too_big':
      return bound(issue.origin, issue.inclusive ? 'at most' : 'less than', issue.maximum);
    default:
      return issue.message;
  }
}

function withArticle(type: string): string {
  if (/^(one of|true or)/.test(type)) return type;
  return type === 'object' ? `an ${type}` : `a ${type}`;
}

function bound(origin: string, comparison: string, limit: number | bigint): string {
  const units: Readonly<Record<string, string>> = { string: ' characters', array: ' entries' };
  const unit = units[origin] ?? '';
  return `${comparison} ${limit}${limit === 1 ? unit.replace(/ies$/, 'y').replace(/s$/, '') : unit}`;
}

function foundAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((inner, key) => (inner as Record<PropertyKey, unknown> | undefined)?.[key], value);
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
