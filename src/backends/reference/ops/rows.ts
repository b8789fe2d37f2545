/** The ops that only move values: ids of the step, runs of columns, wanted rows. */
import type { ColumnsAttributes } from '../../../graph/ops/columns.ts';
import type { ReferenceKernel } from '../kernel.ts';

export const tokens: ReferenceKernel = (_, __, output, step) => {
  output.set(Array.from(step.tokens));
};

export const positions: ReferenceKernel = (_, __, output, { registers }) => {
  for (let t = 0; t < output.length; t++) output[t] = registers.P + (t % registers.S);
};

export const columns: ReferenceKernel<ColumnsAttributes> = (node, [x], output) => {
  const { from, width } = node.attributes;
  const all = node.inputs[0]!.shape[1];
  for (let t = 0; t * width < output.length; t++)
    output.set(x!.subarray(t * all + from, t * all + from + width), t * width);
};

export const selectRows: ReferenceKernel = (node, [x], output, { selected }) => {
  const width = node.shape[1];
  for (let r = 0; r < selected.length; r++)
    output.set(x!.subarray(selected[r]! * width, (selected[r]! + 1) * width), r * width);
};
