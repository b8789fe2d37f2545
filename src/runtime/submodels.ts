/**
 * Submodels: what a loaded model can run instead of the whole, over the same weights and the same cache. Of a file with nested bits these are
 * its readings at 8 and at 4 bits, of one with nested widths its narrower models. A change takes effect with the next step; keys and
 * values that another submodel has computed stay.
 */
import { OptionError } from '../core/errors.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import type { Graph } from '../graph/graph.ts';
import type { Program } from '../graph/program.ts';
import type { LoadOptions } from './loadOptions.ts';

/** Name of the submodel of a file that has one only. */
export const WHOLE = 'whole';

export interface Submodel {
  /** '8 bits', '4 bits', 'whole', '75% of the neurons', '4 bits, 75% of the neurons'. */
  readonly name: string;
  readonly program: Program;
  /** Order of quality: 1 for the whole model, less for smaller ones. It says nothing about by how much they differ. */
  readonly quality: number;
}

/** Which submodels are loaded: one, or all of those that the file has. */
export interface Selection extends Pick<LoadOptions, 'bits' | 'width'> {
  /** True for only the largest, whose matrices are then not cut into slabs: with adapters, exits and exact weights. */
  readonly isAlone?: boolean;
}

/** A submodel before it is compiled. */
export interface Reading extends Pick<Submodel, 'name' | 'quality'> {
  /** The file as it is read. */
  readonly checkpoint: Checkpoint;
}

/**
 * The submodels that a file allows, the largest first: it has the weights of all others.
 * @throws {OptionError} for bits or a width that the file does not have @throws {FormatError}
 */
export async function readingsOf(file: Checkpoint, selection: Selection): Promise<readonly [Reading, ...Reading[]]> {
  const { bits, width } = selection;
  const isNested =
    file.kind === 'gguf' && (file.metadata.has('espalier.widths') || [...file.tensors.keys()].some(isLowPlane));
  if (isNested) {
    // fetched only by pages that load such files
    const { nestedReadings } = await import('./nestedReadings.ts');
    return nestedReadings(file, selection);
  }
  if (bits !== undefined) throw new OptionError('bits', bits, `nothing for ${file.name}, which has no nested bits`);
  if (width !== undefined)
    throw new OptionError('width', width, `nothing for ${file.name}, which has no nested widths`);
  return [{ name: WHOLE, quality: 1, checkpoint: file }];
}

const isLowPlane = (tensor: string): boolean => tensor.endsWith('.low');

/** Compiles submodels over the weights of the largest. @param graphOf builds the graph of a smaller one */
export async function compileSubmodels(
  largest: Program,
  readings: readonly Reading[],
  graphOf: (reading: Reading) => Graph,
): Promise<Submodel[]> {
  const submodels: Submodel[] = [];
  for (const [index, reading] of readings.entries()) {
    const { name, quality } = reading;
    submodels.push({ name, quality, program: index === 0 ? largest : await largest.derive(graphOf(reading)) });
  }
  return submodels;
}
