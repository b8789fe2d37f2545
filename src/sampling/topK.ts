/** Selects the k most likely tokens (Fan et al. 2018) without sorting the vocabulary. */
import { type Candidate, isWorse } from './candidate.ts';

/** @param logits [V] @returns at most `k` candidates, without NaN and −∞ */
export function topK(logits: Float32Array, k: number): Candidate[] {
  // a heap whose root is the worst of the k best so far: one comparison rejects most logits
  const heap: Candidate[] = [];
  const { length } = logits;
  let worst = Number.NEGATIVE_INFINITY;
  for (let id = 0; id < length; id++) {
    const logit = logits[id];
    if (!(logit > worst)) continue;
    if (heap.length < k) {
      heap.push({ id, logit });
      siftUp(heap);
    } else {
      heap[0] = { id, logit };
      siftDown(heap);
    }
    if (heap.length === k) worst = heap[0].logit;
  }
  return heap.sort((a, b) => b.logit - a.logit || a.id - b.id);
}

function siftUp(heap: Candidate[]): void {
  for (let at = heap.length - 1; at > 0; ) {
    const parent = (at - 1) >> 1;
    if (!isWorse(heap[at], heap[parent])) return;
    swap(heap, at, parent);
    at = parent;
  }
}

function siftDown(heap: Candidate[]): void {
  for (let at = 0; ; ) {
    const left = 2 * at + 1;
    if (left >= heap.length) return;
    const right = left + 1;
    const child = right < heap.length && isWorse(heap[right], heap[left]) ? right : left;
    if (!isWorse(heap[child], heap[at])) return;
    swap(heap, at, child);
    at = child;
  }
}

function swap(heap: Candidate[], a: number, b: number): void {
  const candidate = heap[a];
  heap[a] = heap[b];
  heap[b] = candidate;
}
