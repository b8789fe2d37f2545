/** Error of packages. Codes: BAD_MANIFEST, BAD_PIECE, BAD_STORE, NOT_IN_PACKAGE, … */
import { EspalierError } from '../../core/errors.ts';

export class PackageError extends EspalierError {
  override readonly name = 'PackageError';
}
