/** Decoder of GPT-2: learned positions, layer norms, biases, GELU feed-forward without gate. */
import { OptionError } from '../../core/errors.ts';
import { add } from '../../graph/ops/add.ts';
import { embed } from '../../graph/ops/embed.ts';
import { positions } from '../../graph/ops/positions.ts';
import type { ModelBuilder } from '../architecture.ts';
import { centredNorm, embedding, feedForward, head, residual, selfAttention } from './decoder.ts';
import { readDimensions } from './dimensions.ts';

export interface GptLike {
  /** Attention scale as a function of the head size. */
  scale(headSize: number): number;
  /** Attention window of a layer. 0: no limit. */
  window(layer: number): number;
}

export function gptLike(model: ModelBuilder, { scale, window }: GptLike): void {
  const dimensions = readDimensions(model);
  const { layers, width, ffn, headSize, vocabulary } = dimensions;
  const table = model.weight('position_embd.weight', undefined, width);
  if (model.context > Number(table.shape[0]))
    throw new OptionError(
      'context',
      model.context,
      `at most ${table.shape[0]}, the positions that the model has learned`,
    );
  const places = embed(table, positions(model.graph), 'position_embd');
  let x = model.dropped(add(embedding(model), places, 'embedding'));
  for (let layer = 0; layer < layers; layer++) {
    const block = `blk.${layer}`;
    const normed = centredNorm(model, x, `${block}.attn_norm`, width);
    const attention = { layer, dimensions, scale: scale(headSize), window: window(layer) };
    x = residual(model, x, selfAttention(model, normed, block, attention), `${block}.attn_residual`);
    const fed = feedForward(model, centredNorm(model, x, `${block}.ffn_norm`, width), block, ffn);
    x = residual(model, x, fed, `${block}.ffn_residual`);
  }
  head(model, x, (rows) => centredNorm(model, rows, 'output_norm', width), vocabulary);
}
