import { type DropoutAttributes, dropoutThreshold } from '../../../graph/ops/dropout.ts';
import type { Lowering } from '../lowering.ts';

export const dropout: Lowering<DropoutAttributes> = (node, { emitter }) => {
  const [x, seed] = node.inputs.map((input) => emitter.region(input));
  const { rate, salt } = node.attributes;
  const output = emitter.region(node);
  const threshold = dropoutThreshold(rate) | 0;
  emitter.emit({
    kernel: 'dropout',
    label: node.label,
    values: [emitter.rowsKind(node), x, seed, output, node.shape[1], salt | 0, threshold, { float: 1 - rate }],
    reads: [x, seed],
    writes: [output],
  });
};
