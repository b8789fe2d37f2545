/** Error of federated learning. */
import type { FederatedErrorCode } from '../core/errorCodes.ts';
import { type ErrorData, EspalierError } from '../core/errors.ts';

export class FederatedError extends EspalierError {
  declare readonly code: FederatedErrorCode;
  override readonly name = 'FederatedError';

  constructor(code: FederatedErrorCode, message: string, data?: ErrorData, options?: ErrorOptions) {
    super(code, message, data, options);
  }
}
