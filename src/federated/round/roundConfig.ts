/** Settings of a round. The server publishes them; clients check them before they join, and sign their hash. */

import * as z from 'zod';
import { canonicalHash } from '../canonicalHash.ts';
import { FederatedError } from '../federatedError.ts';
import { LOSS_INTEGERS } from './trainingLoss.ts';

const count = (maximum: number) => z.int().positive().max(maximum);
const milliseconds = () =>
  z
    .int()
    .positive()
    .max(2 ** 40);

/** Shares of a secret are numbered by one byte. */
const MAXIMUM_NEIGHBOURS = 254;
const MAXIMUM_PARAMETERS = 2 ** 28;
const INTEGERS = 2 ** 31;
/** A server keeps the settings of so many versions. */
export const MAXIMUM_STALENESS = 1000;

const schema = z.strictObject({
  /** Unique: a client takes part in a round once. */
  id: z.string().regex(/^[\w.-]{1,100}$/),
  /**
   * 'secure': the server learns only the sum of all updates. 'visible': it sees every update, which median, Krum and norm
   * bounds need.
   */
  mode: z.enum(['secure', 'visible']),
  /**
   * Members report their mean training loss, at most this, in nats per token: masked in the two last values of a secure update, see
   * trainingLoss.ts; beside a visible one. Undefined: nobody does.
   */
  maximumLoss: z.number().positive().optional(),
  /** Number of values in an update. */
  parameters: count(MAXIMUM_PARAMETERS),
  /** SHA-256 of the weights that the round starts from. */
  weights: z.string().regex(/^[0-9a-f]{64}$/),
  /** The round starts as soon as this many clients have joined. */
  cohort: count(100_000),
  /** The round is aborted if fewer clients remain. */
  minimumCohort: count(100_000),
  /** Maximum number of examples that a client may count. A larger claim is refused. */
  maximumExamples: count(2 ** 31),
  /** Maximum duration of each phase, in milliseconds. */
  deadlines: z.strictObject({
    open: milliseconds(),
    keys: milliseconds(),
    update: milliseconds(),
    unmask: milliseconds(),
  }),
  /** Maximum bytes of an update. Default: 4 per parameter and 1. */
  maximumBytes: count(2 ** 31).optional(),
  /** Settings of 'secure'. */
  secure: z
    .strictObject({
      /** Number of members with which each member shares its masks and secrets. Default: all, at most 50. */
      neighbours: count(MAXIMUM_NEIGHBOURS),
      /**
       * Number of neighbours that must remain to remove a member's masks. Above half of `neighbours`, a server cannot
       * unmask one member by telling each half of the neighbours another story.
       */
      threshold: z.int().min(2).max(MAXIMUM_NEIGHBOURS),
      /** L2 norm to which a client clips its update. */
      clip: z.number().positive(),
      /** Integers per unit of the update. */
      scale: z.number().positive(),
      /** Standard deviation of the noise that each client adds, in integers. 0: none. */
      noise: z.number().min(0),
    })
    .optional(),
  /** Settings of an asynchronous version (FedBuff): members train and send whenever they are done. Mode 'visible'. */
  asynchronous: z
    .strictObject({
      /** Number of later versions that still take the update of a member. */
      maximumStaleness: z.int().min(0).max(MAXIMUM_STALENESS),
      /** Maximum number of clients that train at a time. */
      concurrency: count(1_000_000),
    })
    .optional(),
  /** Data for the client's training; the round does not read it. */
  task: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).default({}),
});

export type RoundConfig = z.output<typeof schema>;

/** @throws {FederatedError} that lists all invalid fields */
export function checkRoundConfig(value: unknown): RoundConfig {
  const result = schema.safeParse(value);
  if (!result.success) {
    const problems = result.error.issues.map(({ path, message }) => `${path.join('.') || 'config'}: ${message}`);
    throw bad(problems);
  }
  const problems = [...contradictions(result.data)];
  if (problems.length > 0) throw bad(problems);
  return result.data;
}

function* contradictions(config: RoundConfig): Generator<string> {
  const { mode, cohort, minimumCohort, secure, asynchronous, maximumLoss, parameters } = config;
  if (minimumCohort > cohort) yield `minimumCohort is ${minimumCohort}, expected at most cohort (${cohort})`;
  if (mode === 'visible') {
    if (secure) yield 'secure is set, but mode is visible';
    return;
  }
  if (asynchronous) yield 'asynchronous is set, but mode is secure';
  if (!secure) {
    yield 'secure is missing';
    return;
  }
  // the sum of two updates shows each of two members the other's update
  if (minimumCohort < 3)
    yield `minimumCohort is ${minimumCohort}, expected at least 3, because a sum of fewer hides nothing`;
  const { neighbours, threshold, clip, scale, noise } = secure;
  if (maximumLoss !== undefined && noise > 0)
    yield `maximumLoss is set, but secure.noise is ${noise}: a loss gets no noise, and ε would not cover it`;
  if (maximumLoss !== undefined && parameters <= LOSS_INTEGERS)
    yield `parameters is ${parameters}, expected more than ${LOSS_INTEGERS}, because the last ones are the loss`;
  if (neighbours > cohort - 1) yield `secure.neighbours is ${neighbours}, expected at most cohort − 1 (${cohort - 1})`;
  if (neighbours % 2 === 1 && neighbours !== cohort - 1)
    yield `secure.neighbours is ${neighbours}, expected an even number, or all others (${cohort - 1})`;
  if (threshold > neighbours) yield `secure.threshold is ${threshold}, expected at most neighbours (${neighbours})`;
  // 10 deviations of the summed noise: beyond that, a wrap-around is less likely than a hardware fault
  const largest = cohort * (clip * scale + 1) + 10 * noise * Math.sqrt(cohort);
  if (largest >= INTEGERS)
    yield `a sum may reach ${largest.toExponential(2)}, expected less than 2^31: lower secure.scale (${scale})`;
}

function bad(problems: readonly string[]): FederatedError {
  return new FederatedError('BAD_CONFIG', `round: ${problems.join('; ')}`, { problems });
}

/** True if members report the loss of the weights, in an update of one value, and do not train. */
export function isEvaluation({ task }: RoundConfig): boolean {
  return task.kind === 'evaluate';
}

/** Hash that all messages of a round sign. */
export function configHash(config: RoundConfig): string {
  return canonicalHash(config);
}

/** Default of `secure.neighbours` and `secure.threshold` for a cohort. */
export function defaultNeighbours(cohort: number): { readonly neighbours: number; readonly threshold: number } {
  const neighbours = Math.min(cohort - 1, 50);
  return { neighbours, threshold: Math.max(2, Math.floor(neighbours / 2) + 1) };
}
