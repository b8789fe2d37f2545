import type { Value } from '../../../graph/graph.ts';
import type { RmsNormAttributes } from '../../../graph/ops/rmsNorm.ts';
import type { ReferenceKernel } from '../kernel.ts';

export const rmsNorm: ReferenceKernel<RmsNormAttributes> = (node: Value<RmsNormAttributes>, [x, gain], output) => {
  const size = gain!.length;
  for (let from = 0; from < output.length; from += size) {
    let squares = 0;
    for (let i = 0; i < size; i++) squares += x![from + i]! ** 2;
    const inverse = 1 / Math.sqrt(squares / size + node.attributes.epsilon);
    for (let i = 0; i < size; i++) output[from + i] = x![from + i]! * inverse * gain![i]!;
  }
};
