/** DeepSeek MoE 16B: Llama's attention, experts and shared experts. DeepSeek-AI 2024 (arXiv 2401.06066). */
import type { Architecture } from './architecture.ts';
import { decoder } from './parts/decoder.ts';
import { readExperts } from './parts/experts.ts';
import { rotary } from './parts/rotary.ts';

export const deepseek: Architecture = {
  name: 'deepseek',
  models: 'DeepSeek MoE',
  build: decoder((model, { headSize }) => {
    const { metadata } = model;
    const turned = rotary(model, headSize, { layout: 'interleaved', tables: 'both' });
    const scale = metadata.number('attention.scale', 0);
    const shared = { ffn: metadata.count('expert_feed_forward_length') * metadata.count('expert_shared_count', 0, 0) };
    return {
      attention: { rotary: () => turned, ...(scale === 0 ? {} : { scale }) },
      feedForward: { activation: 'silu', gated: true },
      experts: readExperts(model, { gating: 'softmax', normalize: false, shared }),
    };
  }),
};
