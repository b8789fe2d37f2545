import { isWeight, type Value } from '../../../graph/graph.ts';
import type { LayerNormAttributes } from '../../../graph/ops/layerNorm.ts';
import type { RmsNormAttributes } from '../../../graph/ops/rmsNorm.ts';
import type { Lowering, LoweringContext } from '../lowering.ts';

export const rmsNorm: Lowering<RmsNormAttributes> = (node, context) => {
  const { emitter } = context;
  const [x, gain] = node.inputs;
  const size = gain.shape[1];
  const from = emitter.region(x);
  const factors = vector(gain, context);
  const output = emitter.region(node);
  const { epsilon } = node.attributes;
  emitter.emit({
    kernel: 'rmsNorm',
    label: node.label,
    values: [emitter.rowsKind(node), from, factors, output, node.shape[1] / size, size, { float: epsilon }],
    reads: [from, factors],
    writes: [output],
  });
};

export const layerNorm: Lowering<LayerNormAttributes> = (node, context) => {
  const { emitter } = context;
  const [x, gain, bias] = node.inputs;
  const size = gain.shape[1];
  const from = emitter.region(x);
  const factors = vector(gain, context);
  const shifts = vector(bias, context);
  const output = emitter.region(node);
  const { epsilon } = node.attributes;
  emitter.emit({
    kernel: 'layerNorm',
    label: node.label,
    values: [emitter.rowsKind(node), from, factors, output, shifts, size, { float: epsilon }, node.shape[1] / size],
    reads: [from, factors, shifts],
    writes: [output],
  });
};

function vector(value: Value, { weights }: LoweringContext) {
  if (!isWeight(value)) throw new TypeError(`${value.label} is not a weight`);
  return weights.vector(value);
}
