import { isWeight } from '../../../graph/graph.ts';
import type { RopeAttributes } from '../../../graph/ops/rope.ts';
import type { Lowering } from '../lowering.ts';

export const rope: Lowering<RopeAttributes> = (node, { emitter, weights }) => {
  const [x, factors] = node.inputs;
  const { headSize, layout, frequencies, magnitude, inverse, beyond } = node.attributes;
  const turned =
    factors && isWeight(factors)
      ? weights.vector(factors, {
          name: `divide ${frequencies.join(' ')}`,
          apply: (values) => values.map((factor, i) => frequencies[i] / factor),
        })
      : weights.constant(frequencies, 'rope frequencies');
  const from = emitter.region(x);
  const turnedBeyond = beyond ? weights.constant(beyond.frequencies, 'rope frequencies beyond') : 0;
  // rotates in place if no other node reads the input
  const output = emitter.soleConsumer(x) ? from : emitter.region(node);
  emitter.alias(node, output);
  const pairs = frequencies.length;
  emitter.needScratch(pairs * 8);
  emitter.emit({
    kernel: 'rope',
    label: node.label,
    values: [
      0,
      from,
      output,
      node.shape[1] / headSize,
      headSize,
      pairs,
      layout === 'half' ? 1 : 0,
      turned,
      { float: magnitude },
      'scratch',
      'scratchStride',
      inverse ? -1 : 1,
      beyond?.length ?? 0,
      turnedBeyond,
    ],
    reads: [from, turned],
    writes: [output],
  });
};
