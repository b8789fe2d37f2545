/** Gradients of elementwise ops. */
import type { ActivationAttributes } from '../../../graph/ops/activation.ts';
import type { ClampAttributes } from '../../../graph/ops/clamp.ts';
import type { SoftcapAttributes } from '../../../graph/ops/softcap.ts';
import type { XieluAttributes } from '../../../graph/ops/xielu.ts';
import type { Lowering } from '../lowering.ts';
import { elementwise, xieluConstants } from './elementwise.ts';

export const activationGradient: Lowering<ActivationAttributes> = (node, context) =>
  elementwise(`${node.attributes.kind}Gradient`, node, node.inputs, context);

export const softcapGradient: Lowering<SoftcapAttributes> = (node, context) =>
  elementwise('softcapGradient', node, node.inputs, context, node.attributes.cap);

export const clampGradient: Lowering<ClampAttributes> = (node, context) =>
  elementwise('clampGradient', node, node.inputs, context, node.attributes.limit, node.attributes.least);

export const xieluGradient: Lowering<XieluAttributes> = (node, context) =>
  elementwise('xieluGradient', node, node.inputs, context, ...xieluConstants(node.attributes));
