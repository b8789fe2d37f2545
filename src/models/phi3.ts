/** Phi-3 and 3.5: Llama's structure with fused projections and LongRoPE. Abdin et al. 2024 (arXiv 2404.14219). */
import type { Architecture } from './architecture.ts';
import { llamaLike } from './parts/llamaLike.ts';

export const phi3: Architecture = {
  name: 'phi3',
  build: (model) => llamaLike(model, { layout: 'half' }),
};
