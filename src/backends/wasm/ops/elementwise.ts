/** Elementwise ops. */
import { isWeight, type Value } from '../../../graph/graph.ts';
import type { ActivationAttributes } from '../../../graph/ops/activation.ts';
import type { ClampAttributes } from '../../../graph/ops/clamp.ts';
import type { GainAttributes } from '../../../graph/ops/gain.ts';
import type { PositionScaleAttributes } from '../../../graph/ops/positionScale.ts';
import type { ScaleAttributes } from '../../../graph/ops/scale.ts';
import type { SoftcapAttributes } from '../../../graph/ops/softcap.ts';
import type { XieluAttributes } from '../../../graph/ops/xielu.ts';
import type { Argument, Emitter } from '../emitter.ts';
import type { Lowering, LoweringContext } from '../lowering.ts';

/** Emits an elementwise kernel with up to two inputs. @param constants further arguments of the kernel */
export function elementwise(
  kernel: string,
  node: Value<never> | Value<unknown>,
  inputs: readonly Value[],
  { emitter }: LoweringContext,
  ...constants: readonly number[]
): void {
  const regions = inputs.map((input) => emitter.region(input));
  if (!emitter.has(node as Value)) {
    const spent = inputs.find((input) => isSpent(input, node as Value, emitter));
    if (spent) emitter.alias(node as Value, emitter.region(spent));
  }
  const output = emitter.region(node as Value);
  const floats: Argument[] = constants.map((float) => ({ float }));
  emitter.emit({
    kernel,
    label: node.label,
    values: [emitter.rowsKind(node as Value), regions[0], regions[1] ?? 0, output, node.shape[1], ...floats],
    reads: regions,
    writes: [output],
    split: `elements ${node.shape.join(' ')}`,
  });
}

/** True if the only reader of a value may overwrite it. */
function isSpent(value: Value, result: Value, emitter: Emitter): boolean {
  return emitter.soleConsumer(value) === result && emitter.region(value).kind === 'temporary' && emitter.isAlone(value);
}

/** Does nothing if the matrix product before it includes the addition (linear.ts). */
export const add: Lowering<null> = (node, context) => {
  if (!context.emitter.has(node)) elementwise('add', node, node.inputs, context);
};

const isActivation = (value: Value): value is Value<ActivationAttributes> => value.op.name === 'activation';

/** Fuses an activation with the multiplication that is its only reader. Of two activations, fuses the first. */
export const activation: Lowering<ActivationAttributes> = (node, context) => {
  const taker = context.emitter.soleConsumer(node);
  if (taker?.op.name === 'multiply' && taker.inputs.find(isActivation) === node) return;
  elementwise(node.attributes.kind, node, node.inputs, context);
};

export const multiply: Lowering<null> = (node, context) => {
  const waiting = node.inputs.find((input) => isActivation(input) && !context.emitter.has(input));
  if (!waiting || !isActivation(waiting)) return elementwise('multiply', node, node.inputs, context);
  const other = node.inputs.find((input) => input !== waiting)!;
  elementwise(`${waiting.attributes.kind}Multiply`, node, [waiting.inputs[0], other], context);
};

export const scale: Lowering<ScaleAttributes> = (node, context) =>
  elementwise('scale', node, node.inputs, context, node.attributes.factor);

export const softcap: Lowering<SoftcapAttributes> = (node, context) =>
  elementwise('softcap', node, node.inputs, context, node.attributes.cap);

export const clamp: Lowering<ClampAttributes> = (node, context) =>
  elementwise('clamp', node, node.inputs, context, node.attributes.limit, node.attributes.least);

export const xieluConstants = ({ positive, negative, beta, epsilon }: XieluAttributes) => [
  positive,
  negative,
  beta,
  epsilon,
];

export const xielu: Lowering<XieluAttributes> = (node, context) =>
  elementwise('xielu', node, node.inputs, context, ...xieluConstants(node.attributes));

/** Depends on an element's position. */
export const positionScale: Lowering<PositionScaleAttributes> = (node, { emitter }) => {
  const from = emitter.region(node.inputs[0]);
  const output = emitter.region(node);
  const { scale: factor, length } = node.attributes;
  emitter.emit({
    kernel: 'positionScale',
    label: node.label,
    values: [0, from, output, node.shape[1], { float: factor }, { float: length }],
    reads: [from],
    writes: [output],
  });
};

/** Depends on an element's column. */
export const gain: Lowering<GainAttributes> = (node, { emitter, weights }) => {
  const [x, factors, bias] = node.inputs;
  if (!isWeight(factors)) throw new TypeError(`${node.label}: the gain is not a weight`);
  const { inverse } = node.attributes;
  const by = weights.vector(
    factors,
    inverse ? { name: 'inverse', apply: (values) => values.map((value) => 1 / value) } : undefined,
  );
  const from = emitter.region(x);
  const shift = bias && isWeight(bias) ? weights.vector(bias) : undefined;
  const elements = Number(factors.shape[0]) * factors.shape[1];
  const output = emitter.region(node);
  emitter.emit({
    kernel: 'gain',
    label: node.label,
    values: [emitter.rowsKind(node), from, by, output, node.shape[1], elements, shift ?? 0],
    reads: shift ? [from, by, shift] : [from, by],
    writes: [output],
  });
};
