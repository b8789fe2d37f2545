/** Error of packages. */
import type { PackageErrorCode } from '../../core/errorCodes.ts';
import { type ErrorData, EspalierError } from '../../core/errors.ts';

export class PackageError extends EspalierError {
  declare readonly code: PackageErrorCode;
  override readonly name = 'PackageError';

  constructor(code: PackageErrorCode, message: string, data?: ErrorData, options?: ErrorOptions) {
    super(code, message, data, options);
  }
}
