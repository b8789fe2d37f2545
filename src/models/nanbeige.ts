/** Nanbeige 4: Llama's shape, whose layers may run several times. 2025. */
import type { Architecture } from './architecture.ts';
import { MOST_LOOPS } from './limits.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';

export const nanbeige: Architecture = {
  name: 'nanbeige',
  models: 'Nanbeige 4',
  build: decoder((model, { headSize }) => {
    const turned = rotary(model, headSize, { layout: 'interleaved' });
    return {
      attention: { rotary: () => turned },
      feedForward: { scaled: true, activation: 'silu', gated: true },
      loops: model.metadata.count('num_loops', 1, 1, MOST_LOOPS),
      plainLoops: model.metadata.flag('skip_loop_final_norm', false),
    };
  }),
};
