/** A signature, a key or signed metadata was refused. */
import type { TrustErrorCode } from '../../core/errorCodes.ts';
import { type ErrorData, EspalierError } from '../../core/errors.ts';

export class TrustError extends EspalierError {
  declare readonly code: TrustErrorCode;
  override readonly name = 'TrustError';

  constructor(code: TrustErrorCode, message: string, data?: ErrorData, options?: ErrorOptions) {
    super(code, message, data, options);
  }
}
