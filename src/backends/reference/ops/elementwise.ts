/** The ops whose every element depends on the same elements of the inputs. */
import type { ActivationAttributes } from '../../../graph/ops/activation.ts';
import type { ScaleAttributes } from '../../../graph/ops/scale.ts';
import type { SoftcapAttributes } from '../../../graph/ops/softcap.ts';
import type { ReferenceKernel } from '../kernel.ts';

const activations = {
  silu: (x: number) => x / (1 + Math.exp(-x)),
  gelu: (x: number) => (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
};

export const activation: ReferenceKernel<ActivationAttributes> = (node, [x], output) => {
  const f = activations[node.attributes.kind];
  for (let i = 0; i < output.length; i++) output[i] = f(x![i]!);
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
