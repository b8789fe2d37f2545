/**
 * Evolution of a choice for each part of a model at a constant budget (EvoPress: Sieberling et al. 2024, arXiv 2410.14649). Parts are
 * blocks or matrices, choices their formats. Errors of parts do not add up, so every candidate is judged as a whole: all children on
 * little text, the best ones and the parent on more.
 */
import type { Random } from '../core/random.ts';

export interface EvolveOptions {
  /** Cost of each level of each part. */
  readonly costs: readonly (readonly number[])[];
  /** Maximum cost of all parts. The start must not exceed it. */
  readonly budget: number;
  /** Cost of all parts together, if costs do not add up exactly. Default: the sum of their costs. */
  readonly total?: (levels: readonly number[]) => number;
  /** Level of each part to start from. */
  readonly start: readonly number[];
  /** Loss of a candidate, the lower the better. @param effort 0: on little text; 1: on all of it */
  readonly evaluate: (levels: readonly number[], effort: 0 | 1) => Promise<number>;
  readonly random: Random;
  readonly generations: number;
  /** True if levels are sorted by cost: a switch then moves to the next level up or down. Default: to any level. */
  readonly isOrdered?: boolean;
  /** Children of a generation. Default 8. */
  readonly offspring?: number;
  /** Called after each generation. */
  readonly onGeneration?: (generation: number, loss: number) => void;
}

/** Children that are judged on all of the text. */
const SURVIVORS = 2;
/** Attempts to find a child that was not seen. */
const ATTEMPTS = 50;

export async function evolve(
  options: EvolveOptions,
): Promise<{ readonly levels: readonly number[]; readonly loss: number }> {
  const { evaluate, generations, offspring = 8, onGeneration } = options;
  let parent = { levels: options.start, loss: await evaluate(options.start, 1) };
  const seen = new Set([options.start.join()]);
  for (let generation = 0; generation < generations; generation++) {
    const children: { readonly levels: readonly number[]; readonly loss: number }[] = [];
    for (let i = 0; i < offspring; i++) {
      const levels = childOf(parent.levels, options, seen);
      if (!levels) break;
      seen.add(levels.join());
      children.push({ levels, loss: await evaluate(levels, 0) });
    }
    if (children.length === 0) break;
    children.sort((a, b) => a.loss - b.loss);
    for (const { levels } of children.slice(0, SURVIVORS)) {
      const loss = await evaluate(levels, 1);
      if (loss < parent.loss) parent = { levels, loss };
    }
    onGeneration?.(generation + 1, parent.loss);
  }
  return parent;
}

const sumOf =
  (costs: EvolveOptions['costs']) =>
  (levels: readonly number[]): number =>
    levels.reduce((sum, level, block) => sum + costs[block][level], 0);

/** Switches levels of one or two parts, and pays for it with others. */
function childOf(
  parent: readonly number[],
  { costs, budget, total = sumOf(costs), random, isOrdered = false }: EvolveOptions,
  seen: ReadonlySet<string>,
): readonly number[] | undefined {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const levels = [...parent];
    // fewer switches are likelier
    const switches = 1 + Math.min(random.integer(2), random.integer(2));
    for (let i = 0; i < switches; i++) {
      const block = random.integer(levels.length);
      const count = costs[block].length;
      levels[block] = isOrdered
        ? Math.max(0, Math.min(count - 1, levels[block] + 2 * random.integer(2) - 1))
        : random.integer(count);
    }
    const order = [...levels.keys()].map((block) => ({ block, key: random.uniform() })).sort((a, b) => a.key - b.key);
    for (const { block } of order) {
      if (total(levels) <= budget) break;
      const cheaper = [...costs[block].keys()].filter((level) => costs[block][level] < costs[block][levels[block]]);
      if (cheaper.length > 0) levels[block] = cheaper[isOrdered ? cheaper.length - 1 : random.integer(cheaper.length)];
    }
    if (total(levels) <= budget && !seen.has(levels.join())) return levels;
  }
  return undefined;
}
