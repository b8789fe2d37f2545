/** Help text that describes the fields of a recipe. */
import { recipeFields } from './fields.ts';

/** Lists every field with its type, default and description. */
export function describeRecipe(): string {
  const lines = recipeFields().map(({ parent, key, type, required, default: standard, description }) => {
    const depth = parent === '' ? 0 : parent.split('.').length;
    const indent = '  '.repeat(depth + 1);
    const state = required ? ', required' : standard === undefined ? '' : `, default ${standard}`;
    return `${wrapped(`${key} (${type}${state})`, indent)}\n${wrapped(description, `${indent}    `)}`;
  });
  const head = 'A recipe is a JSON object. Relative paths are relative to the recipe file. Its fields:';
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
