/** Granite 3 and 4 (dense): Llama's shape with factors of embedding, attention, branches and logits. IBM 2024. */
import type { Architecture } from './architecture.ts';
import type { FolderConfig } from './folders/config.ts';
import { tensorNames } from './folders/family.ts';
import { isInterleavedInGguf } from './folders/layout.ts';
import { llamaDefaults, llamaKeys } from './folders/llamaKeys.ts';
import type { ModelBuilder } from './modelBuilder.ts';
import { activationOf } from './parts/activationOf.ts';
import { type Decoder, decoder } from './parts/decoder.ts';
import type { Dimensions } from './parts/dimensions.ts';
import { readExperts } from './parts/experts.ts';
import { rotary } from './parts/rotary.ts';

/** Granite's factors and experts. @param alwaysTurns true to ignore the key that switches the rotary embedding off */
export function graniteKnobs(model: ModelBuilder, { headSize, ffn }: Dimensions, alwaysTurns = false): Decoder {
  const { metadata } = model;
  const turned = rotary(model, headSize, { layout: 'interleaved', tables: 'both' });
  const scale = metadata.number('attention.scale', 0);
  const hasRope = alwaysTurns || metadata.flag('rope.scaling.finetuned', true);
  const activation = activationOf(model, 'silu');
  const shared = { ffn: metadata.count('expert_shared_feed_forward_length', 0, 0) };
  return {
    attention: { rotary: () => (hasRope ? turned : undefined), ...(scale === 0 ? {} : { scale }) },
    feedForward: { activation, gated: true, bias: 'optional' },
    experts: readExperts(model, { activation, gating: 'softmax', normalize: true, width: ffn[0], shared }),
    embeddingScale: metadata.number('embedding_scale', 0) || 1,
    residualScale: metadata.number('residual_scale', 0) || 1,
    logitScale: 1 / metadata.number('logit_scale'),
  };
}

/** Keys of all Granite folders. */
export const graniteKeys = (config: FolderConfig): Record<string, unknown> => ({
  ...llamaKeys(config),
  'attention.scale': config.number('attention_multiplier'),
  embedding_scale: config.number('embedding_multiplier'),
  residual_scale: config.number('residual_multiplier'),
  logit_scale: config.number('logits_scaling'),
});

export const graniteDefaults = {
  ...llamaDefaults,
  embedding_multiplier: 1,
  logits_scaling: 1,
  residual_multiplier: 1,
  attention_multiplier: 1,
};

export const granite: Architecture = {
  name: 'granite',
  models: 'Granite 3, 4 (dense)',
  folders: [
    {
      modelTypes: ['granite'],
      defaults: graniteDefaults,
      metadata: graniteKeys,
      tensor: tensorNames(),
      isInterleavedInGguf,
    },
  ],
  build: decoder((model, dimensions) => graniteKnobs(model, dimensions)),
};
