/** Help text that describes the fields of a recipe, or of another JSON file with a schema. */
import type * as z from 'zod';
import { schemaFields } from './fields.ts';
import { recipeSchema } from './schema.ts';

const HEAD = 'A recipe is a JSON object. Relative paths are relative to the recipe file. Its fields:';

export function describeRecipe(): string {
  return describeFields(
    HEAD,
    recipeSchema((path) => path),
  );
}

/** Lists every field of an object with its type, default and description. @param head first line of the text */
export function describeFields(head: string, schema: z.ZodType): string {
  const lines = schemaFields(schema).map(({ parent, key, type, required, default: standard, description }) => {
    const depth = parent === '' ? 0 : parent.split('.').length;
    const indent = '  '.repeat(depth + 1);
    const state = required ? ', required' : standard === undefined ? '' : `, default ${standard}`;
    return `${wrapped(`${key} (${type}${state})`, indent)}\n${wrapped(description, `${indent}    `)}`;
  });
  return `${head}\n\n${lines.join('\n')}\n`;
}

const WIDTH = 100;

function wrapped(text: string, indent: string): string {
  const lines = [indent];
  for (const word of text.split(' ')) {
    const line = lines.at(-1)!;
    if (line.length > indent.length && line.length + word.length >= WIDTH) lines.push(indent + word);
    else lines[lines.length - 1] = line === indent ? indent + word : `${line} ${word}`;
  }
  return lines.join('\n');
}
