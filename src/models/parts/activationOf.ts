/** The activation of the feed-forward part. */
import type { ActivationKind } from '../../graph/ops/activation.ts';
import type { ModelBuilder } from '../modelBuilder.ts';

/** What a folder's config names; a GGUF file has its architecture's own. */
export function activationOf({ metadata }: ModelBuilder, otherwise: ActivationKind): ActivationKind {
  return metadata.text('feed_forward.activation', otherwise) as ActivationKind;
}
