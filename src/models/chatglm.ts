/** ChatGLM 2 and 3, GLM 4 (9B) and GLM-Edge: half of each head is rotated. GLM team 2024 (arXiv 2406.12793). */
import type { Architecture } from './architecture.ts';
import { tensorNames } from './folders/family.ts';
import { glmKeys } from './folders/llamaKeys.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';

export const chatglm: Architecture = {
  name: 'chatglm',
  models: 'ChatGLM 2, 3, GLM 4 (9B), GLM-Edge',
  folders: [
    {
      modelTypes: ['glm'],
      defaults: {
        hidden_size: 4096,
        intermediate_size: 13696,
        num_hidden_layers: 40,
        num_attention_heads: 32,
        num_key_value_heads: 2,
        head_dim: 128,
        hidden_act: 'silu',
        max_position_embeddings: 131072,
        rms_norm_eps: 1.5625e-7,
        attention_bias: true,
        rope_theta: 10000,
        partial_rotary_factor: 0.5,
      },
      metadata: glmKeys,
      tensor: tensorNames({ block: { ffn_up: 'mlp.gate_up_proj', ffn_gate: '' } }),
    },
  ],
  build: decoder((model, { headSize }) => {
    const turned = rotary(model, headSize, { layout: 'interleaved', folderLayout: 'interleaved', tables: 'none' });
    return {
      attention: { rotary: () => turned, outputBias: false },
      feedForward: { activation: activationOf(model, 'silu'), gated: true },
    };
  }),
};
