/** Ling and Ling 2, Ring: experts and shared experts; Ling 2 has norms on heads and chooses experts in groups. inclusionAI 2025. */
import type { Architecture } from './architecture.ts';
import { decoder } from './parts/decoder.ts';
import { readExperts } from './parts/experts.ts';
import { rotary } from './parts/rotary.ts';

export const bailingmoe: Architecture = {
  name: 'bailingmoe',
  models: 'Ling',
  build: decoder((model, { headSize }) => {
    const { metadata } = model;
    const turned = rotary(model, headSize, { layout: 'interleaved' });
    const shared = { ffn: metadata.count('expert_feed_forward_length') * metadata.count('expert_shared_count', 0, 0) };
    return {
      attention: { rotary: () => turned },
      feedForward: { activation: 'silu', gated: true },
      experts: readExperts(model, { gating: 'softmax', shared }),
      tied: false,
    };
  }),
};

export const bailingmoe2: Architecture = {
  name: 'bailingmoe2',
  models: 'Ling 2, Ring 2',
  build: decoder((model, { headSize }) => {
    const { metadata } = model;
    const turned = rotary(model, headSize, { layout: 'half', tables: 'none' });
    const width =
      metadata.count('expert_shared_feed_forward_length', 0, 0) || metadata.count('expert_feed_forward_length');
    return {
      attention: { rotary: () => turned, headNorm: { over: 'head', norm: { kind: 'rms' } } },
      feedForward: { activation: 'silu', gated: true },
      experts: readExperts(model, { shared: { ffn: width * metadata.count('expert_shared_count', 0, 0) } }),
      tied: false,
    };
  }),
};
