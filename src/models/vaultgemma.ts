/** VaultGemma: Gemma 2's shape without norms after the branches. Google 2025. */
import type { Architecture } from './architecture.ts';
import { tensorNames } from './folders/family.ts';
import { gemma2Keys } from './folders/gemmaKeys.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';
import { windows } from './parts/windows.ts';

export const vaultgemma: Architecture = {
  name: 'vaultgemma',
  models: 'VaultGemma',
  foldersOnly: true,
  folders: [
    {
      modelTypes: ['vaultgemma'],
      defaults: {
        hidden_size: 2304,
        intermediate_size: 9216,
        num_hidden_layers: 26,
        num_attention_heads: 8,
        num_key_value_heads: 4,
        head_dim: 256,
        hidden_activation: 'gelu_pytorch_tanh',
        max_position_embeddings: 8192,
        rms_norm_eps: 1e-6,
        tie_word_embeddings: true,
        query_pre_attn_scalar: 256,
        sliding_window: 4096,
        final_logit_softcapping: 30,
        attn_logit_softcapping: 50,
        rope_theta: 10000,
      },
      metadata: gemma2Keys,
      tensor: tensorNames({ plusOne: /norm\.weight$/, block: { ffn_norm: 'pre_feedforward_layernorm' } }),
    },
  ],
  build: decoder((model, dimensions) => {
    const { metadata } = model;
    const window = windows(model, dimensions, { period: 2 });
    const turned = rotary(model, dimensions.headSize, { layout: 'half' });
    return {
      attention: {
        rotary: () => turned,
        window: window.of,
        scale: metadata.number('attention.scale'),
        softcap: metadata.number('attn_logit_softcapping', 0),
      },
      feedForward: { activation: activationOf(model, 'gelu'), gated: true },
      embeddingScale: Math.sqrt(dimensions.width),
      logitSoftcap: metadata.number('final_logit_softcapping', 0),
    };
  }),
};
