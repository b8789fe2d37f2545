/** Ops that only move values: token ids, inputs, states, slices of columns, selected rows. */

import type { Value } from '../../../graph/graph.ts';
import type { ColumnsAttributes } from '../../../graph/ops/columns.ts';
import type { ConstantAttributes } from '../../../graph/ops/constant.ts';
import type { ScatterColumnsAttributes } from '../../../graph/ops/scatterColumns.ts';
import type { Lowering } from '../lowering.ts';

export const tokens: Lowering<null> = (node, { emitter, inputs }) => emitter.alias(node, inputs.tokens);

export const input: Lowering<unknown> = (node, { emitter, given }) => {
  const value = node as Value;
  emitter.alias(value, given(value));
};

export const state: Lowering<unknown> = (node, { emitter, kept }) => {
  const value = node as Value;
  emitter.alias(value, kept(value).region);
};

export const constant: Lowering<ConstantAttributes> = (node, { emitter, weights }) =>
  emitter.alias(node, weights.constant(Float32Array.of(node.attributes.value), node.label));

/** Returns its first input. The effects of the other inputs have happened before. */
export const after: Lowering<null> = (node, { emitter }) => emitter.alias(node, emitter.region(node.inputs[0]));

export const positions: Lowering<null> = (node, { emitter, inputs }) => emitter.alias(node, inputs.positions);

export const columns: Lowering<ColumnsAttributes> = (node, { emitter }) => {
  const [x] = node.inputs;
  const from = emitter.region(x);
  const output = emitter.region(node);
  const { from: first, width, groups } = node.attributes;
  emitter.emit({
    kernel: 'columns',
    label: node.label,
    values: [emitter.rowsKind(node), from, x.shape[1] / groups, output, width, first, groups],
    reads: [from],
    writes: [output],
  });
};

export const selectRows: Lowering<null> = (node, { emitter, inputs }) => {
  const from = emitter.region(node.inputs[0]);
  const output = emitter.region(node);
  emitter.emit({
    kernel: 'selectRows',
    label: node.label,
    values: [inputs.selected, from, output, node.shape[1]],
    reads: [inputs.selected, from],
    writes: [output],
  });
};

export const scatterColumns: Lowering<ScatterColumnsAttributes> = (node, { emitter }) => {
  const [x] = node.inputs;
  const from = emitter.region(x);
  const output = emitter.region(node);
  const { from: first, groups } = node.attributes;
  emitter.emit({
    kernel: 'scatterColumns',
    label: node.label,
    values: [emitter.rowsKind(node), from, x.shape[1] / groups, output, node.shape[1] / groups, first, groups],
    reads: [from],
    writes: [output],
  });
};

export const scatterRows: Lowering<null> = (node, { emitter, inputs }) => {
  const from = emitter.region(node.inputs[0]);
  const output = emitter.region(node);
  emitter.emit({
    kernel: 'scatterRows',
    label: node.label,
    values: [inputs.selected, from, output, node.shape[1]],
    reads: [inputs.selected, from],
    writes: [output],
  });
};
