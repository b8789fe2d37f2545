/** Elementwise ops. */
import type { Value } from '../../../graph/graph.ts';
import type { ActivationAttributes } from '../../../graph/ops/activation.ts';
import type { ScaleAttributes } from '../../../graph/ops/scale.ts';
import type { SoftcapAttributes } from '../../../graph/ops/softcap.ts';
import type { Emitter } from '../emitter.ts';
import type { Lowering, LoweringContext } from '../lowering.ts';

function elementwise(
  kernel: string,
  node: Value<never> | Value<unknown>,
  inputs: readonly Value[],
  { emitter }: LoweringContext,
  constant = 0,
): void {
  const regions = inputs.map((input) => emitter.region(input));
  if (!emitter.has(node as Value)) {
    const spent = inputs.find((input) => isSpent(input, node as Value, emitter));
    if (spent) emitter.alias(node as Value, emitter.region(spent));
  }
  const output = emitter.region(node as Value);
  emitter.emit({
    kernel,
    label: node.label,
    values: [emitter.rowsKind(node as Value), regions[0]!, regions[1] ?? 0, output, node.shape[1], { float: constant }],
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
  elementwise(`${waiting.attributes.kind}Multiply`, node, [waiting.inputs[0]!, other], context);
};

export const scale: Lowering<ScaleAttributes> = (node, context) =>
  elementwise('scale', node, node.inputs, context, node.attributes.factor);

export const softcap: Lowering<SoftcapAttributes> = (node, context) =>
  elementwise('softcap', node, node.inputs, context, node.attributes.cap);

export const activationGradient: Lowering<ActivationAttributes> = (node, context) =>
  elementwise(`${node.attributes.kind}Gradient`, node, node.inputs, context);

export const softcapGradient: Lowering<SoftcapAttributes> = (node, context) =>
  elementwise('softcapGradient', node, node.inputs, context, node.attributes.cap);
