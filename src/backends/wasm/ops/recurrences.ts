/** Recurrences with a matrix as their state: the gated delta rule and the selective scan. */
import { isWeight, type Value } from '../../../graph/graph.ts';
import { type DeltaRuleAttributes, deltaRuleSizes } from '../../../graph/ops/deltaRule.ts';
import { type SelectiveScanAttributes, selectiveScanSizes } from '../../../graph/ops/selectiveScan.ts';
import type { Lowering } from '../lowering.ts';

export const deltaRule: Lowering<DeltaRuleAttributes> = (node, { emitter, exports, stateOffset, stateRegion }) => {
  const { layer, keyHeads, order } = node.attributes;
  const { heads, keySize, valueSize } = deltaRuleSizes(node.inputs, node.attributes);
  const from = node.inputs.map((input) => emitter.region(input));
  const state = stateRegion(layer);
  const output = emitter.region(node);
  emitter.needScratch(Number(exports.deltaRuleScratch(keySize)));
  emitter.emit({
    kernel: 'deltaRule',
    label: node.label,
    values: [
      ...from,
      output,
      heads,
      keyHeads,
      keySize,
      valueSize,
      order === 'turns' ? 1 : 0,
      { float: 1 / Math.sqrt(keySize) },
      4 * stateOffset(layer),
      'scratch',
      'scratchStride',
    ],
    reads: [...from, state],
    writes: [output, state],
    stores: layer,
  });
};

export const selectiveScan: Lowering<SelectiveScanAttributes> = (node, context) => {
  const { emitter, exports, weights, stateOffset, stateRegion } = context;
  const { layer, groups } = node.attributes;
  const { heads, headSize, stateSize, perHead } = selectiveScanSizes(node.inputs, node.attributes);
  const [a, d] = node.inputs.slice(4) as [Value, Value];
  if (!isWeight(a) || !isWeight(d)) throw new TypeError(`${node.label}: A and D are not weights`);
  const decays = weights.vector(a, {
    name: `[H, ${perHead}] → [${perHead}, H]`,
    apply: (values) => values.map((_, i) => values[(i % heads) * perHead + Math.floor(i / heads)]),
  });
  const from = node.inputs.slice(0, 4).map((input) => emitter.region(input));
  const skip = weights.vector(d);
  const state = stateRegion(layer);
  const output = emitter.region(node);
  emitter.needScratch(Number(exports.selectiveScanScratch(stateSize)));
  emitter.emit({
    kernel: 'selectiveScan',
    label: node.label,
    values: [
      ...from,
      decays,
      skip,
      output,
      heads,
      headSize,
      groups,
      stateSize,
      perHead,
      4 * stateOffset(layer),
      'scratch',
      'scratchStride',
    ],
    reads: [...from, decays, skip, state],
    writes: [output, state],
    stores: layer,
  });
};
