/** The formats that a budget may choose from, and what they cost: bytes, or time or energy of a token. */
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
  /** Cost of each candidate in each of its formats. */
  readonly costs: readonly (readonly number[])[];
  /** Maximum cost of all candidates together. Negative or too small where even the cheapest formats do not fit. */
  readonly limit: number;
  /** Cost of all candidates together, by the index of each one's format, if costs do not add up exactly. Default: their sum. */
  readonly total?: (levels: readonly number[]) => number;
  /** Least that the whole model can cost, in the unit of the budget. */
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
export function roomFor(checkpoint: Checkpoint, bytes: number, named: ReadonlyMap<string, BlockFormat>): Room {
  const fixed = [...checkpoint.tensors.values()]
    .filter((tensor) => !isQuantizable(tensor))
    .reduce((sum, tensor) => sum + sizeAs(tensor, keptFormat(tensor)), 0);
  const leastOf = (candidates: readonly Candidate[]): number =>
    candidates.reduce((sum, { tensor, formats }) => sum + sizeAs(tensor, formats[0]), fixed);
  const candidates = candidatesOf(checkpoint, named, (each) => leastOf(each) <= bytes);
  const costs = candidates.map(({ tensor, formats }) => formats.map((format) => sizeAs(tensor, format)));
  return { candidates, costs, limit: bytes - fixed, least: leastOf(candidates) };
}

/**
 * @param named formats that are given, by tensor name
 * @param isEnough true if a budget allows a model of these formats; smaller ones are tried if it is too small for Q3_K
 */
export function candidatesOf(
  { tensors }: Checkpoint,
  named: ReadonlyMap<string, BlockFormat>,
  isEnough: (candidates: readonly Candidate[]) => boolean,
): Candidate[] {
  const candidatesFrom = (superBlocks: readonly BlockFormat[]): Candidate[] =>
    [...tensors.values()].filter(isQuantizable).map((tensor) => {
      const own = named.get(tensor.name);
      return { tensor, formats: own ? [own] : formatsOf(tensor, superBlocks) };
    });
  return candidatesFrom(isEnough(candidatesFrom(SUPER_BLOCKS.slice(1))) ? SUPER_BLOCKS : SMALL_SUPER_BLOCKS);
}

/** Names of all formats that a budget may choose from. */
export function possibleFormats(checkpoint: Checkpoint, named: ReadonlyMap<string, BlockFormat>): string[] {
  const all = [true, false].flatMap((isEnough) => candidatesOf(checkpoint, named, () => isEnough));
  return [...new Set(all.flatMap(({ formats }) => formats.map(({ name }) => name)))];
}

/** @param superBlocks formats of matrices whose rows are whole super-blocks */
function formatsOf({ shape }: CheckpointTensor, superBlocks: readonly BlockFormat[]): readonly BlockFormat[] {
  const columns = shape.at(-1)!;
  if (columns % 256 === 0) return superBlocks;
  return columns % 32 === 0 ? BLOCKS : [formatByName('F16')];
}

/** Largest factor of a limit that the sum of costs has missed. */
const SHRINKING = 0.99;

export const sizeAs = (tensor: CheckpointTensor, format: BlockFormat): number => bytesOf(format, elementsOf(tensor));

/** Formats that fit, without measuring: as if every weight lost the same, and a bit less lost four times as much. */
export function guessFormats(room: Room): Map<string, BlockFormat> {
  const losses = room.candidates.map(({ tensor, formats }) =>
    formats.map((format) => elementsOf(tensor) * 4 ** (-(8 * sizeAs(tensor, format)) / elementsOf(tensor))),
  );
  return chosenFormats(room.candidates, leastLoss(room, losses));
}

/** Index of the format of each candidate, with the least sum of losses within the room. @param losses of each candidate in each format */
export function leastLoss({ costs, limit, total }: Room, losses: readonly (readonly number[])[]): number[] {
  const choices = costs.map((row, i) =>
    row.map((size, value): Choice<number> => ({ value, size, cost: losses[i][value] })),
  );
  for (let within = limit; ; ) {
    const levels = cheapest(choices, within)!;
    const found = total?.(levels) ?? 0;
    const isLeast = levels.every((level, i) => costs[i][level] === Math.min(...costs[i]));
    if (found <= limit || isLeast) return levels;
    // costs that do not add up were more than their sum
    within *= Math.min(SHRINKING, limit / found);
  }
}

export const chosenFormats = (candidates: readonly Candidate[], levels: readonly number[]): Map<string, BlockFormat> =>
  new Map(candidates.map(({ tensor, formats }, i) => [tensor.name, formats[levels[i]]]));
