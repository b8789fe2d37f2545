import type { CombineAttributes } from '../../../graph/ops/combine.ts';
import type { ExpertLinearAttributes } from '../../../graph/ops/expertLinear.ts';
import { LEAST_WEIGHT_SUM, type RouteAttributes } from '../../../graph/ops/route.ts';
import type { ReferenceKernel } from '../kernel.ts';

export const route: ReferenceKernel<RouteAttributes> = (node, [logits, bias], output) => {
  const { used, gating, normalize, scale, groups, usedGroups } = node.attributes;
  const experts = node.inputs[0].shape[1];
  for (let t = 0; t * 2 * used < output.length; t++) {
    const row = Array.from(logits.subarray(t * experts, (t + 1) * experts));
    const scores = gating === 'softmax' ? softmax(row) : gating === 'sigmoid' ? row.map(sigmoid) : row;
    const order = scores.map((score, expert) => score + (bias ? bias[expert] : 0));
    excludeGroups(order, groups, usedGroups);
    const chosen = largest(order, used);
    const found = chosen.map((expert) => scores[expert]);
    const weights = gating === 'softmaxOfChosen' ? softmax(found) : found;
    const sum = weights.reduce((a, b) => a + b, 0);
    const factor = scale / (normalize ? Math.max(sum, LEAST_WEIGHT_SUM) : 1);
    output.set([...chosen, ...weights.map((weight) => weight * factor)], t * 2 * used);
  }
};

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

function softmax(row: readonly number[]): number[] {
  const most = Math.max(...row);
  const exponentials = row.map((x) => Math.exp(x - most));
  const sum = exponentials.reduce((a, b) => a + b, 0);
  return exponentials.map((x) => x / sum);
}

/** Indices of the `count` largest values, in decreasing order. */
function largest(values: readonly number[], count: number): number[] {
  return [...values.keys()].sort((a, b) => values[b] - values[a] || a - b).slice(0, count);
}

function excludeGroups(scores: number[], groups: number, used: number): void {
  if (groups === 1) return;
  const size = scores.length / groups;
  const sums = Array.from({ length: groups }, (_, group) => {
    const own = scores.slice(group * size, (group + 1) * size);
    return largest(own, 2).reduce((sum, expert) => sum + own[expert], 0);
  });
  const eligible = new Set(largest(sums, used));
  for (const expert of scores.keys())
    if (!eligible.has(Math.floor(expert / size))) scores[expert] = Number.NEGATIVE_INFINITY;
}

export const expertLinear: ReferenceKernel<ExpertLinearAttributes> = (node, [x, routes, matrix, last], output) => {
  const [first, , stacked] = node.inputs;
  const { extra } = node.attributes;
  const used = node.inputs[1].shape[1] / 2;
  const columns = stacked.shape[1];
  const outputs = Number(stacked.shape[0]) / node.attributes.experts;
  const own = first.shape[1] !== columns;
  for (let t = 0; t * used * outputs < output.length; t++) {
    for (let i = 0; i < used; i++) {
      const expert = routes[t * 2 * used + i];
      const from = (own ? t * used + i : t) * columns;
      for (let o = 0; o < outputs; o++) {
        const row = expert * outputs + o;
        let sum = extra === 'bias' ? last[row] : 0;
        for (let c = 0; c < columns; c++) sum += x[from + c] * matrix[row * columns + c];
        output[(t * used + i) * outputs + o] = extra === 'factors' ? sum * last[expert] : sum;
      }
    }
  }
};

export const combine: ReferenceKernel<CombineAttributes> = (node, [x, factors], output) => {
  const { groups, from } = node.attributes;
  const width = node.shape[1];
  const stride = node.inputs[1].shape[1];
  for (let t = 0; t * width < output.length; t++) {
    for (let c = 0; c < width; c++) {
      let sum = 0;
      for (let g = 0; g < groups; g++) sum += factors[t * stride + from + g] * x[(t * groups + g) * width + c];
      output[t * width + c] = sum;
    }
  }
};

export const scaleGroups: ReferenceKernel = (node, [x, factors], output) => {
  const width = node.shape[1] / node.inputs[1].shape[1];
  for (let i = 0; i < output.length; i++) output[i] = x[i] * factors[Math.floor(i / width)];
};
