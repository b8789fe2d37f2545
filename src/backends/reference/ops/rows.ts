/** Ops that move values: token ids, slices of columns, selected rows; and the sum of rows. */
import type { ColumnsAttributes } from '../../../graph/ops/columns.ts';
import type { ScatterColumnsAttributes } from '../../../graph/ops/scatterColumns.ts';
import type { ReferenceKernel } from '../kernel.ts';

export const tokens: ReferenceKernel = (_, __, output, step) => {
  output.set(Array.from(step.tokens));
};

export const positions: ReferenceKernel = (_, __, output, step) => {
  output.set(step.positions);
};

export const columns: ReferenceKernel<ColumnsAttributes> = (node, [x], output) => {
  const { from, width, groups } = node.attributes;
  const all = node.inputs[0].shape[1] / groups;
  for (let t = 0; t * width < output.length; t++)
    output.set(x.subarray(t * all + from, t * all + from + width), t * width);
};

export const selectRows: ReferenceKernel = (node, [x], output, { selected }) => {
  const width = node.shape[1];
  for (let r = 0; r < selected.length; r++)
    output.set(x.subarray(selected[r] * width, (selected[r] + 1) * width), r * width);
};

export const scatterColumns: ReferenceKernel<ScatterColumnsAttributes> = (node, [x], output) => {
  const { from, groups } = node.attributes;
  const [width, all] = [node.inputs[0].shape[1] / groups, node.shape[1] / groups];
  for (let t = 0; t * all < output.length; t++) output.set(x.subarray(t * width, (t + 1) * width), t * all + from);
};

export const scatterRows: ReferenceKernel = (node, [x], output, { selected }) => {
  const width = node.shape[1];
  for (let r = 0; r < selected.length; r++) output.set(x.subarray(r * width, (r + 1) * width), selected[r] * width);
};

export const sumRows: ReferenceKernel = (_, [x], output) => {
  const width = output.length;
  const sums = new Float64Array(width);
  for (let i = 0; i < x.length; i++) sums[i % width] += x[i];
  output.set(sums);
};
