import { type ShortConvAttributes, tapsBefore } from '../../../graph/ops/shortConv.ts';
import { PAGE_POSITIONS, pageIndex } from '../../../graph/step.ts';
import type { ReferenceKernel } from '../kernel.ts';

export const shortConv: ReferenceKernel<ShortConvAttributes> = (node, [x, weights, bias], output, step) => {
  const [channels, taps] = node.inputs[1].shape as readonly [number, number];
  const { layer } = node.attributes;
  const kept = taps - 1;
  const before = tapsBefore(taps, node.attributes);
  const { T, S } = step.registers;
  const parts =
    step.sequences ??
    Array.from({ length: T / S }, (_, i) => ({ first: i * S, count: S, position: 0, state: () => undefined }));
  for (const { first, count, position, state } of parts) {
    const past = position > 0 ? state(pageIndex(position - 1), layer)?.slice() : undefined;
    /** Channel d of row r of this step; rows before it are negative. */
    const at = (r: number, d: number): number => {
      if (r >= count) return 0;
      return r >= 0 ? x[(first + r) * channels + d] : (past?.[(kept + r) * channels + d] ?? 0);
    };
    for (let r = 0; r < count; r++)
      for (let d = 0; d < channels; d++) {
        let sum = bias?.[d] ?? 0;
        for (let k = 0; k < taps; k++) sum += weights[d * taps + k] * at(r - before + k, d);
        output[(first + r) * channels + d] = sum;
      }
    const end = position + count;
    for (let page = pageIndex(position); page <= pageIndex(end - 1); page++) {
      const to = state(page, layer);
      const last = Math.min(end, (page + 1) * PAGE_POSITIONS) - position;
      for (let i = 0; to && i < to.length; i++) to[i] = at(last - kept + Math.floor(i / channels), i % channels);
    }
  }
};
