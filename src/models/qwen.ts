/** Qwen 1: Llama's shape with fused projections; the feed-forward part has half the width that the file states. Bai et al. 2023 (arXiv 2309.16609). */
import type { Architecture } from './architecture.ts';
import type { ModelBuilder } from './modelBuilder.ts';
import { buildDecoder } from './parts/decoder.ts';
import { type Dimensions, readDimensions } from './parts/dimensions.ts';
import { rotary } from './parts/rotary.ts';

export const qwen: Architecture = {
  name: 'qwen',
  models: 'Qwen 1',
  build: (model) =>
    build({ ...readDimensions(model), ffn: readDimensions(model).ffn.map((width) => width / 2) }, model),
};

function build(dimensions: Dimensions, model: ModelBuilder): void {
  const turned = rotary(model, dimensions.headSize, { layout: 'half', tables: 'none' });
  buildDecoder(model, dimensions, {
    attention: { rotary: () => turned, bias: true, outputBias: false },
    feedForward: { activation: 'silu', gated: true },
    tied: false,
  });
}
