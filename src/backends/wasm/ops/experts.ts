/** Mixtures of experts. */
import { isWeight, type Value } from '../../../graph/graph.ts';
import type { CombineAttributes } from '../../../graph/ops/combine.ts';
import type { ExpertLinearAttributes } from '../../../graph/ops/expertLinear.ts';
import { LEAST_WEIGHT_SUM, type RouteAttributes } from '../../../graph/ops/route.ts';
import type { Lowering } from '../lowering.ts';
import { activationForms } from '../weights.ts';

const gatings = ['softmax', 'sigmoid', 'softmaxOfChosen'];

export const route: Lowering<RouteAttributes> = (node, { emitter, exports, weights }) => {
  const [logits, bias] = node.inputs;
  const experts = logits.shape[1];
  const { used, gating, normalize, scale, groups, usedGroups } = node.attributes;
  const from = emitter.region(logits);
  const output = emitter.region(node);
  const biases = bias && isWeight(bias) ? weights.vector(bias) : undefined;
  emitter.needScratch(Number(exports.routeScratch(experts)));
  emitter.emit({
    kernel: 'route',
    label: node.label,
    values: [
      emitter.rowsKind(node),
      from,
      output,
      experts,
      used,
      gatings.indexOf(gating),
      normalize ? 1 : 0,
      { float: scale },
      groups,
      usedGroups,
      biases ?? 0,
      'scratch',
      'scratchStride',
      { float: LEAST_WEIGHT_SUM },
    ],
    reads: biases ? [from, biases] : [from],
    writes: [output],
  });
};

export const expertLinear: Lowering<ExpertLinearAttributes> = (node, { emitter, exports, weights }) => {
  const [x, routes, matrix, last] = node.inputs;
  if (!isWeight(matrix)) throw new TypeError(`${node.label}: the matrix is not a weight`);
  const { region, format } = weights.matrix(matrix);
  const { experts, extra } = node.attributes;
  const columns = matrix.shape[1];
  const used = routes.shape[1] / 2;
  const [from, chosen] = [emitter.region(x), emitter.region(routes)];
  const output = emitter.region(node);
  const more = last && isWeight(last) ? weights.vector(last as Value<never>) : undefined;
  emitter.needScratch(Number(exports.expertScratch(columns)) + format.scratchBytes(columns));
  const forActivations = { floats: 'interleave', int8: 'quantize8', int8Parts: 'quantize8', int16: 'quantize16' };
  emitter.emit({
    kernel: 'expertLinear',
    label: node.label,
    values: [
      emitter.rowsKind(node),
      region,
      from,
      chosen,
      output,
      node.shape[1] / used,
      columns,
      (extra === 'bias' && more) || 0,
      experts,
      used,
      'scratch',
      'scratchStride',
      x.shape[1] === columns ? 0 : 1,
      activationForms.indexOf(format.activations),
      format.groupBytes(columns),
      { kernel: `matmul_${format.name}` },
      { kernel: forActivations[format.activations] },
      (extra === 'factors' && more) || 0,
    ],
    reads: more ? [region, from, chosen, more] : [region, from, chosen],
    writes: [output],
  });
};

export const combine: Lowering<CombineAttributes> = (node, { emitter }) => {
  const [x, factors] = node.inputs.map((input) => emitter.region(input));
  const output = emitter.region(node);
  const { groups, from } = node.attributes;
  emitter.emit({
    kernel: 'combine',
    label: node.label,
    values: [emitter.rowsKind(node), x, factors, output, node.shape[1], groups, node.inputs[1].shape[1], from],
    reads: [x, factors],
    writes: [output],
  });
};

export const scaleGroups: Lowering<null> = (node, { emitter }) => {
  const [x, factors] = node.inputs.map((input) => emitter.region(input));
  const output = emitter.region(node);
  const groups = node.inputs[1].shape[1];
  emitter.emit({
    kernel: 'scaleGroups',
    label: node.label,
    values: [emitter.rowsKind(node), x, factors, output, groups, node.shape[1] / groups],
    reads: [x, factors],
    writes: [output],
  });
};
