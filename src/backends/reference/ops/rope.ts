import type { RopeAttributes } from '../../../graph/ops/rope.ts';
import type { ReferenceKernel, StepContext } from '../kernel.ts';

/** Positions up to the last one of a row's sequence in this step. */
function lengthOf(row: number, { sequences, registers }: StepContext): number {
  const own = sequences?.find(({ first, count }) => row >= first && row < first + count);
  return own ? own.position + own.count : registers.S;
}

export const rope: ReferenceKernel<RopeAttributes> = (node, [x, factors], output, step) => {
  const { headSize, layout, magnitude, inverse = false, beyond } = node.attributes;
  const { positions } = step;
  const width = node.shape[1];
  const pairs = node.attributes.frequencies.length;
  output.set(x);
  for (let from = 0; from < output.length; from += headSize) {
    const row = Math.floor(from / width);
    const position = positions[row];
    const isLong = beyond !== undefined && lengthOf(row, step) > beyond.length;
    const frequencies = isLong ? beyond.frequencies : node.attributes.frequencies;
    for (let i = 0; i < pairs; i++) {
      const angle = (position * frequencies[i]) / (factors ? factors[i] : 1);
      const cos = Math.cos(angle) * magnitude;
      const sin = Math.sin(inverse ? -angle : angle) * magnitude;
      const a = from + (layout === 'half' ? i : 2 * i);
      const b = from + (layout === 'half' ? i + pairs : 2 * i + 1);
      output[a] = x[a] * cos - x[b] * sin;
      output[b] = x[a] * sin + x[b] * cos;
    }
  }
};
