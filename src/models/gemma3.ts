/** Gemma 3 (text): five local layers per global one, each with its own rotary base, norms on query and key heads. Gemma team 2025 (arXiv 2503.19786). */
import type { Architecture } from './architecture.ts';
import { readDimensions } from './parts/dimensions.ts';
import { gemmaLike } from './parts/gemmaLike.ts';
import { rotary } from './parts/rotary.ts';

/** The 27B model scales queries by width per head instead of head size. No key says so; the number of layers identifies it. */
const LAYERS_OF_27B = 62;
const LOCAL_ROTARY_BASE = 10_000;

export const gemma3: Architecture = {
  name: 'gemma3',
  build(model) {
    const { metadata } = model;
    const dimensions = readDimensions(model);
    const { layers, width, heads, headSize } = dimensions;
    const window = metadata.count('attention.sliding_window', 1024, 0);
    const period = metadata.count('attention.sliding_window_pattern', 6);
    const local = rotary(model, headSize, 'half', { base: metadata.number('rope.freq_base_swa', LOCAL_ROTARY_BASE) });
    const global = rotary(model, headSize, 'half');
    gemmaLike(model, {
      dimensions,
      attentionScale: 1 / Math.sqrt(layers === LAYERS_OF_27B ? width / heads : headSize),
      softcap: 0,
      layerKind: (layer) => (layer % period === period - 1 ? { window: 0, rotary: global } : { window, rotary: local }),
    });
  },
};
