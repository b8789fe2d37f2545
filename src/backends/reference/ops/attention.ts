import type { Registers } from '../../../graph/graph.ts';
import { type AttentionAttributes, alibiSlope } from '../../../graph/ops/attention.ts';
import { PAGE_POSITIONS } from '../../../graph/step.ts';
import type { Matrix, ReferenceKernel, ReferenceSequence } from '../kernel.ts';

/** Keys and values that a query head of a token attends to. */
interface Attended {
  /** Positions of the sequence, the first one. */
  readonly start: number;
  /** Offset of the head's queries, and of its keys and values within a row. */
  readonly query: number;
  readonly shared: number;
  /** Probabilities by position from `start`, and the derivative of the soft cap at the score (1 without a cap). */
  readonly probabilities: readonly number[];
  readonly slopes: readonly number[];
}

/** A sequence's rows in the step, the position of the first, and its keys: row and offset of a position. */
interface AttendingRows {
  readonly first: number;
  readonly count: number;
  readonly position: number;
  keys(position: number): readonly [Matrix, number];
}

function* attended(
  attributes: AttentionAttributes,
  q: Matrix,
  { first, count, position, keys }: AttendingRows,
  sinks: Matrix | undefined,
): Generator<Attended> {
  const { heads, kvHeads, headSize, scale, window, softcap, causal = true, alibi = 0 } = attributes;
  for (let row = 0; row < count; row++) {
    const own = position + row;
    const start = window > 0 ? Math.max(0, own + 1 - window) : 0;
    const end = causal ? own + 1 : window > 0 ? Math.min(count, own + window) : count;
    for (let head = 0; head < heads; head++) {
      const slope = alibi > 0 ? alibiSlope(head, heads, alibi) : 0;
      const query = ((first + row) * heads + head) * headSize;
      const shared = Math.floor(head / (heads / kvHeads)) * headSize;
      const scores: number[] = [];
      const slopes: number[] = [];
      for (let p = start; p < end; p++) {
        const [key, at] = keys(p);
        let dot = 0;
        for (let i = 0; i < headSize; i++) dot += q[query + i] * key[at + shared + i];
        const score = dot * scale;
        const capped = softcap > 0 ? Math.tanh(score / softcap) : 0;
        scores.push((softcap > 0 ? softcap * capped : score) - slope * Math.abs(p - own));
        slopes.push(1 - capped ** 2);
      }
      const most = scores.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
      const weights = scores.map((score) => Math.exp(score - most));
      const total = weights.reduce((a, b) => a + b, sinks ? Math.exp(sinks[head] - most) : 0);
      yield { start, query, shared, probabilities: weights.map((weight) => weight / total), slopes };
    }
  }
}

/** Sequences of a batch, whose rows are consecutive. @param rows [T, width] of keys or values */
function* batch({ T, S }: Registers, rows: Matrix, width: number): Generator<AttendingRows> {
  for (let first = 0; first < T; first += S)
    yield { first, count: S, position: 0, keys: (p) => [rows, (first + p) * width] };
}

export const attention: ReferenceKernel<AttentionAttributes> = (node, [q, k, v, sinks], output, step) => {
  const { layer, kvHeads, headSize } = node.attributes;
  const width = kvHeads * headSize;
  const mix = (rows: AttendingRows, values: AttendingRows['keys']): void => {
    for (const { start, query, shared, probabilities } of attended(node.attributes, q, rows, sinks)) {
      for (let i = 0; i < headSize; i++) {
        let sum = 0;
        probabilities.forEach((share, p) => {
          const [own, at] = values(start + p);
          sum += share * own[at + shared + i];
        });
        output[query + i] = sum;
      }
    }
  };
  if (!step.sequences) {
    for (const rows of batch(step.registers, k, width)) mix(rows, (p) => [v, (rows.first + p) * width]);
    return;
  }
  for (const sequence of step.sequences) {
    storeRows(sequence, layer, k as Float32Array, v as Float32Array, width);
    const { pages, ...rows } = sequence;
    const at = (kind: 'keys' | 'values') => (p: number) =>
      [pages[Math.floor(p / PAGE_POSITIONS)][kind][layer], (p % PAGE_POSITIONS) * width] as const;
    mix({ ...rows, keys: at('keys') }, at('values'));
  }
};

function storeRows(sequence: ReferenceSequence, layer: number, k: Float32Array, v: Float32Array, width: number): void {
  for (let row = 0; row < sequence.count; row++) {
    const position = sequence.position + row;
    const page = sequence.pages[Math.floor(position / PAGE_POSITIONS)];
    const at = (sequence.first + row) * width;
    page.store.storeRow(page.keys[layer], k.slice(at, at + width), position);
    page.store.storeRow(page.values[layer], v.slice(at, at + width), position);
  }
}

export const attentionGradient: ReferenceKernel<AttentionAttributes> = (node, [q, k, v, dy, sinks], output, step) => {
  const { heads, kvHeads, headSize, scale } = node.attributes;
  const width = kvHeads * headSize;
  const all = node.shape[1];
  const sums = new Float64Array(output.length);
  // columns of a row of sums: queries, keys, values
  const keysFrom = heads * headSize;
  const valuesFrom = keysFrom + width;
  const found = [...batch(step.registers, k, width)].flatMap((rows) =>
    [...attended(node.attributes, q, rows, sinks)].map((each) => ({ ...each, start: rows.first + each.start })),
  );
  for (const { start, query, shared, probabilities, slopes } of found) {
    const t = Math.floor(query / keysFrom);
    const own = t * all + (query % keysFrom);
    const pulls = probabilities.map((_, p) => {
      let sum = 0;
      for (let i = 0; i < headSize; i++) sum += dy[query + i] * v[(start + p) * width + shared + i];
      return sum;
    });
    const mean = pulls.reduce((sum, pull, p) => sum + pull * probabilities[p], 0);
    probabilities.forEach((share, p) => {
      const row = start + p;
      const change = share * (pulls[p] - mean) * slopes[p] * scale;
      for (let i = 0; i < headSize; i++) {
        sums[own + i] += change * k[row * width + shared + i];
        sums[row * all + keysFrom + shared + i] += change * q[query + i];
        sums[row * all + valuesFrom + shared + i] += share * dy[query + i];
      }
    });
  }
  output.set(sums);
};
