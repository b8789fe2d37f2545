/** Qwen 3: Llama's structure with norms on the heads of queries and keys. Qwen team 2025 (arXiv 2505.09388). */
import type { Architecture } from './architecture.ts';
import { gatedDecoder } from './parts/fresh.ts';
import { decoderMetadata, decoderTensor } from './parts/huggingFace.ts';
import { llamaLike } from './parts/llamaLike.ts';

export const qwen3: Architecture = {
  name: 'qwen3',
  huggingFace: {
    modelTypes: ['qwen3'],
    metadata: (config) => decoderMetadata('qwen3', config),
    tensor: decoderTensor,
  },
  fresh: gatedDecoder('attn_q_norm.weight', 'attn_k_norm.weight'),
  build: (model) => llamaLike(model, { layout: 'half' }),
};
