/**
 * Error of federated learning. Codes of refused messages: BAD_MESSAGE, BAD_SIGNATURE, NOT_A_MEMBER, NOT_SAMPLED, NOT_ADMITTED,
 * WRONG_ROUND, TOO_EARLY, TOO_LATE, CONFLICT, TOO_LARGE, NOT_COMPLETE. Codes of updates: BAD_UPDATE, NOT_FINITE. Codes of clients: NOT_ALLOWED, WRONG_MODEL, WRONG_SETTINGS, BUDGET_SPENT,
 * BAD_ANSWER, BAD_WEIGHTS, BAD_ROSTER, BAD_SHARES, UNMASK_REFUSED, REFUSED (by HTTP or Flower), NOT_STARTED (a Flower node). Codes of rounds: ABORTED, BUDGET_SPENT. Codes of servers:
 * BAD_SETTINGS, BAD_CONFIG, BAD_JOURNAL, FOLDER_IN_USE.
 */
import { EspalierError } from '../core/errors.ts';

export class FederatedError extends EspalierError {
  override readonly name = 'FederatedError';
}
