/** Chooses one of several alternatives for each thing, with the least total cost within a total size (multiple-choice knapsack). */

export interface Choice<V> {
  readonly value: V;
  readonly size: number;
  readonly cost: number;
}

/** Sizes are rounded up to this share of the limit, so a result may leave that much per thing unused. */
const RESOLUTION = 20_000;

/** @returns the value of each thing; undefined if even the smallest do not fit */
export function cheapest<V>(things: readonly (readonly Choice<V>[])[], limit: number): V[] | undefined {
  const smallest = things.map((choices) => Math.min(...choices.map(({ size }) => size)));
  const spare = limit - smallest.reduce((sum, size) => sum + size, 0);
  if (spare < 0) return undefined;
  // only what is spent beyond the smallest sizes is counted, so the smallest always fit
  const unit = Math.max(1, spare / RESOLUTION);
  const slots = Math.floor(spare / unit) + 1;
  let best = new Float64Array(slots);
  const taken: Uint8Array[] = [];
  for (const [i, choices] of things.entries()) {
    const next = new Float64Array(slots).fill(Number.POSITIVE_INFINITY);
    const choice = new Uint8Array(slots);
    for (const [index, { size, cost }] of choices.entries()) {
      const extra = Math.ceil((size - smallest[i]) / unit);
      for (let slot = extra; slot < slots; slot++) {
        const total = best[slot - extra] + cost;
        if (total < next[slot]) {
          next[slot] = total;
          choice[slot] = index;
        }
      }
    }
    best = next;
    taken.push(choice);
  }
  const values: V[] = [];
  let slot = slots - 1;
  for (let i = things.length - 1; i >= 0; i--) {
    const { value, size } = things[i][taken[i][slot]];
    values.unshift(value);
    slot -= Math.ceil((size - smallest[i]) / unit);
  }
  return values;
}
