/**
 * Submodels: what a loaded model can run instead of the whole, over the same weights and the same cache. Of a file with nested bits these are
 * its readings at 8 and at 4 bits. A change takes effect with the next step; keys and values that another submodel has computed stay.
 */
import { OptionError } from '../core/errors.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import type { Graph } from '../graph/graph.ts';
import type { Program } from '../graph/program.ts';
import { buildModel } from '../models/buildModel.ts';
import type { ModelParts } from '../models/modelBuilder.ts';
import { atBits, hasNestedBits } from '../models/nestedBits.ts';

/** Name of the submodel of a file that has one only. */
export const WHOLE = 'whole';

export interface Submodel {
  /** '8 bits', '4 bits'. */
  readonly name: string;
  readonly program: Program;
  /** Order of quality: 1 for the whole model, less for smaller ones. It says nothing about by how much they differ. */
  readonly quality: number;
}

/** A submodel before it is compiled. */
export interface SubmodelGraph {
  readonly name: string;
  readonly quality: number;
  /** Its own graph. Undefined: that of the whole model. */
  readonly graph?: Graph;
}

/** Quality of the reading at 4 bits. */
const FOUR_BITS = 0.98;

/** The file as it is loaded. @throws {OptionError} for a number of bits without nested bits */
export function wholeOf(file: Checkpoint, bits: 4 | 8 | undefined): Checkpoint {
  if (bits !== undefined && !hasNestedBits(file))
    throw new OptionError('bits', bits, `nothing for ${file.name}, which has no nested bits`);
  return atBits(file, bits ?? 8);
}

/** The submodels that a file allows, the whole first. @param bits as in `wholeOf` */
export function submodelGraphs(
  file: Checkpoint,
  bits: 4 | 8 | undefined,
  context: number,
  parts: ModelParts,
): SubmodelGraph[] {
  if (bits !== undefined || !hasNestedBits(file)) return [{ name: bits ? `${bits} bits` : WHOLE, quality: 1 }];
  const { graph } = buildModel(atBits(file, 4), context, parts);
  return [
    { name: '8 bits', quality: 1 },
    { name: '4 bits', quality: FOUR_BITS, graph },
  ];
}

/** Compiles submodels over the weights of the whole model. */
export async function compileSubmodels(whole: Program, graphs: readonly SubmodelGraph[]): Promise<Submodel[]> {
  const submodels: Submodel[] = [];
  for (const { name, quality, graph } of graphs)
    submodels.push({ name, quality, program: graph ? await whole.derive(graph) : whole });
  return submodels;
}
