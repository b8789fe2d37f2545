import { isWeight, type Value } from '../../../graph/graph.ts';
import type { LayerNormAttributes } from '../../../graph/ops/layerNorm.ts';
import type { RmsNormAttributes } from '../../../graph/ops/rmsNorm.ts';
import type { RmsNormGainGradientAttributes } from '../../../graph/ops/rmsNormGainGradient.ts';
import type { Lowering, LoweringContext } from '../lowering.ts';

function inputGradient(
  kernel: string,
  node: Value<RmsNormAttributes> | Value<LayerNormAttributes>,
  { emitter, weights }: LoweringContext,
): void {
  const [x, gain, dy] = node.inputs;
  if (!isWeight(gain)) throw new TypeError(`${node.label}: the gain is not a weight`);
  const size = gain.shape[1];
  const [from, factors, pull] = [emitter.region(x), weights.vector(gain), emitter.region(dy)];
  const output = emitter.region(node as Value);
  const { epsilon } = node.attributes;
  emitter.emit({
    kernel,
    label: node.label,
    values: [emitter.rowsKind(x), from, factors, output, node.shape[1] / size, size, { float: epsilon }, pull],
    reads: [from, factors, pull],
    writes: [output],
  });
}

/** Computes the moments of every group first, then sums over the groups per column. */
function gainGradient(
  node: Value<RmsNormGainGradientAttributes> | Value<LayerNormAttributes>,
  centred: boolean,
  { emitter }: LoweringContext,
): void {
  const [x, dy] = node.inputs;
  const size = node.shape[1];
  const groups = x.shape[1] / size;
  const kind = emitter.rowsKind(x);
  const [from, pull] = [emitter.region(x), emitter.region(dy)];
  const moments = emitter.temporary(emitter.rowsOf(x) * groups * 8, `${node.label} moments`);
  const output = emitter.region(node as Value);
  emitter.emit({
    kernel: 'moments',
    label: `${node.label}.moments`,
    values: [kind, from, moments, groups, size, { float: node.attributes.epsilon }, centred ? 1 : 0],
    reads: [from],
    writes: [moments],
  });
  emitter.emit({
    kernel: 'gainSums',
    label: node.label,
    values: [kind, from, moments, output, groups, size, pull],
    reads: [from, moments, pull],
    writes: [output],
  });
}

export const rmsNormInputGradient: Lowering<RmsNormAttributes> = (node, context) =>
  inputGradient('rmsNormInputGradient', node, context);

export const layerNormInputGradient: Lowering<LayerNormAttributes> = (node, context) =>
  inputGradient('layerNormInputGradient', node, context);

export const rmsNormGainGradient: Lowering<RmsNormGainGradientAttributes> = (node, context) =>
  gainGradient(node, false, context);

export const layerNormGainGradient: Lowering<LayerNormAttributes> = (node, context) =>
  gainGradient(node, true, context);
