/** Granite with local layers and attention sinks. IBM 2026. */
import type { Architecture } from './architecture.ts';
import { graniteKnobs } from './granite.ts';
import { isList } from './metadata.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';
import { windows } from './parts/windows.ts';

export const graniteSwa: Architecture = {
  name: 'granite_swa',
  models: 'Granite with local layers',
  build: decoder((model, dimensions) => {
    const knobs = graniteKnobs(model, dimensions, true);
    const window = windows(model, dimensions, { period: 0, required: !model.fromFolder });
    const stated = model.metadata.value('attention.rope_pattern');
    const turns = isList(stated) ? model.metadata.numbers('attention.rope_pattern', dimensions.layers) : undefined;
    const turned = rotary(model, dimensions.headSize, { layout: 'interleaved', tables: 'both' });
    return {
      ...knobs,
      attention: {
        ...knobs.attention,
        rotary: (layer) => (turns?.[layer] === 0 ? undefined : turned),
        window: window.of,
        sinks: true,
      },
    };
  }),
};
