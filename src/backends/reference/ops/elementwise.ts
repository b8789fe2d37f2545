/** Elementwise ops. */
import type { ActivationAttributes, ActivationKind } from '../../../graph/ops/activation.ts';
import type { ClampAttributes } from '../../../graph/ops/clamp.ts';
import type { GainAttributes } from '../../../graph/ops/gain.ts';
import type { PositionScaleAttributes } from '../../../graph/ops/positionScale.ts';
import type { ScaleAttributes } from '../../../graph/ops/scale.ts';
import type { SoftcapAttributes } from '../../../graph/ops/softcap.ts';
import type { XieluAttributes } from '../../../graph/ops/xielu.ts';
import type { ReferenceKernel } from '../kernel.ts';

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** The density and the distribution function of the standard normal. */
const density = (x: number): number => Math.exp(-(x ** 2) / 2) / Math.sqrt(2 * Math.PI);
const distribution = (x: number): number => (1 + erf(x / Math.SQRT2)) / 2;

/** The error function: its series near 0, its continued fraction beyond, both to the last bits of f64. */
function erf(x: number): number {
  const z = Math.abs(x);
  if (z > 6) return Math.sign(x);
  if (z < 2.5) {
    let term = z;
    let sum = z;
    for (let n = 1; Math.abs(term) > 1e-17 * sum; n++) {
      term *= -(z ** 2) / n;
      sum += term / (2 * n + 1);
    }
    return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI);
  }
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / 2 / (z + fraction);
  return Math.sign(x) * (1 - Math.exp(-(z ** 2)) / (Math.sqrt(Math.PI) * (z + fraction)));
}

const activations: Readonly<Record<ActivationKind, (x: number) => number>> = {
  silu: (x: number) => x * sigmoid(x),
  sigmoid,
  tanh: Math.tanh,
  relu: (x) => Math.max(0, x),
  relu2: (x) => Math.max(0, x) ** 2,
  quickGelu: (x) => x * sigmoid(1.702 * x),
  softplus: (x) => Math.max(0, x) + Math.log1p(Math.exp(-Math.abs(x))),
  geluErf: (x) => x * distribution(x),
  gelu: (x: number) => (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
};

/** Their derivatives. */
const slopes: Readonly<Record<ActivationKind, (x: number) => number>> = {
  silu: (x: number) => sigmoid(x) * (1 + x * (1 - sigmoid(x))),
  sigmoid: (x) => sigmoid(x) * (1 - sigmoid(x)),
  tanh: (x) => 1 - Math.tanh(x) ** 2,
  relu: (x) => (x > 0 ? 1 : 0),
  relu2: (x) => 2 * Math.max(0, x),
  softplus: sigmoid,
  quickGelu: (x) => sigmoid(1.702 * x) * (1 + 1.702 * x * (1 - sigmoid(1.702 * x))),
  geluErf: (x) => distribution(x) + x * density(x),
  gelu: (x: number) => {
    const tanh = Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3));
    const inner = Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * x ** 2);
    return (1 + tanh) / 2 + (x / 2) * (1 - tanh ** 2) * inner;
  },
};

export const activation: ReferenceKernel<ActivationAttributes> = (node, [x], output) => {
  const f = activations[node.attributes.kind];
  for (let i = 0; i < output.length; i++) output[i] = f(x[i]);
};

export const activationGradient: ReferenceKernel<ActivationAttributes> = (node, [x, dy], output) => {
  const slope = slopes[node.attributes.kind];
  for (let i = 0; i < output.length; i++) output[i] = slope(x[i]) * dy[i];
};

export const add: ReferenceKernel = (_, [a, b], output) => {
  for (let i = 0; i < output.length; i++) output[i] = a[i] + b[i];
};

export const multiply: ReferenceKernel = (_, [a, b], output) => {
  for (let i = 0; i < output.length; i++) output[i] = a[i] * b[i];
};

export const scale: ReferenceKernel<ScaleAttributes> = (node, [x], output) => {
  for (let i = 0; i < output.length; i++) output[i] = x[i] * node.attributes.factor;
};

export const softcap: ReferenceKernel<SoftcapAttributes> = (node, [x], output) => {
  const { cap } = node.attributes;
  for (let i = 0; i < output.length; i++) output[i] = cap * Math.tanh(x[i] / cap);
};

export const softcapGradient: ReferenceKernel<SoftcapAttributes> = (node, [x, dy], output) => {
  const { cap } = node.attributes;
  for (let i = 0; i < output.length; i++) output[i] = (1 - Math.tanh(x[i] / cap) ** 2) * dy[i];
};

export const clamp: ReferenceKernel<ClampAttributes> = (node, [x], output) => {
  const { limit, least } = node.attributes;
  for (let i = 0; i < output.length; i++) output[i] = Math.min(limit, Math.max(least, x[i]));
};

export const clampGradient: ReferenceKernel<ClampAttributes> = (node, [x, dy], output) => {
  const { limit, least } = node.attributes;
  for (let i = 0; i < output.length; i++) output[i] = x[i] > least && x[i] < limit ? dy[i] : 0;
};

export const xielu: ReferenceKernel<XieluAttributes> = (node, [x], output) => {
  const { positive, negative, beta, epsilon } = node.attributes;
  for (let i = 0; i < output.length; i++) {
    const v = x[i];
    const bent = v > 0 ? positive * v * v : negative * (Math.expm1(Math.min(v, epsilon)) - v);
    output[i] = bent + beta * v;
  }
};

export const xieluGradient: ReferenceKernel<XieluAttributes> = (node, [x, dy], output) => {
  const { positive, negative, beta, epsilon } = node.attributes;
  for (let i = 0; i < output.length; i++) {
    const v = x[i];
    const slope = v > 0 ? 2 * positive * v : negative * ((v < epsilon ? Math.exp(v) : 0) - 1);
    output[i] = (slope + beta) * dy[i];
  }
};

export const positionScale: ReferenceKernel<PositionScaleAttributes> = (node, [x], output, { positions }) => {
  const { scale, length } = node.attributes;
  const width = node.shape[1];
  for (let i = 0; i < output.length; i++) {
    const position = positions[Math.floor(i / width)];
    output[i] = x[i] * (1 + scale * Math.log(Math.floor(position / length) + 1));
  }
};

export const gain: ReferenceKernel<GainAttributes> = (node, [x, weights, bias], output) => {
  for (let i = 0; i < output.length; i++) {
    const by = weights[i % weights.length];
    output[i] = (node.attributes.inverse ? x[i] / by : x[i] * by) + (bias ? bias[i % bias.length] : 0);
  }
};
