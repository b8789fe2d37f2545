import type { ReferenceKernel } from '../kernel.ts';

export const linear: ReferenceKernel = (node, [x, matrix, bias], output) => {
  const outputs = node.shape[1];
  const inputs = node.inputs[0]!.shape[1];
  for (let t = 0; t * outputs < output.length; t++) {
    for (let o = 0; o < outputs; o++) {
      let sum = bias ? bias[o]! : 0;
      for (let i = 0; i < inputs; i++) sum += x![t * inputs + i]! * matrix![o * inputs + i]!;
      output[t * outputs + o] = sum;
    }
  }
};
