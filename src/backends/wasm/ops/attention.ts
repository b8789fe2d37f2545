import type { AttentionAttributes } from '../../../graph/ops/attention.ts';
import type { Lowering } from '../lowering.ts';

export const attention: Lowering<AttentionAttributes> = (node, { emitter, cacheElementsBefore, cacheRegion }) => {
  const [q, k, v] = node.inputs.map((input) => emitter.region(input));
  const { layer, heads, kvHeads, headSize, scale, window, softcap } = node.attributes;
  const before = cacheElementsBefore(layer);
  const cache = cacheRegion(layer);
  emitter.emit({
    kernel: 'cacheStore',
    label: `${node.label}.store`,
    values: [k!, v!, kvHeads, headSize, before],
    reads: [k!, v!],
    writes: [cache],
  });
  const output = emitter.region(node);
  emitter.needScratch((4 * emitter.context + 64) * 4);
  emitter.emit({
    kernel: 'attention',
    label: node.label,
    values: [
      q!,
      output,
      heads,
      kvHeads,
      headSize,
      before,
      { float: scale },
      window,
      { float: softcap },
      'scratch',
      'scratchStride',
    ],
    reads: [q!, cache],
    writes: [output],
  });
};
