/**
 * Selective state space model, the recurrence of Mamba (Gu, Dao 2023) and Mamba 2 (Dao, Gu 2024). Every channel c of head h
 * has N numbers: s[c, n] ← e^(Δ_h · A) · s[c, n] + Δ_h · B[n] · x[c]; y[c] = Σ_n C[n] · s[c, n] + D_h · x[c]. They are the
 * state, zero before the first token. Heads share B and C in G groups. x [T, H·P], Δ [T, H], B and C [T, G·N], A with one
 * number per head, or N (Mamba, whose heads have one channel), D with one per head → [T, H·P].
 */
import { GraphError, type Op, rowsOf, type Value } from '../graph.ts';

export interface SelectiveScanAttributes {
  /** Index of the recurrent state, unique within the graph. */
  readonly layer: number;
  /** Number of groups of heads G. */
  readonly groups: number;
}

export interface SelectiveScanInputs {
  readonly x: Value;
  readonly delta: Value;
  readonly b: Value;
  readonly c: Value;
  /** Weight, negative numbers. */
  readonly a: Value;
  /** Weight. */
  readonly d: Value;
}

/** Sizes of a scan: heads, channels of a head, numbers per channel, numbers of A per head. */
export function selectiveScanSizes([x, delta, b, , a]: readonly Value[], { groups }: SelectiveScanAttributes) {
  const heads = delta.shape[1];
  const perHead = (Number(a.shape[0]) * a.shape[1]) / heads;
  return { heads, headSize: x.shape[1] / heads, stateSize: b.shape[1] / groups, perHead };
}

export const selectiveScanOp: Op<SelectiveScanAttributes> = {
  name: 'selectiveScan',
  stateSlot(inputs, attributes) {
    const { stateSize } = selectiveScanSizes(inputs, attributes);
    return { layer: attributes.layer, elements: inputs[0].shape[1] * stateSize };
  },
  shape(inputs, attributes) {
    const [x, , b, c, , d] = inputs;
    const { heads, headSize, stateSize, perHead } = selectiveScanSizes(inputs, attributes);
    const fail = (problem: string): never => {
      throw new GraphError('selectiveScan', problem, inputs);
    };
    if (heads % attributes.groups !== 0) fail(`${heads} heads are not ${attributes.groups} groups`);
    if (!Number.isInteger(headSize)) fail('the width is not a multiple of the number of heads');
    if (!Number.isInteger(stateSize) || b.shape[1] !== c.shape[1]) fail('B and C do not fit the groups');
    if (perHead !== 1 && perHead !== stateSize) fail(`A has ${perHead} numbers per head`);
    if (perHead !== 1 && headSize !== 1) fail('A has several numbers for heads of several channels');
    if (Number(d.shape[0]) * d.shape[1] !== heads) fail('D does not have one number per head');
    return x.shape;
  },
  cost(inputs, attributes, shape, registers) {
    const elements = shape[1] * selectiveScanSizes(inputs, attributes).stateSize;
    return { flops: 5 * rowsOf(shape, registers) * elements, bytes: 4 * elements };
  },
};

export function selectiveScan(
  { x, delta, b, c, a, d }: SelectiveScanInputs,
  attributes: SelectiveScanAttributes,
  label = 'selectiveScan',
): Value {
  return x.graph.add(selectiveScanOp, [x, delta, b, c, a, d], attributes, label);
}
