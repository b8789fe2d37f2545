/** Recipes: JSON that people write, checked field by field before anything is computed. */
import { fileSource } from '#leaf/formats/sources/path';
import { FormatError } from '../../core/errors.ts';
import { parseJsonObject, readText } from '../../formats/json.ts';
import { inWords, problemsOf } from './problems.ts';
import { type Recipe, recipeSchema } from './schema.ts';

export interface ReadRecipe {
  /** With its defaults, and paths that can be opened. */
  readonly recipe: Recipe;
  /** The same with paths as they are written: for logs, reports and checkpoints, which may move to another machine. */
  readonly written: Recipe;
}

/** @param path of the file, from whose folder the recipe's relative paths begin @throws {FormatError|SourceError} */
export async function readRecipe(path: string): Promise<ReadRecipe> {
  const source = await fileSource(path);
  try {
    return parseRecipe(await readText(source), path);
  } finally {
    await source.close();
  }
}

/**
 * @param file the recipe's path, as errors name it
 * @throws {FormatError} naming every field that is wrong, what was found and what is expected; they are `data.problems`
 */
export function parseRecipe(text: string, file: string): ReadRecipe {
  const value = parseJsonObject(text, file);
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

/** What no field alone can be blamed for. */
function* contradictions(recipe: Recipe): Generator<string> {
  const { model, tokenizer, data, optimizer, lora, distillation, earlyStopping } = recipe;
  const given = Object.keys(model).filter((key) => key !== 'start');
  if (model.start !== undefined) {
    if (given.length > 0) yield `model.start brings its own ${inWords(given)}: leave one or the other out`;
    if (tokenizer) yield 'tokenizer is given, but model.start brings its own: leave one or the other out';
  } else {
    for (const key of ['architecture', 'layers', 'width', 'heads'] as const)
      if (model[key] === undefined) yield `model.${key} is missing, expected it where there is no model.start`;
    if (lora) yield 'lora is given, which needs a model.start to adapt';
    const ways = [tokenizer?.file, tokenizer?.size, tokenizer?.characters || undefined];
    if (ways.filter((way) => way !== undefined).length !== 1)
      yield 'tokenizer is not told, expected one of file, size and characters: true';
  }
  const { width, heads, headSize, keyValueHeads = heads } = model;
  if (width !== undefined && heads !== undefined && headSize === undefined && width % heads !== 0)
    yield `model.width is ${width}, expected a multiple of model.heads (${heads}), or a model.headSize`;
  if (heads !== undefined && keyValueHeads !== undefined && heads % keyValueHeads !== 0)
    yield `model.keyValueHeads is ${keyValueHeads}, expected a divisor of model.heads (${heads})`;
  if (model.context !== undefined && model.context < data.sequence)
    yield `data.sequence is ${data.sequence}, expected at most model.context (${model.context})`;
  if (data.heldOut.fraction && data.heldOut.sources)
    yield 'data.heldOut has a fraction and sources, expected one of them';
  const { learningRate, minimumLearningRate } = optimizer;
  if (minimumLearningRate !== undefined && minimumLearningRate > learningRate)
    yield `optimizer.minimumLearningRate is ${minimumLearningRate}, expected at most optimizer.learningRate (${learningRate})`;
  if (distillation && distillation.tail > 0 && distillation.topK === undefined)
    yield `distillation.tail is ${distillation.tail}, expected distillation.topK beside it`;
  if (distillation?.topK !== undefined && distillation.reverse > 0)
    yield `distillation.reverse is ${distillation.reverse}, expected 0 beside distillation.topK, which leaves tokens without probability`;
  if (earlyStopping && data.heldOut.fraction === 0 && !data.heldOut.sources)
    yield 'earlyStopping is given, but data.heldOut holds nothing out';
}

/** A path from the folder of a file; absolute ones, URLs and hf: sources stay. */
function beside(file: string, path: string): string {
  const folder = file.slice(0, Math.max(file.lastIndexOf('/'), file.lastIndexOf('\\')) + 1);
  return /^(?:[/\\]|[a-z]:[/\\]|https?:|file:|hf:)/i.test(path) ? path : folder + path;
}
