import type { RopeAttributes } from '../../../graph/ops/rope.ts';
import type { ReferenceKernel } from '../kernel.ts';

export const rope: ReferenceKernel<RopeAttributes> = (node, [x, factors], output, { positions }) => {
  const { headSize, layout, frequencies, magnitude, inverse = false } = node.attributes;
  const width = node.shape[1];
  const pairs = frequencies.length;
  output.set(x!);
  for (let from = 0; from < output.length; from += headSize) {
    const position = positions[Math.floor(from / width)]!;
    for (let i = 0; i < pairs; i++) {
      const angle = (position * frequencies[i]!) / (factors ? factors[i]! : 1);
      const cos = Math.cos(angle) * magnitude;
      const sin = Math.sin(inverse ? -angle : angle) * magnitude;
      const a = from + (layout === 'half' ? i : 2 * i);
      const b = from + (layout === 'half' ? i + pairs : 2 * i + 1);
      output[a] = x![a]! * cos - x![b]! * sin;
      output[b] = x![a]! * sin + x![b]! * cos;
    }
  }
};
