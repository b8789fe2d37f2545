/** Makes the tokenizer, the dataset and the learning rate schedule that a recipe describes. */
import { cacheStore } from '#leaf/formats/download/store';
import { fileSource } from '#leaf/formats/sources/path';
import { FormatError } from '../core/errors.ts';
import type { OnProgress } from '../core/progress.ts';
import { openCheckpoint } from '../formats/open.ts';
import type { TokenizerSpec } from '../tokenizer/spec.ts';
import { trainByteLevelBpe } from '../tokenizer/training/byteLevelBpe.ts';
import { characterTokenizer } from '../tokenizer/training/characters.ts';
import { shrinkBpe } from '../tokenizer/training/shrinkBpe.ts';
import { type Dataset, type DatasetOptions, openDataset } from './data/dataset.ts';
import { textPieces } from './data/textPieces.ts';
import type { Recipe } from './recipe/schema.ts';
import type { Schedule } from './schedule.ts';

export interface PreparationOptions {
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
}

type RecipeSource = Recipe['data']['sources'][number];

const HELD_OUT = 0.1;
/** Default of minimumLearningRate as a fraction of learningRate. */
const MINIMUM_RATE = 0.1;

/**
 * Reads the tokenizer from a file or from the start model, or trains it on the texts.
 * @throws {FormatError|SourceError} if a text or file cannot be read, or the file has no tokenizer
 */
export async function recipeTokenizer(
  { tokenizer, model, data }: Recipe,
  options: PreparationOptions = {},
): Promise<TokenizerSpec> {
  const file = tokenizer?.file ?? model.start;
  if (file !== undefined) return tokenizerOf(file, options.signal);
  const heldOut = data.heldOut.sources ?? [];
  // includes the held-out texts: a character outside the vocabulary could not be encoded
  if (tokenizer?.characters) return characterTokenizer(texts([...data.sources, ...heldOut], options));
  const { size = 0, special, subsetOf: larger } = tokenizer ?? {};
  const sources = texts(data.sources, options);
  if (larger !== undefined) return shrinkBpe(await tokenizerOf(larger, options.signal), sources, { size, ...options });
  return trainByteLevelBpe(sources, { size, special, ...options });
}

/** @throws {FormatError|SourceError} as `openDataset` */
export function recipeDataset(
  recipe: Recipe,
  tokenizer: TokenizerSpec,
  options: PreparationOptions = {},
): Promise<Dataset> {
  return openDataset(datasetOptions(recipe, tokenizer, options));
}

export function datasetOptions(
  { data, evaluation, seed }: Recipe,
  tokenizer: TokenizerSpec,
  options: PreparationOptions,
): DatasetOptions {
  const { sources, heldOut, cache } = data;
  const text = (source: RecipeSource) => ({ ...source, open: () => fileSource(source.path) });
  return {
    ...data,
    texts: sources.map(text),
    heldOut: heldOut.sources?.map(text) ?? heldOut.fraction ?? HELD_OUT,
    evaluationBatches: evaluation.batches,
    tokenizer,
    store: cacheStore(cache),
    seed,
    ...options,
  };
}

export function recipeSchedule({ optimizer, steps }: Recipe): Schedule {
  const { learningRate, warmup, minimumLearningRate = learningRate * MINIMUM_RATE } = optimizer;
  return { learningRate, minimumLearningRate, warmup, steps };
}

async function tokenizerOf(file: string, signal?: AbortSignal): Promise<TokenizerSpec> {
  const checkpoint = await openCheckpoint(file, { signal });
  try {
    if (checkpoint.tokenizer) return checkpoint.tokenizer;
    throw new FormatError(checkpoint.name, 'has no tokenizer: name another file, or train one with tokenizer.size');
  } finally {
    await checkpoint.close();
  }
}

async function* texts(sources: readonly RecipeSource[], options: PreparationOptions): AsyncGenerator<string> {
  for (const { path, separator } of sources) {
    const source = await fileSource(path);
    try {
      for await (const { text } of textPieces(source, { separator, ...options })) yield text;
    } finally {
      await source.close();
    }
  }
}
