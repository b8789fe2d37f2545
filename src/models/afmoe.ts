/** Trinity (AFMoE): gated attention, norms around the branches, three of four layers local and only these with a rotary embedding, experts and a shared expert. Arcee AI 2025. */
import type { Architecture } from './architecture.ts';
import { decoder } from './parts/decoder.ts';
import { readExperts } from './parts/experts.ts';
import { rotary } from './parts/rotary.ts';
import { windows } from './parts/windows.ts';

/** Layers without a rotary embedding, as in llama.cpp, where no key says so. */
const PERIOD = 4;

export const afmoe: Architecture = {
  name: 'afmoe',
  models: 'Trinity',
  build: decoder((model, dimensions) => {
    const { metadata } = model;
    const { headSize, width } = dimensions;
    const window = windows(model, dimensions, { period: PERIOD });
    const [global, local] = [false, true].map((isLocal) =>
      rotary(model, headSize, { layout: 'half', tables: 'none', local: isLocal, localScaling: true }),
    );
    const shared = { ffn: metadata.count('expert_feed_forward_length') * metadata.count('expert_shared_count', 0, 0) };
    const isStated = metadata.count('expert_gating_func', 0, 0) > 0;
    return {
      norms: 'around',
      attention: {
        rotary: (layer) => ((layer + 1) % PERIOD === 0 ? undefined : window.isLocal(layer) ? local : global),
        window: window.of,
        headNorm: { over: 'head', norm: { kind: 'rms' } },
        gated: true,
      },
      feedForward: { activation: 'silu', gated: true },
      experts: readExperts(model, { shared, ...(isStated ? {} : { gating: 'sigmoid' }) }),
      embeddingScale: Math.sqrt(width),
    };
  }),
};
