/** Elementwise ops. */
import type { ActivationAttributes } from '../../../graph/ops/activation.ts';
import type { ScaleAttributes } from '../../../graph/ops/scale.ts';
import type { SoftcapAttributes } from '../../../graph/ops/softcap.ts';
import type { ReferenceKernel } from '../kernel.ts';

const activations = {
  silu: (x: number) => x / (1 + Math.exp(-x)),
  gelu: (x: number) => (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
};

/** Their derivatives. */
const slopes = {
  silu: (x: number) => {
    const sigmoid = 1 / (1 + Math.exp(-x));
    return sigmoid * (1 + x * (1 - sigmoid));
  },
  gelu: (x: number) => {
    const tanh = Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3));
    const inner = Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * x ** 2);
    return (1 + tanh) / 2 + (x / 2) * (1 - tanh ** 2) * inner;
  },
};

export const activation: ReferenceKernel<ActivationAttributes> = (node, [x], output) => {
  const f = activations[node.attributes.kind];
  for (let i = 0; i < output.length; i++) output[i] = f(x![i]!);
};

export const activationGradient: ReferenceKernel<ActivationAttributes> = (node, [x, dy], output) => {
  const slope = slopes[node.attributes.kind];
  for (let i = 0; i < output.length; i++) output[i] = slope(x![i]!) * dy![i]!;
};

export const add: ReferenceKernel = (_, [a, b], output) => {
  for (let i = 0; i < output.length; i++) output[i] = a![i]! + b![i]!;
};

export const multiply: ReferenceKernel = (_, [a, b], output) => {
  for (let i = 0; i < output.length; i++) output[i] = a![i]! * b![i]!;
};

export const scale: ReferenceKernel<ScaleAttributes> = (node, [x], output) => {
  for (let i = 0; i < output.length; i++) output[i] = x![i]! * node.attributes.factor;
};

export const softcap: ReferenceKernel<SoftcapAttributes> = (node, [x], output) => {
  const { cap } = node.attributes;
  for (let i = 0; i < output.length; i++) output[i] = cap * Math.tanh(x![i]! / cap);
};

export const softcapGradient: ReferenceKernel<SoftcapAttributes> = (node, [x, dy], output) => {
  const { cap } = node.attributes;
  for (let i = 0; i < output.length; i++) output[i] = (1 - Math.tanh(x![i]! / cap) ** 2) * dy![i]!;
};
