/** K-EXAONE: EXAONE 4's attention with norms before the branches; local layers have a rotary embedding, the others none; experts and a shared expert. LG AI Research 2026. */
import type { Architecture } from './architecture.ts';
import { decoder } from './parts/decoder.ts';
import { readExperts, sharedWidth } from './parts/experts.ts';
import { rotary } from './parts/rotary.ts';
import { windows } from './parts/windows.ts';

export const exaoneMoe: Architecture = {
  name: 'exaone-moe',
  models: 'K-EXAONE',
  build: decoder((model, dimensions) => {
    const window = windows(model, dimensions, { period: 4, required: !model.fromFolder });
    const turned = rotary(model, dimensions.headSize, { layout: 'half' });
    const ffn = model.metadata.count('expert_feed_forward_length');
    return {
      attention: {
        rotary: (layer) => (window.isLocal(layer) ? turned : undefined),
        window: window.of,
        headNorm: { over: 'head', norm: { kind: 'rms' } },
        outputBias: false,
      },
      feedForward: { activation: 'silu', gated: true },
      experts: readExperts(model, { shared: { ffn: sharedWidth(model, ffn) } }),
    };
  }),
};
