/** EXAONE 4: norms after the branches, norms on heads; in the 32B model three of four layers are local, and the others have no rotary embedding. LG AI Research 2025 (arXiv 2507.11407). */
import type { Architecture } from './architecture.ts';
import { tensorNames } from './folders/family.ts';
import { exaone4Keys } from './folders/llamaKeys.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';
import { windows } from './parts/windows.ts';

const LAYERS_OF_32B = 64;

export const exaone4: Architecture = {
  name: 'exaone4',
  models: 'EXAONE 4',
  passesOver: ['attention.sliding_window'],
  folders: [
    {
      modelTypes: ['exaone4'],
      defaults: {
        hidden_size: 4096,
        intermediate_size: 16384,
        num_hidden_layers: 32,
        num_attention_heads: 32,
        num_key_value_heads: 32,
        hidden_act: 'silu',
        max_position_embeddings: 2048,
        rms_norm_eps: 1e-5,
        sliding_window: 4096,
        sliding_window_pattern: 4,
        rope_theta: 10000,
      },
      metadata: exaone4Keys,
      tensor: tensorNames({
        block: {
          attn_norm: '',
          ffn_norm: '',
          post_attention_norm: 'post_attention_layernorm',
          post_ffw_norm: 'post_feedforward_layernorm',
          attn_q_norm: 'self_attn.q_norm',
          attn_k_norm: 'self_attn.k_norm',
        },
      }),
    },
  ],
  build: decoder((model, dimensions) => {
    const { headSize, layers } = dimensions;
    // GGUF has no key for the variant: detect the 32B model
    const hasWindow = model.fromFolder || layers === LAYERS_OF_32B;
    const window = hasWindow
      ? windows(model, dimensions, { period: 4, width: model.fromFolder ? 0 : 4096 })
      : undefined;
    const turned = rotary(model, headSize, { layout: 'half' });
    return {
      norms: 'after',
      attention: {
        rotary: (layer) => (!window?.stated || window.isLocal(layer) ? turned : undefined),
        window: window?.of,
        headNorm: { over: 'head', norm: { kind: 'rms' } },
      },
      feedForward: { activation: activationOf(model, 'silu'), gated: true },
    };
  }),
};
