import { type SelectiveScanAttributes, selectiveScanSizes } from '../../../graph/ops/selectiveScan.ts';
import type { ReferenceKernel } from '../kernel.ts';
import { recurrence } from '../recurrence.ts';

/** The state is [H·P, N]. */
export const selectiveScan: ReferenceKernel<SelectiveScanAttributes> = (node, [x, delta, b, c, a, d], output, step) => {
  const { layer, groups } = node.attributes;
  const { heads, headSize, stateSize, perHead } = selectiveScanSizes(node.inputs, node.attributes);
  const channels = heads * headSize;
  recurrence(step, layer, channels * stateSize, (row, state) => {
    for (let channel = 0; channel < channels; channel++) {
      const head = Math.floor(channel / headSize);
      const group = Math.floor((head * groups) / heads);
      const value = x[row * channels + channel];
      const step = delta[row * heads + head];
      let sum = d[head] * value;
      for (let n = 0; n < stateSize; n++) {
        const shared = (row * groups + group) * stateSize + n;
        const decay = Math.exp(step * a[head * perHead + (n % perHead)]);
        const next = decay * state[channel * stateSize + n] + step * b[shared] * value;
        state[channel * stateSize + n] = next;
        sum += c[shared] * next;
      }
      output[row * channels + channel] = sum;
    }
  });
};
