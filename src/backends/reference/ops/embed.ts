import type { ReferenceKernel } from '../kernel.ts';

export const embed: ReferenceKernel = (node, [table, ids], output) => {
  const width = node.shape[1];
  ids.forEach((id, t) => {
    output.set(table.subarray(id * width, (id + 1) * width), t * width);
  });
};

export const embedWeightGradient: ReferenceKernel = (node, [dy, ids], output) => {
  const width = node.shape[1];
  const sums = new Float64Array(output.length);
  ids.forEach((id, t) => {
    for (let i = 0; i < width; i++) sums[id * width + i] += dy[t * width + i];
  });
  output.set(sums);
};
