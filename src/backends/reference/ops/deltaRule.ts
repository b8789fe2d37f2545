import { type DeltaRuleAttributes, deltaRuleSizes } from '../../../graph/ops/deltaRule.ts';
import type { ReferenceKernel } from '../kernel.ts';
import { recurrence } from '../recurrence.ts';

/** The state of a head is M [S, V]. */
export const deltaRule: ReferenceKernel<DeltaRuleAttributes> = (node, [qk, v, g, beta], output, step) => {
  const { layer, keyHeads, order } = node.attributes;
  const { heads, keySize, valueSize } = deltaRuleSizes(node.inputs, node.attributes);
  const size = keySize * valueSize;
  recurrence(step, layer, heads * size, (row, state) => {
    for (let head = 0; head < heads; head++) {
      const keyHead = order === 'turns' ? head % keyHeads : Math.floor((head * keyHeads) / heads);
      const queries = (row * 2 * keyHeads + keyHead) * keySize;
      const [q, k] = [queries, queries + keyHeads * keySize].map((at) => qk.subarray(at, at + keySize));
      const matrix = state.subarray(head * size, (head + 1) * size);
      const decay = Math.exp(g[row * heads + head]);
      for (let i = 0; i < size; i++) matrix[i] *= decay;
      for (let column = 0; column < valueSize; column++) {
        const at = (row * heads + head) * valueSize + column;
        const error = beta[row * heads + head] * (v[at] - along(k, matrix, column, valueSize));
        for (let i = 0; i < keySize; i++) matrix[i * valueSize + column] += k[i] * error;
        output[at] = along(q, matrix, column, valueSize) / Math.sqrt(keySize);
      }
    }
  });
};

/** Product of a vector with a column of a matrix. */
function along(vector: ArrayLike<number>, matrix: Float32Array, column: number, columns: number): number {
  let sum = 0;
  for (let i = 0; i < vector.length; i++) sum += vector[i] * matrix[i * columns + column];
  return sum;
}
