/** Starting point of a run: the model to train, with GGUF names and metadata, and its tokenizer. */

import { OptionError } from '../core/errors.ts';
import type { OnProgress } from '../core/progress.ts';
import type { ByteSource } from '../formats/byteSource.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { openGguf } from '../formats/gguf/checkpoint.ts';
import { writeGguf } from '../formats/gguf/write.ts';
import { openCheckpoint } from '../formats/open.ts';
import { tokenizerToGguf } from '../formats/tokenizerToGguf.ts';
import { freshArchitecture, freshCheckpoint } from '../models/freshModel.ts';
import { inGgufTerms } from '../models/inGgufTerms.ts';
import type { TokenizerSpec } from '../tokenizer/spec.ts';
import type { CheckpointFolder } from './checkpoint/checkpointFolder.ts';
import { recipeTokenizer } from './fromRecipe.ts';
import type { Recipe } from './recipe/schema.ts';

export interface StartingPoint {
  /** The caller closes it. */
  readonly checkpoint: Checkpoint;
  readonly tokenizer: TokenizerSpec;
  /** True if the tensor is not trained. */
  isFrozen(tensor: string): boolean;
}

export interface StartingPointOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
}

/** File name in the run's folder. */
const TOKENIZER = 'tokenizer.gguf';

/** @throws {OptionError} if the architecture does not support the sizes; errors of opening texts and models */
export async function startingPoint(
  recipe: Recipe,
  folder: CheckpointFolder,
  options: StartingPointOptions,
): Promise<StartingPoint> {
  const { model } = recipe;
  if (model.start !== undefined) {
    const tokenizer = await recipeTokenizer(recipe, options);
    const checkpoint = inGgufTerms(await openCheckpoint(model.start, options));
    return { checkpoint, tokenizer, isFrozen: () => false };
  }
  const architecture = freshArchitecture(model.architecture!);
  const { bias = false, layers, width, heads } = model as Required<typeof model>;
  const biasesAreOpen = architecture.fresh.biasesAreOpen ?? false;
  if (bias && !biasesAreOpen)
    throw new OptionError(
      'model.bias',
      bias,
      `no value or false, because architecture ${architecture.name} defines its biases`,
    );
  const tokenizer = await cachedTokenizer(recipe, folder, options);
  const sizes = {
    layers,
    width,
    heads,
    kvHeads: model.keyValueHeads ?? heads,
    headSize: model.headSize ?? width / heads,
    ffn: model.feedForward ?? 4 * width,
    vocabulary: tokenizer.tokens.length,
    context: model.context ?? recipe.data.sequence,
    tied: model.tied ?? true,
    normEpsilon: model.normEpsilon ?? 1e-5,
    ropeBase: model.ropeBase ?? 10_000,
  };
  const checkpoint = freshCheckpoint(architecture, sizes, recipe.seed);
  return { checkpoint, tokenizer, isFrozen: (tensor) => biasesAreOpen && !bias && tensor.endsWith('.bias') };
}

/** Returns the recipe's tokenizer. It is trained once per run and then read from the run's folder. */
async function cachedTokenizer(
  recipe: Recipe,
  folder: CheckpointFolder,
  options: StartingPointOptions,
): Promise<TokenizerSpec> {
  if (!(await folder.list()).includes(TOKENIZER)) {
    const metadata = tokenizerToGguf(await recipeTokenizer(recipe, options));
    const contents = { metadata: [['general.architecture', 'tokenizer'], ...metadata] as typeof metadata, tensors: [] };
    await folder.replace(TOKENIZER, (sink) => writeGguf(sink, contents));
  }
  // always read from the file, so that every part of the run sees the same tokenizer
  const source: ByteSource = await folder.open(TOKENIZER);
  const file = await openGguf(source);
  try {
    return file.tokenizer!;
  } finally {
    await file.close();
  }
}
