/** Gemma 3 (text): five local layers to a global one, each kind with its own rotary base, norms on heads. Gemma team 2025 (arXiv 2503.19786). */
import type { Architecture } from './architecture.ts';
import { tensorNames } from './folders/family.ts';
import { gemma3Keys } from './folders/gemmaKeys.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';
import { symmetric, windows } from './parts/windows.ts';

/** The 27B model scales queries by width per head instead of by head size; GGUF has no key for it. */
const LAYERS_OF_27B = 62;

export const gemma3: Architecture = {
  name: 'gemma3',
  models: 'Gemma 3, FunctionGemma, TranslateGemma, MedGemma (text)',
  passesOver: ['attention.scale'],
  folders: [
    {
      modelTypes: ['gemma3_text'],
      defaults: {
        hidden_size: 2304,
        intermediate_size: 9216,
        num_hidden_layers: 26,
        num_attention_heads: 8,
        num_key_value_heads: 4,
        head_dim: 256,
        hidden_activation: 'gelu_pytorch_tanh',
        max_position_embeddings: 131072,
        rms_norm_eps: 1e-6,
        tie_word_embeddings: true,
        query_pre_attn_scalar: 256,
        sliding_window: 4096,
      },
      metadata: gemma3Keys,
      tensor: tensorNames({
        plusOne: /norm\.weight$/,
        block: {
          post_attention_norm: 'post_attention_layernorm',
          ffn_norm: 'pre_feedforward_layernorm',
          post_ffw_norm: 'post_feedforward_layernorm',
          attn_q_norm: 'self_attn.q_norm',
          attn_k_norm: 'self_attn.k_norm',
        },
      }),
    },
  ],
  build: gemma3Decoder(),
};

interface Gemma3Options {
  /** False: attention to the whole text, with windows to both sides. Default: as the file says. */
  readonly causal?: boolean;
  /** True if a GGUF file must have the window. Default: false. */
  readonly windowRequired?: boolean;
}

export function gemma3Decoder({ causal, windowRequired = false }: Gemma3Options = {}) {
  return decoder((model, dimensions) => {
    const { metadata } = model;
    const { layers, width, heads, headSize } = dimensions;
    const isCausal = causal ?? metadata.flag('attention.causal', true);
    const window = windows(model, dimensions, { period: 6, required: windowRequired && !model.fromFolder });
    const [global, local] = [false, true].map((isLocal) =>
      rotary(model, headSize, { layout: 'half', tables: 'none', local: isLocal, localBase: 10000 }),
    );
    const usual = 1 / Math.sqrt(layers === LAYERS_OF_27B ? Math.floor(width / heads[0]) : headSize);
    return {
      norms: 'around',
      attention: {
        causal: isCausal,
        rotary: (layer) => (window.isLocal(layer) ? local : global),
        window: (layer) => (isCausal ? window.of(layer) : symmetric(window.of(layer))),
        scale: model.fromFolder ? metadata.number('attention.scale') : usual,
        softcap: model.fromFolder ? metadata.number('attn_logit_softcapping', 0) : 0,
        outputBias: model.fromFolder ? 'optional' : false,
        headNorm: { over: 'head', norm: { kind: 'rms' } },
      },
      feedForward: { activation: activationOf(model, 'gelu'), gated: true },
      embeddingScale: Math.sqrt(width),
      logitSoftcap: metadata.number('final_logit_softcapping', 0),
    };
  });
}
