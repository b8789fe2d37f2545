/** Losses per row, their gradients, and their weighted sum. */
import type { KlDivergenceAttributes } from '../../../graph/ops/klDivergence.ts';
import type { Matrix, ReferenceKernel } from '../kernel.ts';

/** Log probabilities of one row of logits. */
function logSoftmax(logits: Matrix, row: number, width: number, temperature = 1): number[] {
  const values = Array.from(logits.subarray(row * width, (row + 1) * width), (logit) => logit / temperature);
  const most = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const total = most + Math.log(values.reduce((sum, value) => sum + Math.exp(value - most), 0));
  return values.map((value) => value - total);
}

export const crossEntropy: ReferenceKernel = (node, [logits, targets], output) => {
  const width = node.inputs[0].shape[1];
  targets.forEach((target, row) => {
    output[row] = target < 0 ? 0 : -logSoftmax(logits, row, width)[target];
  });
};

export const crossEntropyGradient: ReferenceKernel = (node, [logits, targets, dy], output) => {
  const width = node.shape[1];
  targets.forEach((target, row) => {
    if (target < 0) return;
    logSoftmax(logits, row, width).forEach((log, i) => {
      output[row * width + i] = dy[row] * (Math.exp(log) - (i === target ? 1 : 0));
    });
  });
};

/** Σ exp(a) · (a − b). */
function kullbackLeibler(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, log, i) => sum + Math.exp(log) * (log - b[i]), 0);
}

export const klDivergence: ReferenceKernel<KlDivergenceAttributes> = (node, [logits, teacher], output) => {
  const { temperature, reverse } = node.attributes;
  const width = node.inputs[0].shape[1];
  for (let row = 0; row < output.length; row++) {
    const q = logSoftmax(logits, row, width, temperature);
    const p = logSoftmax(teacher, row, width, temperature);
    output[row] = temperature ** 2 * ((1 - reverse) * kullbackLeibler(p, q) + reverse * kullbackLeibler(q, p));
  }
};

export const klDivergenceGradient: ReferenceKernel<KlDivergenceAttributes> = (node, [logits, teacher, dy], output) => {
  const { temperature, reverse } = node.attributes;
  const width = node.shape[1];
  for (let row = 0; row * width < output.length; row++) {
    const q = logSoftmax(logits, row, width, temperature);
    const p = logSoftmax(teacher, row, width, temperature);
    const apart = kullbackLeibler(q, p);
    q.forEach((log, i) => {
      const forward = Math.exp(log) - Math.exp(p[i]);
      const backward = Math.exp(log) * (log - p[i] - apart);
      output[row * width + i] = temperature * dy[row] * ((1 - reverse) * forward + reverse * backward);
    });
  }
};

export const weightedSum: ReferenceKernel = (_, [x, weights], output) => {
  let sum = 0;
  for (let row = 0; row < x.length; row++) sum += weights[row] * x[row];
  output[0] = sum;
};

export const weightedSumGradient: ReferenceKernel = (_, [weights, dy], output) => {
  for (let row = 0; row < output.length; row++) output[row] = weights[row] * dy[0];
};
