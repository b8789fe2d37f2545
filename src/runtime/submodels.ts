/**
 * Submodels: what a loaded model can run instead of the whole, over the same weights and the same cache. Of a file with nested bits these are
 * its readings at 8 and at 4 bits, of one with nested widths its narrower models. A change takes effect with the next step; keys and
 * values that another submodel has computed stay.
 */
import { OptionError } from '../core/errors.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import type { Graph } from '../graph/graph.ts';
import type { Program } from '../graph/program.ts';
import { buildModel } from '../models/buildModel.ts';
import type { ModelParts } from '../models/modelBuilder.ts';
import { atBits, hasNestedBits } from '../models/nestedBits.ts';
import { atWidth, widthIndex, widthsOf } from '../models/nestedWidths.ts';
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

/** A submodel before it is compiled. */
export interface SubmodelGraph extends Pick<Submodel, 'name' | 'quality'> {
  /** Its own graph. Undefined: that of the whole model. */
  readonly graph?: Graph;
}

/** Which submodels are loaded: one, or all of those that the file has. */
export interface Selection extends Pick<LoadOptions, 'bits' | 'width'> {
  /** True for only the largest, whose matrices are then not cut into slabs: with adapters, exits and exact weights. */
  readonly isAlone?: boolean;
}

/** Quality at 4 bits, and what the loss of all neurons would cost. */
const [FOUR_BITS, NEURONS] = [0.98, 0.2];

/**
 * The largest submodel that is loaded, with the weights of all others.
 * @throws {OptionError} for bits or a width that the file does not have
 */
export function wholeOf(file: Checkpoint, selection: Selection): Checkpoint {
  const [largest] = readingsOf(file, selection);
  return largest!.checkpoint;
}

/** The submodels that a file allows, the largest first. @throws {OptionError} */
export function submodelGraphs(
  file: Checkpoint,
  selection: Selection,
  context: number,
  parts: ModelParts,
): SubmodelGraph[] {
  return readingsOf(file, selection).map(({ name, quality, checkpoint }, index) => ({
    name,
    quality,
    ...(index > 0 && { graph: buildModel(checkpoint, context, parts).graph }),
  }));
}

interface Reading extends Pick<Submodel, 'name' | 'quality'> {
  readonly checkpoint: Checkpoint;
}

function readingsOf(file: Checkpoint, { bits, width, isAlone = false }: Selection): Reading[] {
  const widths = isAlone && width === undefined ? undefined : widthsOf(file);
  const isNested = hasNestedBits(file);
  if (bits !== undefined && !isNested)
    throw new OptionError('bits', bits, `nothing for ${file.name}, which has no nested bits`);
  const indices = width === undefined ? [...(widths?.keys() ?? [0])].reverse() : [widthIndex(file, widths, width)];
  const allBits = bits !== undefined || !isNested ? [bits] : isAlone ? ([8] as const) : ([8, 4] as const);
  const readings = indices.flatMap((index) =>
    allBits.map((each): Reading => {
      const share = widths ? widths[index]! / widths.at(-1)! : 1;
      const named = [each && `${each} bits`, share < 1 && `${Math.round(100 * share)}% of the neurons`];
      const plain = each ? atBits(file, each) : file;
      const quality = (each === 4 && bits === undefined ? FOUR_BITS : 1) * (1 - NEURONS * (1 - share));
      const checkpoint = widths ? atWidth(plain, widths, index) : plain;
      return { name: named.filter(Boolean).join(', ') || WHOLE, quality, checkpoint };
    }),
  );
  return readings.sort((a, b) => b.quality - a.quality);
}

/** Compiles submodels over the weights of the largest. */
export async function compileSubmodels(largest: Program, graphs: readonly SubmodelGraph[]): Promise<Submodel[]> {
  const submodels: Submodel[] = [];
  for (const { name, quality, graph } of graphs)
    submodels.push({ name, quality, program: graph ? await largest.derive(graph) : largest });
  return submodels;
}
