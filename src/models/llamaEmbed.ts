/** Llama with attention to the whole text: Llama-Embed-Nemotron. NVIDIA 2025 (arXiv 2511.07025). */
import type { Architecture } from './architecture.ts';
import { llama } from './llama.ts';

export const llamaEmbed: Architecture = {
  name: 'llama-embed',
  models: 'Llama-Embed-Nemotron',
  build: llama.build,
};
