/** MiniMax M2: norms over all queries and all keys, partial rotary embedding, experts chosen by sigmoids and a bias. MiniMax 2025. */
import type { Architecture } from './architecture.ts';
import { decoder } from './parts/decoder.ts';
import { readExperts } from './parts/experts.ts';
import { rotary } from './parts/rotary.ts';

export const minimaxM2: Architecture = {
  name: 'minimax-m2',
  models: 'MiniMax M2',
  build: decoder((model, { headSize, ffn }) => {
    const turned = rotary(model, headSize, { layout: 'half', tables: 'none' });
    return {
      attention: { rotary: () => turned, headNorm: { over: 'all', norm: { kind: 'rms' } }, outputBias: false },
      feedForward: { activation: 'silu', gated: true },
      experts: readExperts(model, { normalize: true, width: ffn[0] }),
      tied: false,
    };
  }),
};
