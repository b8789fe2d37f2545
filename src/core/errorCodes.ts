/** Codes of errors, stable across versions: the whole list, so that a program can handle each. */

/** Codes of the engine, of files, of training and of compression. */
export type EngineErrorCode =
  | 'BAD_CALIBRATION'
  | 'BAD_DELTA'
  | 'BAD_FORMAT'
  | 'BAD_GRAPH'
  | 'BAD_NUMBERS'
  | 'BAD_OPTION'
  | 'BUG'
  | 'CACHE_FULL'
  | 'CALL_ENDED'
  | 'CANNOT_RESUME'
  | 'CANNOT_START'
  | 'CHAT_TEMPLATE'
  | 'CONTEXT_FULL'
  | 'DISPOSED'
  | 'NOT_KEPT'
  | 'NO_TOKENIZER'
  | 'OUT_OF_MEMORY'
  | 'SESSION_BUSY'
  | 'SOURCE_FAILED'
  | 'THREAD_LOST'
  | 'TRAINING_DIVERGED'
  | 'UNSUPPORTED'
  | 'WORKER_LOST';

/** Codes of `PackageError`. */
export type PackageErrorCode =
  | 'BAD_DELTA'
  | 'BAD_DERIVATION'
  | 'BAD_MANIFEST'
  | 'BAD_PIECE'
  | 'BAD_PUBLICATION'
  | 'BAD_STORE'
  | 'BAD_UPDATE'
  | 'CANNOT_STORE'
  | 'METERED'
  | 'NOT_FETCHED'
  | 'NOT_INSTALLED'
  | 'NOT_IN_PACKAGE'
  | 'NO_PREVIOUS'
  | 'PROBE_FAILED'
  | 'REQUIREMENTS'
  | 'STORE_FULL'
  | 'TOO_MANY_BYTES'
  | 'UPDATE_FAILED';

/** Codes of `TrustError`. */
export type TrustErrorCode =
  | 'BAD_BUNDLE'
  | 'BAD_KEY'
  | 'BAD_METADATA'
  | 'BAD_SIGNATURE'
  | 'CLOCK_SET_BACK'
  | 'EXPIRED'
  | 'FILES_DIFFER'
  | 'MIX_AND_MATCH'
  | 'NOT_SIGNED'
  | 'NO_TARGET'
  | 'ROLLBACK';

/** Codes of messages that a server of a federation refuses. Clients read them from its answers. */
export const refusalCodes = [
  'BAD_MESSAGE',
  'BAD_SIGNATURE',
  'CONFLICT',
  'NOT_ADMITTED',
  'NOT_A_MEMBER',
  'NOT_COMPLETE',
  'NOT_SAMPLED',
  'TOO_EARLY',
  'TOO_LARGE',
  'TOO_LATE',
  'WRONG_ROUND',
] as const;

export type RefusalCode = (typeof refusalCodes)[number];

/** Codes of `FederatedError`. */
export type FederatedErrorCode =
  | RefusalCode
  // updates
  | 'BAD_UPDATE'
  | 'NOT_FINITE'
  // clients; REFUSED is by HTTP or Flower, NOT_STARTED of a Flower node
  | 'BAD_ANSWER'
  | 'BAD_ROSTER'
  | 'BAD_SHARES'
  | 'BAD_WEIGHTS'
  | 'NOT_ALLOWED'
  | 'NOT_STARTED'
  | 'REFUSED'
  | 'UNMASK_REFUSED'
  | 'WRONG_MODEL'
  | 'WRONG_SETTINGS'
  // rounds
  | 'ABORTED'
  | 'BUDGET_SPENT'
  // servers
  | 'BAD_CONFIG'
  | 'BAD_JOURNAL'
  | 'BAD_SETTINGS'
  | 'FOLDER_IN_USE';

export type ErrorCode = EngineErrorCode | PackageErrorCode | TrustErrorCode | FederatedErrorCode;
