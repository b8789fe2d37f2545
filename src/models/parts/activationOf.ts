/** The activation of the feed-forward part. */
import type { ActivationKind } from '../../graph/ops/activation.ts';
import type { ModelBuilder } from '../modelBuilder.ts';

/** Activation named by a folder's config. GGUF files have no such key and use the architecture's activation. */
export function activationOf({ metadata }: ModelBuilder, otherwise: ActivationKind): ActivationKind {
  return metadata.text('feed_forward.activation', otherwise) as ActivationKind;
}
