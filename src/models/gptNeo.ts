/** GPT-Neo: like GPT-2, with alternating local and global layers and without attention scale. Black et al. 2021. Only Hugging Face folders. */
import type { Architecture } from './architecture.ts';
import { gptLike } from './parts/gptLike.ts';
import { attentionKinds, gptMetadata, namesInFolder } from './parts/huggingFace.ts';

export const gptNeo: Architecture = {
  name: 'gpt_neo',
  huggingFace: {
    modelTypes: ['gpt_neo'],
    metadata(config) {
      const metadata = gptMetadata('gpt_neo', config, {
        layers: 'num_layers',
        width: 'hidden_size',
        heads: 'num_heads',
        ffn: 'intermediate_size',
        context: 'max_position_embeddings',
      });
      const kinds = attentionKinds(config);
      metadata.set('gpt_neo.attention.sliding_window', config.window_size ?? 256);
      for (const [layer, kind] of kinds.entries()) metadata.set(`gpt_neo.attention.kind.${layer}`, kind);
      return metadata;
    },
    tensor: (name) => ({
      names: namesInFolder({
        attn_norm: 'ln_1',
        attn_q: 'attn.attention.q_proj',
        attn_k: 'attn.attention.k_proj',
        attn_v: 'attn.attention.v_proj',
        attn_output: 'attn.attention.out_proj',
        ffn_norm: 'ln_2',
        ffn_up: 'mlp.c_fc',
        ffn_down: 'mlp.c_proj',
      })(name),
    }),
  },
  build(model) {
    const { metadata } = model;
    const local = metadata.count('attention.sliding_window', 256);
    gptLike(model, {
      scale: () => 1,
      window: (layer) => (metadata.text(`attention.kind.${layer}`, 'global') === 'local' ? local : 0),
    });
  },
};
