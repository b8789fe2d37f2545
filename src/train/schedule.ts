/** Learning rate schedule. */
export interface Schedule {
  /** Maximum, reached after the warm-up. */
  readonly learningRate: number;
  /** Value at the end. Equal to `learningRate` for a constant rate. */
  readonly minimumLearningRate: number;
  /** Number of warm-up steps. */
  readonly warmup: number;
  /** Total number of steps. */
  readonly steps: number;
}

/**
 * Returns the learning rate of a step: linear warm-up, then half a cosine down to the minimum (Loshchilov and Hutter
 * 2017), as in nanoGPT.
 * @param step counted from 0
 */
export function learningRateAt(step: number, { learningRate, minimumLearningRate, warmup, steps }: Schedule): number {
  if (step < warmup) return (learningRate * (step + 1)) / (warmup + 1);
  if (step >= steps) return minimumLearningRate;
  const passed = (step - warmup) / (steps - warmup);
  return minimumLearningRate + 0.5 * (1 + Math.cos(Math.PI * passed)) * (learningRate - minimumLearningRate);
}
