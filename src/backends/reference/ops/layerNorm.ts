import type { LayerNormAttributes } from '../../../graph/ops/layerNorm.ts';
import type { Matrix, ReferenceKernel } from '../kernel.ts';

/** Mean and 1 / standard deviation of a row. */
function moments(x: Matrix, from: number, size: number, epsilon: number): { mean: number; inverse: number } {
  let sum = 0;
  for (let i = 0; i < size; i++) sum += x[from + i];
  const mean = sum / size;
  let squares = 0;
  for (let i = 0; i < size; i++) squares += (x[from + i] - mean) ** 2;
  return { mean, inverse: 1 / Math.sqrt(squares / size + epsilon) };
}

export const layerNorm: ReferenceKernel<LayerNormAttributes> = (node, [x, gain, bias], output) => {
  const size = gain.length;
  for (let from = 0; from < output.length; from += size) {
    const { mean, inverse } = moments(x, from, size, node.attributes.epsilon);
    for (let i = 0; i < size; i++) output[from + i] = (x[from + i] - mean) * inverse * gain[i] + bias[i];
  }
};

export const layerNormInputGradient: ReferenceKernel<LayerNormAttributes> = (node, [x, gain, dy], output) => {
  const size = gain.length;
  for (let from = 0; from < output.length; from += size) {
    const { mean, inverse } = moments(x, from, size, node.attributes.epsilon);
    let sum = 0;
    let product = 0;
    for (let i = 0; i < size; i++) {
      const g = dy[from + i] * gain[i];
      sum += g;
      product += g * (x[from + i] - mean) * inverse;
    }
    for (let i = 0; i < size; i++) {
      const normed = (x[from + i] - mean) * inverse;
      output[from + i] = inverse * (dy[from + i] * gain[i] - sum / size - normed * (product / size));
    }
  }
};

export const layerNormGainGradient: ReferenceKernel<LayerNormAttributes> = (node, [x, dy], output) => {
  const size = node.shape[1];
  const sums = new Float64Array(size);
  for (let from = 0; from < x.length; from += size) {
    const { mean, inverse } = moments(x, from, size, node.attributes.epsilon);
    for (let i = 0; i < size; i++) sums[i] += dy[from + i] * (x[from + i] - mean) * inverse;
  }
  output.set(sums);
};
