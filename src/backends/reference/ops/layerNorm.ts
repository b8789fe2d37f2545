import type { LayerNormAttributes } from '../../../graph/ops/layerNorm.ts';
import type { ReferenceKernel } from '../kernel.ts';

export const layerNorm: ReferenceKernel<LayerNormAttributes> = (node, [x, gain, bias], output) => {
  const size = gain!.length;
  for (let from = 0; from < output.length; from += size) {
    let sum = 0;
    for (let i = 0; i < size; i++) sum += x![from + i]!;
    const mean = sum / size;
    let squares = 0;
    for (let i = 0; i < size; i++) squares += (x![from + i]! - mean) ** 2;
    const inverse = 1 / Math.sqrt(squares / size + node.attributes.epsilon);
    for (let i = 0; i < size; i++) output[from + i] = (x![from + i]! - mean) * inverse * gain![i]! + bias![i]!;
  }
};
