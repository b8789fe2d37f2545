/** The learning rate of each step. */
export interface Schedule {
  /** At its highest. */
  readonly learningRate: number;
  /** At the end; the same as `learningRate` for a constant rate. */
  readonly minimumLearningRate: number;
  /** Steps in which it rises. */
  readonly warmup: number;
  /** Steps in all. */
  readonly steps: number;
}

/**
 * Rises evenly over the warm-up, then falls along half a cosine to the minimum (Loshchilov and Hutter 2017), as in nanoGPT.
 * @param step from 0 on
 */
export function learningRateAt(step: number, { learningRate, minimumLearningRate, warmup, steps }: Schedule): number {
  if (step < warmup) return (learningRate * (step + 1)) / (warmup + 1);
  if (step >= steps) return minimumLearningRate;
  const passed = (step - warmup) / (steps - warmup);
  return minimumLearningRate + 0.5 * (1 + Math.cos(Math.PI * passed)) * (learningRate - minimumLearningRate);
}
