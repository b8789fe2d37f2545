/** Answers to messages that both kinds of rounds share. */
import type { RefusalCode } from '../../core/errorCodes.ts';
import { FederatedError } from '../federatedError.ts';
import { updateProblem } from './checks.ts';
import type { Phase, Receipt } from './protocol.ts';
import type { RoundConfig } from './roundConfig.ts';

export const ACCEPTED: Receipt = { status: 'accepted' };

export function refused(code: RefusalCode, reason: string): Receipt {
  return { status: 'refused', code, reason };
}

/** Refuses an update that is too large or invalid, or returns undefined. */
export function bodyProblem(body: Uint8Array, config: RoundConfig): Receipt | undefined {
  const { mode, parameters, maximumBytes = 4 * parameters + 1 } = config;
  const { length } = body;
  if (mode === 'secure' && length !== 4 * parameters)
    return refused('BAD_MESSAGE', `the update has ${length} bytes, expected ${4 * parameters}`);
  if (length > maximumBytes)
    return refused('TOO_LARGE', `the update has ${length} bytes, expected at most ${maximumBytes}`);
  const problem = mode === 'visible' ? updateProblem(body, parameters) : undefined;
  return problem === undefined ? undefined : refused('BAD_MESSAGE', problem);
}

/** Error of reading the result of a round that has none. */
export function notComplete(round: {
  readonly config: RoundConfig;
  readonly phase: Phase;
  readonly reason: string;
}): FederatedError {
  const { config, phase, reason } = round;
  const isAborted = phase === 'aborted';
  const state = isAborted ? `was aborted: ${reason}` : `is ${phase}`;
  const details = { round: config.id, phase };
  return new FederatedError(isAborted ? 'ABORTED' : 'NOT_COMPLETE', `round ${config.id} ${state}`, details);
}
