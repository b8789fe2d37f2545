import { isWeight } from '../../../graph/graph.ts';
import { type ShortConvAttributes, tapsBefore } from '../../../graph/ops/shortConv.ts';
import type { Lowering } from '../lowering.ts';

export const shortConv: Lowering<ShortConvAttributes> = (node, { emitter, weights, stateOffset, stateRegion }) => {
  const [x, filters, bias] = node.inputs;
  if (!isWeight(filters)) throw new TypeError(`${node.label}: the filters are not a weight`);
  const [channels, taps] = filters.shape as readonly [number, number];
  const factors = weights.vector(filters, {
    name: 'by tap',
    apply: (values) => values.map((_, i) => values[(i % channels) * taps + Math.floor(i / channels)]),
  });
  const shift = bias && isWeight(bias) ? weights.vector(bias) : undefined;
  const from = emitter.region(x);
  const state = stateRegion(node.attributes.layer);
  const output = emitter.region(node);
  emitter.emit({
    kernel: 'shortConv',
    label: node.label,
    values: [
      from,
      factors,
      shift ?? 0,
      output,
      channels,
      taps,
      4 * stateOffset(node.attributes.layer),
      tapsBefore(taps, node.attributes),
    ],
    reads: shift ? [from, factors, shift, state] : [from, factors, state],
    writes: [output, state],
    stores: node.attributes.layer,
  });
};
