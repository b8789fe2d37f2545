/** Estimates the memory and, roughly, the time of quantizing. */
import { GENERATIONS, KEPT_BYTES } from './allocate.ts';
import type { Calibration } from './calibration.ts';
import { elementsOf, type Planned } from './plan.ts';
import type { Candidate } from './room.ts';
import { LOGIT_BYTES, STEP_TOKENS, STEPS } from './sensitivity.ts';
import { isSearched } from './solver.ts';
import { channelsOf } from './stages.ts';
import { enoughTokens } from './statistic.ts';

/** Rates of two cores of a server of 2023, for a rough estimate: products in F32 of the engine and of the solver, */
const ENGINE_FLOPS = 40e9;
const SOLVER_FLOPS = 20e9;
/** and weights that are encoded: with a search in kernels, with one for vectors of a codebook, and without a search. */
const SEARCHED_WEIGHTS = 50e6;
const CODEBOOK_WEIGHTS = 0.15e6;
const PLAIN_WEIGHTS = 500e6;

/** Seconds of the engine's products. */
export const secondsOfProducts = (flops: number): number => flops / ENGINE_FLOPS;

/** Seconds of encoding a tensor once. */
function secondsOfEncoding({ tensor, format }: Pick<Planned, 'tensor' | 'format'>): number {
  const isQuick = !isSearched(format) || (!format.codebook && format.grid?.scales === undefined);
  const rate = isQuick ? PLAIN_WEIGHTS : format.codebook ? CODEBOOK_WEIGHTS : SEARCHED_WEIGHTS;
  return elementsOf(tensor) / rate;
}

/** Memory of the search for formats in a budget: the model in F32, its logits, blocks that are kept, and a matrix with its copies. */
export function budgetMemoryOf(plan: readonly Planned[]): number {
  const sizes = plan.map(({ tensor }) => 4 * elementsOf(tensor));
  const model = sizes.reduce((sum, size) => sum + size, 0);
  return model + STEPS * LOGIT_BYTES + Math.min(KEPT_BYTES, model) + 3 * Math.max(...sizes);
}

/** Seconds of the search for formats in a budget, which tries each format of each matrix. */
export function budgetSecondsOf(
  candidates: readonly Candidate[],
  { stages }: Pick<Calibration, 'stages'>,
  generations = GENERATIONS,
): number {
  const T = STEP_TOKENS;
  const flops = stages.reduce((sum, { graph }) => sum + graph.cost({ T, P: 0, R: T, S: T }).flops, 0);
  const matrices = candidates.filter(({ formats }) => formats.length > 1);
  // two formats of each matrix; eight children of each generation, two of them on all steps
  const runs = 2 * matrices.length + generations * (8 + 2 * STEPS);
  const tried = matrices.flatMap(({ tensor, formats }) => formats.map((format) => ({ tensor, format })));
  const encoded = tried.reduce((sum, each) => sum + secondsOfEncoding(each), 0);
  return secondsOfProducts(flops * runs) + encoded;
}

/** Seconds, as a rough estimate. */
export function secondsOf(plan: readonly Planned[], calibration: Calibration | undefined): number {
  const searched = plan.filter(({ tensor, format }) => tensor.format !== format && isSearched(format));
  const encoding = plan.reduce((sum, planned) => sum + secondsOfEncoding(planned), 0);
  if (!calibration) return encoding;
  const { windows, stages } = calibration;
  const T = windows.count * windows.size;
  let engine = 0;
  let solver = 0;
  for (const { graph, products } of stages) {
    engine += graph.cost({ T, P: 0, R: T, S: windows.size }).flops;
    for (const product of new Map(products.map((each) => [each.x, each])).values()) {
      const n = channelsOf(product);
      // half of a symmetric matrix
      engine += Math.min(T, enoughTokens(n)) * n * n;
      solver += n ** 3;
    }
  }
  // per weight: half of a row's length to compensate, three sweeps and the first product to descend
  for (const { tensor } of searched) solver += 9 * elementsOf(tensor) * tensor.shape.at(-1)!;
  // plain, by importance, and the searches of OBS
  return secondsOfProducts(engine) + solver / SOLVER_FLOPS + 3 * encoding;
}

/** Largest stage in F32, with the Gram matrices, the factors, and the activations of the calibration text. */
export function memoryOf(plan: readonly Planned[], calibration: Calibration | undefined): number {
  const largest = plan.reduce((most, { tensor }) => Math.max(most, 4 * elementsOf(tensor)), 0);
  if (!calibration) return 3 * largest;
  const { windows, stages } = calibration;
  const tokens = windows.count * windows.size;
  const sizes = stages.map(({ products, inputs, outputs }, stage) => {
    const weights = plan
      .filter((each) => each.stage === stage)
      .reduce((sum, { tensor }) => sum + 4 * elementsOf(tensor), 0);
    const inputsOf = [...new Map(products.map((each) => [each.x, each])).values()];
    const grams = inputsOf.map((product) => 4 * channelsOf(product) ** 2);
    const rows = inputsOf.reduce((sum, { x, experts }) => sum + (experts ? 4 * tokens * x.shape[1] : 0), 0);
    const widths = [...inputs.values(), ...outputs.values()].reduce((sum, width) => sum + width, 0);
    const solving = 4 * Math.max(0, ...grams);
    return 2 * weights + 4 * grams.reduce((sum, size) => sum + size, 0) + solving + rows + 4 * tokens * widths;
  });
  return Math.max(...sizes) + 2 * largest;
}
