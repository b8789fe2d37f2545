/** GPT-2. Radford et al. 2019. */
import type { Architecture } from './architecture.ts';
import { weightOf, withBias } from './parts/fresh.ts';
import { gptLike } from './parts/gptLike.ts';
import { gptMetadata, namesInFolder } from './parts/huggingFace.ts';

/** GPT-2's Conv1D stores matrices transposed, [inputs, outputs]. */
const inFolder = namesInFolder({
  attn_norm: 'ln_1',
  attn_qkv: 'attn.c_attn',
  attn_output: 'attn.c_proj',
  ffn_norm: 'ln_2',
  ffn_up: 'mlp.c_fc',
  ffn_down: 'mlp.c_proj',
});

export const gpt2: Architecture = {
  name: 'gpt2',
  huggingFace: {
    modelTypes: ['gpt2'],
    metadata: (config) =>
      gptMetadata('gpt2', config, {
        layers: 'n_layer',
        width: 'n_embd',
        heads: 'n_head',
        ffn: 'n_inner',
        context: 'n_positions',
      }),
    tensor: (name) => ({
      names: inFolder(name),
      transposed: /^blk\.\d+\.(attn_qkv|attn_output|ffn_up|ffn_down)\.weight$/.test(name),
    }),
  },
  fresh: {
    metadata: ({ normEpsilon }) => ({ 'attention.layer_norm_epsilon': normEpsilon }),
    ends: ['token_embd', 'position_embd'].map(weightOf).concat(withBias('output_norm')),
    // llama.cpp requires all biases
    block: ['attn_norm', 'attn_qkv', 'attn_output', 'ffn_norm', 'ffn_up', 'ffn_down'].flatMap(withBias),
    biasesAreOpen: true,
  },
  build: (model) => gptLike(model, { scale: (headSize) => 1 / Math.sqrt(headSize), window: () => 0 }),
};
