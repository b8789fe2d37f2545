/** The ops that only move values: ids of the step, runs of columns, wanted rows. */
import type { ColumnsAttributes } from '../../../graph/ops/columns.ts';
import type { Lowering } from '../lowering.ts';

export const tokens: Lowering<null> = (node, { emitter, inputs }) => emitter.alias(node, inputs.tokens);

export const positions: Lowering<null> = (node, { emitter }) => {
  const output = emitter.region(node);
  emitter.emit({ kernel: 'positions', label: node.label, values: [output], reads: [], writes: [output] });
};

export const columns: Lowering<ColumnsAttributes> = (node, { emitter }) => {
  const [x] = node.inputs;
  const from = emitter.region(x!);
  const output = emitter.region(node);
  const { from: first, width } = node.attributes;
  emitter.emit({
    kernel: 'columns',
    label: node.label,
    values: [emitter.rowsKind(node), from, x!.shape[1], output, width, first],
    reads: [from],
    writes: [output],
  });
};

export const selectRows: Lowering<null> = (node, { emitter, inputs }) => {
  const from = emitter.region(node.inputs[0]!);
  const output = emitter.region(node);
  emitter.emit({
    kernel: 'selectRows',
    label: node.label,
    values: [inputs.selected, from, output, node.shape[1]],
    reads: [inputs.selected, from],
    writes: [output],
  });
};
