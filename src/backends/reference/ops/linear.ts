import type { ReferenceKernel } from '../kernel.ts';

export const linear: ReferenceKernel = (node, [x, matrix, bias], output) => {
  const outputs = node.shape[1];
  const inputs = node.inputs[0].shape[1];
  for (let t = 0; t * outputs < output.length; t++) {
    for (let o = 0; o < outputs; o++) {
      let sum = bias ? bias[o] : 0;
      for (let i = 0; i < inputs; i++) sum += x[t * inputs + i] * matrix[o * inputs + i];
      output[t * outputs + o] = sum;
    }
  }
};

export const linearInputGradient: ReferenceKernel = (node, [dy, matrix], output) => {
  const inputs = node.shape[1];
  const outputs = node.inputs[0].shape[1];
  for (let t = 0; t * inputs < output.length; t++) {
    for (let i = 0; i < inputs; i++) {
      let sum = 0;
      for (let o = 0; o < outputs; o++) sum += dy[t * outputs + o] * matrix[o * inputs + i];
      output[t * inputs + i] = sum;
    }
  }
};

export const linearWeightGradient: ReferenceKernel = (node, [dy, x], output) => {
  const [outputs, inputs] = node.shape as readonly [number, number];
  for (let o = 0; o < outputs; o++) {
    for (let i = 0; i < inputs; i++) {
      let sum = 0;
      for (let t = 0; t * outputs < dy.length; t++) sum += dy[t * outputs + o] * x[t * inputs + i];
      output[o * inputs + i] = sum;
    }
  }
};
