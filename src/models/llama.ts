/**
 * Llama 1 to 3.x and models of the same structure: Mistral, SmolLM2, TinyStories.
 * Touvron et al. 2023 (arXiv 2302.13971, 2307.09288), Llama team 2024 (2407.21783), Jiang et al. 2023 (2310.06825).
 */
import type { Architecture } from './architecture.ts';
import { gatedDecoder } from './parts/fresh.ts';
import { decoderMetadata, decoderTensor } from './parts/huggingFace.ts';
import { llamaLike } from './parts/llamaLike.ts';

export const llama: Architecture = {
  name: 'llama',
  huggingFace: {
    modelTypes: ['llama', 'mistral'],
    metadata: (config) => decoderMetadata('llama', config),
    tensor: decoderTensor,
    isInterleavedInGguf: (name) => /^blk\.\d+\.attn_[qk]\./.test(name),
  },
  fresh: gatedDecoder(),
  build: (model) =>
    llamaLike(model, {
      layout: model.fromHuggingFace ? 'half' : 'interleaved',
      // only for Hugging Face's Mistral: llama.cpp uses no window for GGUF models of this architecture
      window: model.fromHuggingFace ? model.metadata.count('attention.sliding_window', 0, 0) : 0,
    }),
};
