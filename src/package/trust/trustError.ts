/**
 * A signature, a key or signed metadata was refused. Codes: BAD_SIGNATURE, BAD_BUNDLE, BAD_METADATA, BAD_KEY, NOT_SIGNED,
 * FILES_DIFFER, EXPIRED, ROLLBACK, MIX_AND_MATCH, CLOCK_SET_BACK, NO_TARGET.
 */
import { EspalierError } from '../../core/errors.ts';

export class TrustError extends EspalierError {
  override readonly name = 'TrustError';
}
