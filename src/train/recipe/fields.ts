/** Lists the fields of an object from its schema. */
import * as z from 'zod';
import { recipeSchema } from './schema.ts';

export interface RecipeField {
  /** Path of the object that contains the field: '' or 'data.sources[]'. */
  readonly parent: string;
  readonly key: string;
  /** 'number', 'whole number', 'list of texts', 'windows or documents' … */
  readonly type: string;
  readonly required: boolean;
  /** JSON of the default value. */
  readonly default?: string;
  readonly description: string;
}

/** The parts of zod's JSON schemas that are used here. */
interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly prefixItems?: readonly Schema[];
}

/** Fields of a recipe. */
export function recipeFields(): readonly RecipeField[] {
  return schemaFields(recipeSchema((path) => path));
}

/** All fields in order; the fields of an object follow the object. */
export function schemaFields(schema: z.ZodType): readonly RecipeField[] {
  return [...fieldsOf(z.toJSONSchema(schema, { io: 'input' }) as Schema, '')];
}

function* fieldsOf(schema: Schema, parent: string): Generator<RecipeField> {
  for (const [key, field] of Object.entries(schema.properties ?? {})) {
    const named = { parent, key, type: typeOf(field), description: field.description ?? '' };
    const isObject = field.properties !== undefined;
    const standard = field.default === undefined || isObject ? undefined : JSON.stringify(field.default);
    yield { ...named, required: schema.required?.includes(key) ?? false, ...(standard && { default: standard }) };
    const path = parent === '' ? key : `${parent}.${key}`;
    if (isObject) yield* fieldsOf(field, path);
    if (field.items) yield* fieldsOf(field.items, `${path}[]`);
  }
}

function typeOf({ type, enum: values, items, prefixItems, properties }: Schema): string {
  if (values) return `one of ${values.join(', ')}`;
  if (prefixItems) return `list of ${prefixItems.length}: ${prefixItems.map(typeOf).join(', ')}`;
  if (items) return `list of ${typeOf(items)}s`;
  if (properties) return 'object';
  const names: Readonly<Record<string, string>> = { integer: 'whole number', string: 'text', boolean: 'true or false' };
  return names[type ?? ''] ?? type ?? 'anything';
}
