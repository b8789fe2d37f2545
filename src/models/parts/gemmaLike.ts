/** Decoder of Gemma 2 and 3: scaled embedding, norms before and after each branch, alternating local and global layers, gated GELU. */
import { scale } from '../../graph/ops/scale.ts';
import type { ModelBuilder } from '../architecture.ts';
import { embedding, gainNorm, gatedFeedForward, head, residual, selfAttention } from './decoder.ts';
import type { Dimensions } from './dimensions.ts';
import type { Rotary } from './rotary.ts';

export interface GemmaLike {
  readonly dimensions: Dimensions;
  readonly attentionScale: number;
  readonly softcap: number;
  /** Attention window and rotary embedding of a layer. Window 0: no limit. */
  layerKind(layer: number): { readonly window: number; readonly rotary: Rotary };
}

export function gemmaLike(model: ModelBuilder, options: GemmaLike): void {
  const { dimensions, attentionScale, softcap } = options;
  const { layers, width, ffn, vocabulary } = dimensions;
  let x = model.dropped(scale(embedding(model), Math.sqrt(width), 'embedding_scale'));
  for (let layer = 0; layer < layers; layer++) {
    const block = `blk.${layer}`;
    const { window, rotary } = options.layerKind(layer);
    const normed = gainNorm(model, x, `${block}.attn_norm`, width);
    const attended = selfAttention(model, normed, block, {
      layer,
      dimensions,
      rotary,
      scale: attentionScale,
      window,
      softcap,
    });
    x = residual(model, x, gainNorm(model, attended, `${block}.post_attention_norm`, width), `${block}.attn_residual`);
    const fed = gatedFeedForward(model, gainNorm(model, x, `${block}.ffn_norm`, width), block, ffn, 'gelu');
    x = residual(model, x, gainNorm(model, fed, `${block}.post_ffw_norm`, width), `${block}.ffn_residual`);
  }
  head(model, x, (rows) => gainNorm(model, rows, 'output_norm', width), vocabulary);
}
