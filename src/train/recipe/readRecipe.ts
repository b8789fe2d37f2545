/** Reads recipes (JSON) and checks every field before training starts. */

import type { z } from 'zod';
import { fileSource } from '#leaf/formats/sources/path';
import { FormatError } from '../../core/errors.ts';
import { parseJsonObject, readText } from '../../formats/json.ts';
import { inWords, problemsOf } from './problems.ts';
import { type Recipe, recipeSchema } from './schema.ts';

/** Name of a recipe without a file, for error messages. */
const NAME = 'recipe';

export interface ReadRecipe {
  /** With defaults filled in and paths resolved. */
  readonly recipe: Recipe;
  /** With defaults filled in and paths as written. For logs, reports and checkpoints, which may move to another machine. */
  readonly written: Recipe;
}

/** A recipe as people write it: without the fields that have defaults. */
export type RecipeInput = z.input<ReturnType<typeof recipeSchema>>;

/**
 * Checks a recipe that is not in a file. Relative paths in it are relative to the working directory, or to the page.
 * @param source object, JSON text or Blob @throws {FormatError} that lists all invalid fields
 */
export async function checkRecipe(source: RecipeInput | string | Blob): Promise<ReadRecipe> {
  if (source instanceof Blob) return parseRecipe(await source.text(), source instanceof File ? source.name : NAME);
  if (typeof source === 'string') return parseRecipe(source, NAME);
  return checkValue(source, NAME);
}

/** @param path of the recipe; relative paths in it are relative to its folder @throws {FormatError|SourceError} */
export async function readRecipe(path: string): Promise<ReadRecipe> {
  const source = await fileSource(path);
  try {
    return parseRecipe(await readText(source), path);
  } finally {
    await source.close();
  }
}

/**
 * @param file path of the recipe
 * @throws {FormatError} that lists all invalid fields; `data.problems` has one entry per problem
 */
export function parseRecipe(text: string, file: string): ReadRecipe {
  return checkValue(parseJsonObject(text, file), file);
}

function checkValue(value: unknown, file: string): ReadRecipe {
  const checked = (path: (written: string) => string): Recipe => {
    const result = recipeSchema(path).safeParse(value);
    if (result.success) return result.data;
    throw wrong(file, problemsOf(result.error, value));
  };
  const recipe = checked((written) => beside(file, written));
  const problems = [...contradictions(recipe)];
  if (problems.length > 0) throw wrong(file, problems);
  return { recipe, written: checked((written) => written) };
}

function wrong(file: string, problems: readonly string[]): FormatError {
  return new FormatError(file, problems.join('; '), { problems });
}

/** Yields contradictions between fields. */
function* contradictions(recipe: Recipe): Generator<string> {
  const { model, tokenizer, data, optimizer, lora, exit, elastic, keepZeros, distillation, earlyStopping } = recipe;
  const given = Object.keys(model).filter((key) => key !== 'start');
  if (model.start !== undefined) {
    if (given.length > 0) yield `model.start defines ${inWords(given)} already: remove one or the other`;
    if (tokenizer) yield 'tokenizer is set, but model.start has its own: remove one or the other';
  } else {
    for (const key of ['architecture', 'layers', 'width', 'heads'] as const)
      if (model[key] === undefined) yield `model.${key} is missing; a model without model.start needs it`;
    if (lora) yield 'lora needs a model.start to adapt';
    if (exit) yield 'exit needs a model.start to leave early';
    if (keepZeros) yield 'keepZeros needs a model.start';
    if (elastic) yield 'elastic needs a model.start with nested widths';
    const ways = [tokenizer?.file, tokenizer?.size, tokenizer?.characters || undefined];
    if (ways.filter((way) => way !== undefined).length !== 1)
      yield 'tokenizer is incomplete, expected one of file, size and characters: true';
  }
  if (keepZeros && (exit || lora))
    yield 'keepZeros is about the weights of the model, so exit and lora cannot be set too';
  if (elastic && (exit || lora)) yield 'elastic trains the weights of the model, so exit and lora cannot be set too';
  if (exit && lora) yield 'exit and lora are set, but the model of an exit is frozen: remove one of them';
  if (exit && distillation)
    yield 'exit and distillation are set, but an exit learns from its own model: remove one of them';
  const { width, heads, headSize, keyValueHeads = heads } = model;
  if (width !== undefined && heads !== undefined && headSize === undefined && width % heads !== 0)
    yield `model.width is ${width}, expected a multiple of model.heads (${heads}), or a model.headSize`;
  if (heads !== undefined && keyValueHeads !== undefined && heads % keyValueHeads !== 0)
    yield `model.keyValueHeads is ${keyValueHeads}, expected a divisor of model.heads (${heads})`;
  if (model.context !== undefined && model.context < data.sequence)
    yield `data.sequence is ${data.sequence}, expected at most model.context (${model.context})`;
  if (data.heldOut.fraction && data.heldOut.sources)
    yield 'data.heldOut has both fraction and sources, expected one of them';
  const { learningRate, minimumLearningRate } = optimizer;
  if (minimumLearningRate !== undefined && minimumLearningRate > learningRate)
    yield `optimizer.minimumLearningRate is ${minimumLearningRate}, expected at most optimizer.learningRate (${learningRate})`;
  if (distillation && distillation.tail > 0 && distillation.topK === undefined)
    yield `distillation.tail is ${distillation.tail}, but it needs distillation.topK`;
  if (distillation?.topK !== undefined && distillation.reverse > 0)
    yield `distillation.reverse is ${distillation.reverse}, expected 0 with distillation.topK, because tokens outside the top k have no probability`;
  if (earlyStopping && data.heldOut.fraction === 0 && !data.heldOut.sources)
    yield 'earlyStopping needs held-out data, but data.heldOut.fraction is 0';
}

/** Resolves a path relative to the folder of a file. Absolute paths, URLs and hf: sources are unchanged. */
function beside(file: string, path: string): string {
  const folder = file.slice(0, Math.max(file.lastIndexOf('/'), file.lastIndexOf('\\')) + 1);
  return /^(?:[/\\]|[a-z]:[/\\]|https?:|file:|hf:)/i.test(path) ? path : folder + path;
}
