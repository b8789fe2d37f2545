/** Estimates the memory and, roughly, the time of quantizing. */
import type { Calibration } from './calibration.ts';
import { elementsOf, type Planned } from './plan.ts';
import { isSearched } from './solver.ts';
import { enoughTokens } from './statistic.ts';

/** Rates of two cores of a server of 2023, for a rough estimate: products in F32 of the engine and of the solver, and searches. */
const ENGINE_FLOPS = 25e9;
const SOLVER_FLOPS = 7e9;
const SEARCHED_WEIGHTS = 1.5e6;

/** Seconds, as a rough estimate. */
export function secondsOf(plan: readonly Planned[], calibration: Calibration | undefined): number {
  const searched = plan.filter(({ tensor, format }) => tensor.format !== format && isSearched(format));
  const weights = searched.reduce((sum, { tensor }) => sum + elementsOf(tensor), 0);
  if (!calibration) return weights / SEARCHED_WEIGHTS;
  const { windows, stages } = calibration;
  const T = windows.count * windows.size;
  let engine = 0;
  let solver = 0;
  for (const { graph, products } of stages) {
    engine += graph.cost({ T, P: 0, R: T, S: windows.size }).flops;
    for (const x of new Set(products.map(({ x }) => x))) {
      const n = x.shape[1];
      // half of a symmetric matrix
      engine += Math.min(T, enoughTokens(n)) * n * n;
      solver += n ** 3;
    }
  }
  // per weight: half of a row's length to compensate, three sweeps and the first product to descend
  for (const { tensor } of searched) solver += 9 * elementsOf(tensor) * tensor.shape.at(-1)!;
  return engine / ENGINE_FLOPS + solver / SOLVER_FLOPS + weights / SEARCHED_WEIGHTS;
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
    const grams = [...new Set(products.map(({ x }) => x))].map(({ shape }) => 4 * shape[1] ** 2);
    const widths = [...inputs.values(), ...outputs.values()].reduce((sum, width) => sum + width, 0);
    const solving = 4 * Math.max(0, ...grams);
    return 2 * weights + 4 * grams.reduce((sum, size) => sum + size, 0) + solving + 4 * tokens * widths;
  });
  return Math.max(...sizes) + 2 * largest;
}
