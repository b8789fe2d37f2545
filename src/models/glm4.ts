/** GLM 4 (0414): norms before and after the branches, half of each head is rotated. Zhipu AI 2025. */
import type { Architecture } from './architecture.ts';
import { tensorNames } from './folders/family.ts';
import { glmKeys } from './folders/llamaKeys.ts';
import { isList } from './metadata.ts';
import type { ModelBuilder } from './modelBuilder.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';

/** GLM 4V's text model pairs columns differently. Text positions are equal in all of its dimensions. */
function isSectioned({ metadata }: ModelBuilder): boolean {
  const sections = metadata.value('rope.dimension_sections');
  return isList(sections) && Array.from(sections).some((section) => section !== 0);
}

export const glm4: Architecture = {
  name: 'glm4',
  models: 'GLM 4 (0414)',
  passesOver: ['rope.dimension_sections'],
  folders: [
    {
      modelTypes: ['glm4'],
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
      tensor: tensorNames({
        block: {
          ffn_up: 'mlp.gate_up_proj',
          ffn_gate: '',
          ffn_norm: 'post_attention_layernorm',
          post_attention_norm: 'post_self_attn_layernorm',
          post_ffw_norm: 'post_mlp_layernorm',
        },
      }),
    },
  ],
  build: decoder((model, { headSize }) => {
    const turned = rotary(model, headSize, {
      layout: isSectioned(model) ? 'half' : 'interleaved',
      folderLayout: 'interleaved',
      tables: 'none',
    });
    return {
      norms: 'around',
      attention: { rotary: () => turned, outputBias: false },
      feedForward: { activation: activationOf(model, 'silu'), gated: true },
    };
  }),
};
