/** Ops that change states and weights, and gradient clipping. */
import { accumulatedState } from '../../../graph/ops/accumulate.ts';
import { type AdamWAttributes, adamWSettings } from '../../../graph/ops/adamW.ts';
import type { ClipAttributes } from '../../../graph/ops/clip.ts';
import type { ConstantAttributes } from '../../../graph/ops/constant.ts';
import type { ReferenceKernel } from '../kernel.ts';

export const constant: ReferenceKernel<ConstantAttributes> = (node, _, output) => {
  output[0] = node.attributes.value;
};

export const after: ReferenceKernel = (_, [x], output) => {
  output.set(x);
};

export const accumulate: ReferenceKernel = (node, [_, gradient], output, { kept }) => {
  const sum = kept(accumulatedState(node.inputs[0])!);
  for (let i = 0; i < sum.length; i++) sum[i] += gradient[i];
  output.set(sum);
};

export const squareSum: ReferenceKernel = (_, values, output) => {
  let sum = 0;
  for (const matrix of values) for (const value of matrix) sum += value ** 2;
  output[0] = sum;
};

export const clip: ReferenceKernel<ClipAttributes> = (node, [squares], output) => {
  const norm = Math.sqrt(squares[0]);
  output[0] = Number.isFinite(norm) ? Math.min(1, node.attributes.norm / norm) : 0;
};

export const adamW: ReferenceKernel<AdamWAttributes> = (node, [, , , , settings, factor], _, { kept }) => {
  const [weight, gradient, moment, square] = node.inputs;
  const [w, m, v] = [kept(weight), kept(moment), kept(square)];
  const sum = kept(accumulatedState(gradient)!);
  if (factor[0] !== 0) {
    const [rate, beta1, beta2, epsilon, decay, correction1, correction2] = adamWSettings.map((_, i) => settings[i]);
    const shrink = node.attributes.decays ? 1 - rate * decay : 1;
    for (let i = 0; i < w.length; i++) {
      const g = sum[i] * factor[0];
      m[i] = beta1 * m[i] + (1 - beta1) * g;
      v[i] = beta2 * v[i] + (1 - beta2) * g ** 2;
      w[i] = w[i] * shrink - (rate * (m[i] * correction1)) / (Math.sqrt(v[i] * correction2) + epsilon);
    }
  }
  sum.fill(0);
};
