import { isWeight, type Value } from '../../../graph/graph.ts';
import type { AttentionAttributes } from '../../../graph/ops/attention.ts';
import type { Region } from '../emitter.ts';
import type { Lowering, PlacedWeights } from '../lowering.ts';

export const attention: Lowering<AttentionAttributes> = (
  node,
  { emitter, weights, exports, cacheElementsBefore, cacheRegion },
) => {
  const [q, k, v] = node.inputs.slice(0, 3).map((input) => emitter.region(input));
  const sinks = sinksOf(node.inputs[3], weights);
  const { layer, heads, kvHeads, headSize, scale, window, softcap, causal = true, alibi = 0 } = node.attributes;
  const before = cacheElementsBefore(layer);
  const cache = cacheRegion(layer);
  emitter.emit({
    kernel: 'cacheStore',
    label: `${node.label}.store`,
    values: [k, v, kvHeads, headSize, before],
    reads: [k, v],
    writes: [cache],
    stores: layer,
  });
  const output = emitter.region(node);
  // a single token's work is cut into chunks of positions, whose results are joined
  const group = heads / kvHeads;
  const bytes = Number(exports.attentionPartials(emitter.context, kvHeads, group, headSize));
  const partials = emitter.temporary(bytes, `${node.label}.partials`);
  const counters = weights.constant(new Float32Array(kvHeads * Math.ceil(group / 4)), `${node.label}.counters`);
  emitter.needScratch(Number(exports.attentionScratch(emitter.longestSequence, headSize)));
  emitter.needScratch(Number(exports.cachedAttentionScratch(headSize)));
  emitter.emit({
    kernel: 'attention',
    label: node.label,
    values: [
      q,
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
      partials,
      counters,
      // steps without a cache read them from here
      k,
      v,
      causal ? 1 : 0,
      { float: alibi },
      sinks ?? 0,
    ],
    reads: [q, k, v, cache, ...(sinks ? [sinks] : [])],
    writes: [output, partials, counters],
  });
};

export const attentionGradient: Lowering<AttentionAttributes> = (node, { emitter, exports, weights }) => {
  const regions = node.inputs.slice(0, 4).map((input) => emitter.region(input));
  const [q, k, v, dy] = regions;
  const sinks = sinksOf(node.inputs[4], weights);
  const { heads, kvHeads, headSize, scale, window, softcap, causal = true, alibi = 0 } = node.attributes;
  const output = emitter.region(node);
  emitter.needScratch(Number(exports.attentionGradientScratch(emitter.longestSequence, headSize)));
  const shape = [heads, kvHeads, headSize, 0, { float: scale }, window, { float: softcap }];
  emitter.emit({
    kernel: 'attentionGradient',
    label: node.label,
    values: [
      q,
      output,
      ...shape,
      'scratch',
      'scratchStride',
      dy,
      0,
      k,
      v,
      causal ? 1 : 0,
      { float: alibi },
      sinks ?? 0,
    ],
    reads: sinks ? [...regions, sinks] : regions,
    writes: [output],
  });
};

function sinksOf(sinks: Value | undefined, weights: PlacedWeights): Region | undefined {
  if (!sinks) return undefined;
  if (!isWeight(sinks)) throw new TypeError(`${sinks.label}: the sinks are not a weight`);
  return weights.vector(sinks);
}
