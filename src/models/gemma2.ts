/** Gemma 2: alternating local and global layers, soft caps on scores and logits. Gemma team 2024 (arXiv 2408.00118). */
import type { Architecture } from './architecture.ts';
import { readDimensions } from './parts/dimensions.ts';
import { gemmaLike } from './parts/gemmaLike.ts';
import { rotary } from './parts/rotary.ts';

/** The 27B model scales queries by width per head instead of head size. No key says so; the number of layers identifies it. */
const LAYERS_OF_27B = 46;

export const gemma2: Architecture = {
  name: 'gemma2',
  build(model) {
    const { metadata } = model;
    const dimensions = readDimensions(model);
    const { layers, width, heads, headSize } = dimensions;
    const window = metadata.count('attention.sliding_window', 4096, 0);
    const turned = rotary(model, headSize, 'half');
    gemmaLike(model, {
      dimensions,
      attentionScale: 1 / Math.sqrt(layers === LAYERS_OF_27B ? width / heads : headSize),
      softcap: metadata.number('attn_logit_softcapping', 50),
      layerKind: (layer) => ({ window: layer % 2 === 0 ? window : 0, rotary: turned }),
    });
  },
};
