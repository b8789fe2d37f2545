/** A binary heap of pairs to merge: highest count first, ties by a given order. */
export interface MergeQueue {
  push(pair: number, count: number): void;
  /** Removes and returns the first pair, or -1 if the queue is empty. Its count is then in `count`. */
  pop(): number;
  /** Count of the last popped pair, as pushed. */
  readonly count: number;
}

/** @param before returns true if the first of two pairs with equal counts comes first */
export function mergeQueue(before: (pair: number, other: number) => boolean): MergeQueue {
  const pairs: number[] = [];
  const counts: number[] = [];
  const precedes = (pair: number, count: number, other: number): boolean =>
    count > counts[other] || (count === counts[other] && before(pair, pairs[other]));
  const queue = {
    count: 0,
    push(pair: number, count: number): void {
      let at = pairs.length;
      while (at > 0) {
        const parent = (at - 1) >> 1;
        if (!precedes(pair, count, parent)) break;
        pairs[at] = pairs[parent];
        counts[at] = counts[parent];
        at = parent;
      }
      pairs[at] = pair;
      counts[at] = count;
    },
    pop(): number {
      if (pairs.length === 0) return -1;
      const first = pairs[0];
      queue.count = counts[0];
      const pair = pairs.pop()!;
      const count = counts.pop()!;
      const size = pairs.length;
      if (size === 0) return first;
      let at = 0;
      for (let child = 1; child < size; child = 2 * at + 1) {
        if (child + 1 < size && precedes(pairs[child + 1], counts[child + 1], child)) child++;
        if (precedes(pair, count, child)) break;
        pairs[at] = pairs[child];
        counts[at] = counts[child];
        at = child;
      }
      pairs[at] = pair;
      counts[at] = count;
      return first;
    },
  };
  return queue;
}
