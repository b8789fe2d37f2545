/** The owner of a device agrees to the settings of a federation. Rounds must follow those settings. */
import { OptionError } from '../../core/errors.ts';
import { FederatedError } from '../federatedError.ts';
import { isEvaluation, type RoundConfig } from '../round/roundConfig.ts';
import { modelParameters } from '../round/trainingLoss.ts';
import { roundConfigOf } from '../server/roundConfigOf.ts';
import { type FederationSettings, neighboursOf } from '../server/settings.ts';
import type { CompressionOptions } from './compression.ts';

export interface ConsentOptions {
  /** Also joins federations in which the server sees this client's update. Default: false. */
  readonly allowVisible?: boolean;
  /** Joins no round with fewer members. Default: 3. */
  readonly minimumCohort?: number;
  /**
   * Also joins secure rounds whose threshold is at most half of the neighbours. They survive more dropouts, but a server that lies
   * to the members can see the update of one of them. Default: false.
   */
  readonly allowLowThreshold?: boolean;
  /** Names of the clients that may be in a secure round. Default: any, as the server says. */
  readonly trusted?: ReadonlySet<string>;
  /** Compression of updates in visible rounds. */
  readonly compression?: CompressionOptions;
}

/** Default of `minimumCohort`. */
export const MINIMUM_COHORT = 3;
/** Relative difference of numbers that processors and browsers may compute differently. */
const TOLERANCE = 1e-6;

/**
 * @throws {FederatedError} NOT_ALLOWED if the client must not take part in this federation
 * @throws {OptionError} if an option has no effect in this federation
 */
export function checkConsent(
  settings: FederationSettings,
  {
    allowVisible = false,
    minimumCohort = MINIMUM_COHORT,
    allowLowThreshold = false,
    trusted,
    compression,
  }: ConsentOptions,
): void {
  const refuse = (problem: string) => new FederatedError('NOT_ALLOWED', `federation ${settings.name} ${problem}`, {});
  if (settings.mode === 'visible') {
    if (!allowVisible) throw refuse("shows this client's update to the server: allow it explicitly");
    if (trusted)
      throw new OptionError('trusted', `${trusted.size} keys`, 'none, because a visible round has no roster to check');
    return;
  }
  if (compression)
    throw new OptionError('compression', compression, 'none, because masked updates cannot be compressed');
  if (settings.minimumCohort < minimumCohort)
    throw refuse(`may sum ${settings.minimumCohort} updates, expected at least ${minimumCohort}`);
  if (allowLowThreshold) return;
  for (const cohort of [settings.cohort, settings.evaluation?.cohort ?? settings.minimumCohort]) {
    const { neighbours, threshold } = neighboursOf(settings, cohort);
    if (2 * threshold <= neighbours)
      throw refuse(
        `has a threshold of ${threshold} of ${neighbours} neighbours, expected more than half: a lying server could see one update`,
      );
  }
}

/**
 * Checks that a round follows the settings that the owner agreed to.
 * @param parameters of this client's model
 * @throws {FederatedError} WRONG_MODEL or WRONG_SETTINGS
 */
export function checkRound(config: RoundConfig, settings: FederationSettings, parameters: number): void {
  const { id, task } = config;
  const kind = isEvaluation(config) ? 'evaluate' : 'train';
  const found = modelParameters(config);
  if (kind === 'train' && found !== parameters)
    throw new FederatedError('WRONG_MODEL', `round ${id} has ${found} parameters, this client's model ${parameters}`);
  const refuse = (problem: string) =>
    new FederatedError('WRONG_SETTINGS', `round ${id} differs from the settings of the federation: ${problem}`, {
      round: id,
    });
  if (typeof task.round !== 'number' || !Number.isSafeInteger(task.round) || task.round < 1)
    throw refuse(`task.round is ${task.round}, expected a positive integer`);
  if (kind === 'evaluate' && !settings.evaluation) throw refuse('it is an evaluation, expected none');
  const expected = roundConfigOf(settings, task.round, parameters, config.weights, kind);
  const problem = difference(config, expected, '');
  if (problem !== undefined) throw refuse(problem);
}

/** Returns the first field in which two values of JSON differ, or undefined. */
function difference(found: unknown, expected: unknown, path: string): string | undefined {
  if (typeof found === 'object' && typeof expected === 'object' && found !== null && expected !== null) {
    for (const key of new Set([...Object.keys(found), ...Object.keys(expected)])) {
      const [a, b] = [found, expected].map((value) => (value as Record<string, unknown>)[key]);
      const problem = difference(a, b, path === '' ? key : `${path}.${key}`);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }
  const isSame =
    typeof found === 'number' && typeof expected === 'number'
      ? Math.abs(found - expected) <= TOLERANCE * Math.abs(expected)
      : found === expected;
  return isSame ? undefined : `${path} is ${JSON.stringify(found)}, expected ${JSON.stringify(expected)}`;
}
