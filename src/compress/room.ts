/** The formats that a budget of bytes may choose from. */
import type { Checkpoint, CheckpointTensor } from '../formats/checkpoint.ts';
import { type BlockFormat, bytesOf } from '../tensor/blockFormat.ts';
import { formatByName } from '../tensor/formats.ts';
import { type Choice, cheapest } from './cheapest.ts';
import { isQuantizable, keptFormat } from './mixture.ts';
import { elementsOf } from './plan.ts';

/** A matrix and the formats that it may have, the smallest first. A level is the index of a format. */
export interface Candidate {
  readonly tensor: CheckpointTensor;
  readonly formats: readonly BlockFormat[];
}

export interface Room {
  readonly candidates: readonly Candidate[];
  /** Bytes that the matrices may take together. Negative or too small where even the smallest formats do not fit. */
  readonly bytes: number;
  /** Bytes of all tensors if each matrix has its smallest format. */
  readonly least: number;
}

/** Formats by whether the rows are whole super-blocks, the smallest first. */
const SUPER_BLOCKS = ['Q2_K', 'Q3_K', 'IQ4_XS', 'Q4_K', 'Q5_K', 'Q6_K', 'Q8_0'].map(formatByName);
/** The same for budgets below Q3_K: with Q2_K as the smallest there would be nothing to save where little is lost. */
const SMALL_SUPER_BLOCKS = [
  ...['IQ2_XXS', 'IQ2_XS', 'IQ2_S', 'Q2_K', 'IQ3_XXS', 'IQ3_S', 'IQ4_XS'].map(formatByName),
  ...SUPER_BLOCKS.slice(3),
];
const BLOCKS = ['Q4_0', 'Q4_1', 'Q5_0', 'Q5_1', 'Q8_0'].map(formatByName);

/** @param bytes of all tensors @param named formats that are given, by tensor name */
export function roomFor({ tensors }: Checkpoint, bytes: number, named: ReadonlyMap<string, BlockFormat>): Room {
  const all = [...tensors.values()];
  const matrices = all.filter(isQuantizable);
  const fixed = all
    .filter((tensor) => !isQuantizable(tensor))
    .reduce((sum, tensor) => sum + sizeAs(tensor, keptFormat(tensor)), 0);
  const candidatesFrom = (superBlocks: readonly BlockFormat[]): Candidate[] =>
    matrices.map((tensor) => {
      const own = named.get(tensor.name);
      return { tensor, formats: own ? [own] : formatsOf(tensor, superBlocks) };
    });
  const leastOf = (candidates: readonly Candidate[]): number =>
    candidates.reduce((sum, { tensor, formats }) => sum + sizeAs(tensor, formats[0]), fixed);
  const isSmall = bytes < leastOf(candidatesFrom(SUPER_BLOCKS.slice(1)));
  const candidates = candidatesFrom(isSmall ? SMALL_SUPER_BLOCKS : SUPER_BLOCKS);
  return { candidates, bytes: bytes - fixed, least: leastOf(candidates) };
}

/** @param superBlocks formats of matrices whose rows are whole super-blocks */
function formatsOf({ shape }: CheckpointTensor, superBlocks: readonly BlockFormat[]): readonly BlockFormat[] {
  const columns = shape.at(-1)!;
  if (columns % 256 === 0) return superBlocks;
  return columns % 32 === 0 ? BLOCKS : [formatByName('F16')];
}

export const sizeAs = (tensor: CheckpointTensor, format: BlockFormat): number => bytesOf(format, elementsOf(tensor));

/** Formats that fit, without measuring: as if every weight lost the same, and a bit less lost four times as much. */
export function guessFormats({ candidates, bytes }: Room): Map<string, BlockFormat> {
  const choices = candidates.map(({ tensor, formats }) =>
    formats.map((format, value): Choice<number> => {
      const size = sizeAs(tensor, format);
      return { value, size, cost: elementsOf(tensor) * 4 ** (-(8 * size) / elementsOf(tensor)) };
    }),
  );
  return chosenFormats(candidates, cheapest(choices, bytes)!);
}

export const chosenFormats = (candidates: readonly Candidate[], levels: readonly number[]): Map<string, BlockFormat> =>
  new Map(candidates.map(({ tensor, formats }, i) => [tensor.name, formats[levels[i]]]));
