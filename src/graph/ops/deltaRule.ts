/**
 * Gated delta rule (Yang et al. 2024, arXiv 2412.06464): linear attention over a matrix M [S, V] per head that forgets and is
 * corrected, with keys and queries of length 1. Per token: M ← e^g · M; M ← M + k ⊗ β (v − kᵀM); y = qᵀM / √S. M is the state,
 * zero before the first token. qk [T, 2·G·S]: queries, then keys; v [T, H·V], g [T, H], β [T, H] → [T, H·V].
 */
import { GraphError, type Op, rowsOf, type Value } from '../graph.ts';

export interface DeltaRuleAttributes {
  /** Index of the recurrent state, unique within the graph. */
  readonly layer: number;
  /** Number of key heads G, which divides the number of heads H. */
  readonly keyHeads: number;
  /** Key head of head h: 'blocks' h / (H / G), as in transformers, or 'turns' h mod G, as in GGUF files of Qwen 3.5. */
  readonly order: 'blocks' | 'turns';
}

/** Sizes of a delta rule's heads. */
export function deltaRuleSizes([qk, v, g]: readonly Value[], { keyHeads }: DeltaRuleAttributes) {
  const heads = g.shape[1];
  return { heads, keySize: qk.shape[1] / (2 * keyHeads), valueSize: v.shape[1] / heads };
}

export const deltaRuleOp: Op<DeltaRuleAttributes> = {
  name: 'deltaRule',
  stateSlot(inputs, attributes) {
    const { heads, keySize, valueSize } = deltaRuleSizes(inputs, attributes);
    return { layer: attributes.layer, elements: heads * keySize * valueSize };
  },
  shape(inputs, attributes) {
    const { heads, keySize, valueSize } = deltaRuleSizes(inputs, attributes);
    if (inputs[3].shape[1] !== heads) throw new GraphError('deltaRule', 'not as many betas as decays', inputs);
    if (heads % attributes.keyHeads !== 0)
      throw new GraphError('deltaRule', `${heads} heads cannot share ${attributes.keyHeads} key heads`, inputs);
    if (!Number.isInteger(keySize) || !Number.isInteger(valueSize))
      throw new GraphError('deltaRule', 'the width is not a multiple of the number of heads', inputs);
    return inputs[1].shape;
  },
  cost(inputs, attributes, shape, registers) {
    const { heads, keySize, valueSize } = deltaRuleSizes(inputs, attributes);
    const elements = heads * keySize * valueSize;
    return { flops: 7 * rowsOf(shape, registers) * elements, bytes: 4 * elements };
  },
};

export function deltaRule(
  qk: Value,
  v: Value,
  g: Value,
  beta: Value,
  attributes: DeltaRuleAttributes,
  label = 'deltaRule',
): Value {
  return qk.graph.add(deltaRuleOp, [qk, v, g, beta], attributes, label);
}
