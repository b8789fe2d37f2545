/** An update of a client: how far its training moved the weights. */
export interface WeightedUpdate {
  readonly client: string;
  /** Relative weight, e.g. the number of examples. */
  readonly weight: number;
  /** [parameters] new weights minus old weights. */
  readonly values: Float32Array;
}

/** Combines updates into one. Must not depend on their order. */
export type Aggregate = (updates: readonly WeightedUpdate[]) => Float32Array;

/** Updates in the order of clients' names: floating-point sums depend on the order. */
export function inOrder(updates: readonly WeightedUpdate[]): WeightedUpdate[] {
  return [...updates].sort((a, b) => (a.client < b.client ? -1 : 1));
}

export function normOf(values: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] * values[i];
  return Math.sqrt(sum);
}
