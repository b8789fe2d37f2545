import type { RmsNormAttributes } from '../../../graph/ops/rmsNorm.ts';
import type { RmsNormGainGradientAttributes } from '../../../graph/ops/rmsNormGainGradient.ts';
import type { ReferenceKernel } from '../kernel.ts';

export const rmsNorm: ReferenceKernel<RmsNormAttributes> = (node, [x, gain], output) => {
  const size = gain.length;
  for (let from = 0; from < output.length; from += size) {
    let squares = 0;
    for (let i = 0; i < size; i++) squares += x[from + i] ** 2;
    const inverse = 1 / Math.sqrt(squares / size + node.attributes.epsilon);
    for (let i = 0; i < size; i++) output[from + i] = x[from + i] * inverse * gain[i];
  }
};

export const rmsNormInputGradient: ReferenceKernel<RmsNormAttributes> = (node, [x, gain, dy], output) => {
  const size = gain.length;
  for (let from = 0; from < output.length; from += size) {
    let squares = 0;
    let product = 0;
    for (let i = 0; i < size; i++) {
      squares += x[from + i] ** 2;
      product += dy[from + i] * gain[i] * x[from + i];
    }
    const inverse = 1 / Math.sqrt(squares / size + node.attributes.epsilon);
    const pull = inverse ** 2 * (product / size);
    for (let i = 0; i < size; i++) output[from + i] = inverse * (dy[from + i] * gain[i] - x[from + i] * pull);
  }
};

export const rmsNormGainGradient: ReferenceKernel<RmsNormGainGradientAttributes> = (node, [x, dy], output) => {
  const { epsilon, size } = node.attributes;
  const sums = new Float64Array(size);
  for (let from = 0; from < x.length; from += size) {
    let squares = 0;
    for (let i = 0; i < size; i++) squares += x[from + i] ** 2;
    const inverse = 1 / Math.sqrt(squares / size + epsilon);
    for (let i = 0; i < size; i++) sums[i] += dy[from + i] * x[from + i] * inverse;
  }
  output.set(sums);
};
