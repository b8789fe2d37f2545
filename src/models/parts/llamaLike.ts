/** Decoder of Llama: pre-norms, rotary attention with grouped heads, gated SiLU feed-forward. */
import type { RopeAttributes } from '../../graph/ops/rope.ts';
import type { ModelBuilder } from '../architecture.ts';
import { embedding, gainNorm, gatedFeedForward, head, residual, selfAttention } from './decoder.ts';
import { readDimensions } from './dimensions.ts';
import { rotary } from './rotary.ts';

export interface LlamaLike {
  /** Rotary layout of queries and keys in the files. */
  readonly layout: RopeAttributes['layout'];
  /** Attention window. 0: no limit. */
  readonly window?: number;
}

export function llamaLike(model: ModelBuilder, { layout, window = 0 }: LlamaLike): void {
  const dimensions = readDimensions(model);
  const { layers, width, ffn, headSize, vocabulary } = dimensions;
  const turned = rotary(model, headSize, layout);
  const scale = model.metadata.number('attention.scale', 1 / Math.sqrt(headSize));
  let x = model.dropped(embedding(model));
  for (let layer = 0; layer < layers; layer++) {
    const block = `blk.${layer}`;
    const normed = gainNorm(model, x, `${block}.attn_norm`, width);
    const attended = selfAttention(model, normed, block, { layer, dimensions, rotary: turned, scale, window });
    x = residual(model, x, attended, `${block}.attn_residual`);
    const fed = gatedFeedForward(model, gainNorm(model, x, `${block}.ffn_norm`, width), block, ffn, 'silu');
    x = residual(model, x, fed, `${block}.ffn_residual`);
  }
  head(model, x, (rows) => gainNorm(model, rows, 'output_norm', width), vocabulary);
}
