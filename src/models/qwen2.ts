/** Qwen 2 and 2.5: Llama's structure with biases on queries, keys and values. Yang et al. 2024 (arXiv 2407.10671). */
import type { Architecture } from './architecture.ts';
import { gatedDecoder } from './parts/fresh.ts';
import { decoderMetadata, decoderTensor } from './parts/huggingFace.ts';
import { llamaLike } from './parts/llamaLike.ts';

export const qwen2: Architecture = {
  name: 'qwen2',
  huggingFace: {
    modelTypes: ['qwen2'],
    metadata: (config) => decoderMetadata('qwen2', config),
    tensor: decoderTensor,
  },
  fresh: gatedDecoder('attn_q.bias', 'attn_k.bias', 'attn_v.bias'),
  build: (model) => llamaLike(model, { layout: 'half' }),
};
