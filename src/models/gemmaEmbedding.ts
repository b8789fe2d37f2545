/** EmbeddingGemma: Gemma 3 with attention to the whole text. Vera et al. 2025 (arXiv 2509.20354). */
import type { Architecture } from './architecture.ts';
import { gemma3Decoder } from './gemma3.ts';

/** Its folders say `gemma3_text` with `use_bidirectional_attention`, so they are read by gemma3. */
export const gemmaEmbedding: Architecture = {
  name: 'gemma-embedding',
  models: 'EmbeddingGemma',
  passesOver: ['attention.scale', 'attention.causal'],
  // applied to the pooled vector by the runtime
  passesOverTensors: /^dense_[23]\.weight$/,
  build: gemma3Decoder({ causal: false, windowRequired: true }),
};
