import { type DropoutAttributes, dropoutThreshold, elementBits, rowBits } from '../../../graph/ops/dropout.ts';
import type { ReferenceKernel } from '../kernel.ts';

export const dropout: ReferenceKernel<DropoutAttributes> = (node, [x, seed], output) => {
  const { rate, salt } = node.attributes;
  const width = node.shape[1];
  output.set(x);
  if (seed[0] < 0) return;
  const threshold = dropoutThreshold(rate);
  for (let row = 0; row * width < output.length; row++) {
    const bits = rowBits(seed[0], salt, row);
    for (let i = 0; i < width; i++) {
      const at = row * width + i;
      output[at] = elementBits(bits, i) < threshold ? 0 : x[at] / (1 - rate);
    }
  }
};
