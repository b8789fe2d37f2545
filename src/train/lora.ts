/** LoRA training: which matrices get low-rank factors, how these are initialized, how the adapter is written. */
import { OptionError } from '../core/errors.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { writeGguf } from '../formats/gguf/write.ts';
import type { Program } from '../graph/program.ts';
import { type AdapterFactors, adapterContents } from '../models/adapter.ts';
import { type Factors, factorNames } from '../models/modelBuilder.ts';
import type { CheckpointFolder } from './checkpoint/checkpointFolder.ts';
import { randomAt } from './data/randomAt.ts';
import type { Recipe } from './recipe/schema.ts';

type Lora = NonNullable<Recipe['lora']>;

/** Stream of random numbers, see `randomAt`. */
const FACTORS = 3;

const alphaOf = ({ rank, alpha = 2 * rank }: Lora): number => alpha;

/**
 * Returns the matrices that get low-rank factors.
 * @param base checkpoint with GGUF names
 * @throws {OptionError} if no block has a target of `lora`
 */
export function loraFactors(lora: Lora, base: Checkpoint): Map<string, Factors> {
  const factors = new Map<string, Factors>();
  const parts = new Map<string, string[]>();
  for (const [name, { shape }] of base.tensors) {
    const part = /^blk\.\d+\.(\w+)\.weight$/.exec(name)?.[1];
    if (part && shape.length === 2) parts.set(part, [...(parts.get(part) ?? []), name]);
  }
  for (const target of lora.targets) {
    const names = parts.get(target);
    if (!names)
      throw new OptionError('lora.targets', target, `a matrix of ${base.name}: ${[...parts.keys()].join(', ')}`);
    for (const name of names) factors.set(name, { rank: lora.rank, scale: alphaOf(lora) / lora.rank });
  }
  return factors;
}

/**
 * Initializes the factors of a program. A is normal with deviation 1 / sqrt(inputs), so that A·x is about as large as x.
 * B is zero, so that the adapter changes nothing at first.
 */
export async function initializeFactors(
  program: Program,
  factors: ReadonlyMap<string, Factors>,
  seed: number,
): Promise<void> {
  for (const [index, matrix] of [...factors.keys()].entries()) {
    const { a } = factorNames(matrix);
    const values = await program.readTensor(a);
    const random = randomAt(seed, FACTORS, index);
    const deviation = 1 / Math.sqrt(values.length / factors.get(matrix)!.rank);
    await program.writeTensor(
      a,
      values.map(() => deviation * random.normal()),
    );
  }
}

/** @throws {SourceError} if the file cannot be written */
export async function writeAdapter(
  folder: CheckpointFolder,
  file: string,
  recipe: Recipe,
  base: Checkpoint,
  program: Program,
  factors: ReadonlyMap<string, Factors>,
): Promise<void> {
  const trained = new Map<string, AdapterFactors>();
  for (const [matrix, { rank }] of factors) {
    const { a, b } = factorNames(matrix);
    trained.set(matrix, { rank, a: await program.readTensor(a), b: await program.readTensor(b) });
  }
  const architecture = String(base.metadata.get('general.architecture'));
  const contents = adapterContents({ architecture, alpha: alphaOf(recipe.lora!), factors: trained }, recipe.name);
  await folder.replace(file, (sink) => writeGguf(sink, contents));
}
