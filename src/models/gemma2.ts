/** Gemma 2: local and global layers in turn, soft-capped scores and logits, norms around the branches. Gemma team 2024 (arXiv 2408.00118). */
import type { Architecture } from './architecture.ts';
import { tensorNames } from './folders/family.ts';
import { gemma2Keys } from './folders/gemmaKeys.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';
import { windows } from './parts/windows.ts';

/** The 27B model scales queries by width per head instead of by head size; GGUF has no key for it. */
const LAYERS_OF_27B = 46;

export const gemma2: Architecture = {
  name: 'gemma2',
  models: 'Gemma 2',
  passesOver: ['attention.scale'],
  folders: [
    {
      modelTypes: ['gemma2'],
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
      tensor: tensorNames({
        plusOne: /norm\.weight$/,
        block: {
          post_attention_norm: 'post_attention_layernorm',
          ffn_norm: 'pre_feedforward_layernorm',
          post_ffw_norm: 'post_feedforward_layernorm',
        },
      }),
    },
  ],
  build: decoder((model, dimensions) => {
    const { metadata } = model;
    const { layers, width, heads, headSize } = dimensions;
    const window = windows(model, dimensions, { period: 2, width: model.fromFolder ? 0 : 4096 });
    const [global, local] = [false, true].map((isLocal) =>
      rotary(model, headSize, {
        layout: 'half',
        tables: 'none',
        local: isLocal && !model.fromFolder,
        localScaling: true,
      }),
    );
    const usual = 1 / Math.sqrt(layers === LAYERS_OF_27B ? Math.floor(width / heads[0]) : headSize);
    return {
      norms: 'around',
      attention: {
        rotary: (layer) => (window.isLocal(layer) ? local : global),
        window: window.of,
        scale: model.fromFolder ? metadata.number('attention.scale') : usual,
        softcap: metadata.number('attn_logit_softcapping', model.fromFolder ? 0 : 50),
        outputBias: model.fromFolder ? 'optional' : false,
      },
      feedForward: { activation: activationOf(model, 'gelu'), gated: true },
      embeddingScale: Math.sqrt(width),
      tied: model.fromFolder ? 'optional' : true,
      logitSoftcap: metadata.number('final_logit_softcapping', model.fromFolder ? 0 : 30),
    };
  }),
};
