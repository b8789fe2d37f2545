/** Settings of a federation: everything that the server decides and the clients can read. */
import * as z from 'zod';
import { describeFields } from '../../train/recipe/describeRecipe.ts';
import { aggregationRules } from '../aggregation/index.ts';
import { FederatedError } from '../federatedError.ts';
import { defaultNeighbours, MAXIMUM_STALENESS } from '../round/roundConfig.ts';

const positive = () => z.number().positive();
const count = () => z.int().positive();
const seconds = (value: number, words: string) => positive().max(1e9).default(value).describe(words);

const schema = z.strictObject({
  name: z
    .string()
    .regex(/^[\w-]{1,60}$/)
    .default('federation')
    .describe('Name of the federation: letters, digits, _ and -.'),
  mode: z
    .enum(['secure', 'visible'])
    .default('secure')
    .describe('secure: the server learns only sums. visible: it sees each update, which robust rules need.'),
  rounds: count().describe('Number of rounds.'),
  cohort: count().describe(
    'Number of clients in a round. It starts when they have joined. With asynchronous: number of updates that make a new version of the weights.',
  ),
  minimumCohort: count()
    .optional()
    .describe('A round with fewer clients is aborted. Default: half of cohort, at least 3.'),
  maximumExamples: count().default(100_000).describe('Maximum number of examples that a client may count.'),
  weighting: z
    .enum(['examples', 'uniform'])
    .optional()
    .describe(
      'Weight of a client in the mean. Default: examples; uniform with privacy or a robust rule other than mean, which require it.',
    ),
  asynchronous: z
    .strictObject({
      maximumStaleness: z
        .int()
        .min(0)
        .max(MAXIMUM_STALENESS)
        .default(20)
        .describe('Number of later versions that still take the update of a client, discounted by 1/√(1 + staleness).'),
      concurrency: count()
        .max(1_000_000)
        .optional()
        .describe(
          'Maximum number of clients that train at a time. One that vanishes counts until deadlines.update after its join. Default: 10 × cohort.',
        ),
    })
    .optional()
    .describe(
      'Asynchronous training (FedBuff): nobody waits for slow clients. Clients join at any time, and every cohort updates make a new version of the weights, which counts as a round. It lasts at most deadlines.update; the other deadlines do not apply. Needs mode visible; excludes evaluation and privacy. Default: rounds in which all members start together.',
    ),
  deadlines: z
    .strictObject({
      open: seconds(60, 'Seconds to join.'),
      keys: seconds(30, 'Seconds to exchange keys.'),
      update: seconds(
        600,
        'Seconds to train and send the update. With asynchronous, a client that takes longer is dropped.',
      ),
      unmask: seconds(30, 'Seconds to send shares.'),
    })
    .prefault({})
    .describe('Maximum duration of each phase.'),
  optimizer: z
    .strictObject({
      rule: z
        .enum(['average', 'adam', 'yogi', 'adagrad'])
        .default('average')
        .describe('FedAvg, FedAdam, FedYogi or FedAdagrad.'),
      learningRate: positive().optional().describe("The server's learning rate. Default: 1 for average, else 0.01."),
      momentum: z
        .number()
        .min(0)
        .lt(1)
        .optional()
        .describe('Decay of the first moment. Default: 0 for average, else 0.9.'),
      beta2: z.number().min(0).lt(1).optional().describe('Decay of the second moment. Default: 0.99.'),
      tau: positive().optional().describe('Degree of adaptivity. Default: 0.001.'),
    })
    .prefault({})
    .describe('How the mean update moves the weights.'),
  robust: z
    .strictObject({
      rule: z
        .enum(Object.keys(aggregationRules) as (keyof typeof aggregationRules)[])
        .describe('Rule that combines updates.'),
      attackers: z.number().min(0).lt(0.5).default(0.2).describe('Fraction of attackers that the rule must stand.'),
    })
    .optional()
    .describe('With mode visible: robust aggregation. Default: mean.'),
  secure: z
    .strictObject({
      neighbours: count()
        .max(254)
        .optional()
        .describe('Members with which each one shares masks. Default: all others, at most 50.'),
      threshold: z.int().min(2).optional().describe('Neighbours that must remain. Default: more than half.'),
      clip: positive().default(10).describe('Maximum L2 norm of an update; longer ones are scaled down.'),
      scale: positive().optional().describe('Integers per unit. Default: as fine as the cohort and clip allow.'),
    })
    .prefault({})
    .describe('Secure aggregation.'),
  privacy: z
    .strictObject({
      epsilon: positive().describe(
        'Budget ε of the whole training for the texts of one device: it bounds what anybody learns about them from the model and the report. It does not hide that a device takes part. Training stops before the budget is exceeded.',
      ),
      delta: z.number().gt(0).lt(1).default(1e-5).describe('δ of the budget.'),
      noise: z
        .enum(['distributed', 'central'])
        .default('distributed')
        .describe(
          'distributed: each client adds its part of the noise, so ε also holds against a server that follows the protocol, as long as no members work for it. central: the server adds the noise to the sum, so ε does not hold against the server.',
        ),
      groups: count()
        .default(1)
        .describe(
          'Number of groups that devices are divided into. Groups take turns, round by round, so ε counts only the rounds of one group.',
        ),
      noiseMultiplier: positive()
        .optional()
        .describe('Noise relative to what one client can change. Default: what the budget allows.'),
    })
    .optional()
    .describe('Differential privacy for clients. Needs mode secure.'),
  evaluation: z
    .strictObject({
      every: count().default(5).describe('Training rounds between two evaluations.'),
      devices: z
        .number()
        .gt(0)
        .lt(1)
        .default(0.1)
        .describe('Fraction of the devices that never train: they report the loss on their texts, in masked sums.'),
      cohort: count().optional().describe('Devices in an evaluation. Default: minimumCohort.'),
    })
    .optional()
    .describe('Evaluation on held-out devices. Default: none. Excludes privacy, because a loss gets no noise.'),
  training: z
    .strictObject({
      model: z
        .string()
        .min(1)
        .describe('Model to adapt: path, URL or hf:owner/repo/file.gguf. A path is served to the clients.'),
      lora: z
        .strictObject({
          rank: count().default(8).describe('Rank of the adapter.'),
          targets: z.array(z.string().min(1)).min(1).default(['attn_q', 'attn_v']).describe('Matrices to adapt.'),
          freezeA: z.boolean().default(true).describe('Train and send only the second factor (FFA-LoRA).'),
        })
        .optional()
        .describe('Train a LoRA adapter. Default: train all weights.'),
      sequence: count().default(64).describe('Tokens per sequence.'),
      batch: count().default(8).describe('Sequences per step.'),
      steps: count().default(10).describe('Steps of a client per round.'),
      learningRate: positive().default(1e-3).describe("The clients' learning rate."),
      minimumLearningRate: positive()
        .optional()
        .describe('Learning rate of the last round, reached along half a cosine. Default: learningRate.'),
      warmup: z.int().min(0).default(0).describe('First rounds, in which the learning rate rises to its maximum.'),
      keepOptimizer: z
        .boolean()
        .default(true)
        .describe("Clients keep AdamW's moments between rounds, on their devices. false: fresh ones in every round."),
      proximal: z.number().min(0).default(0).describe('Pull towards the shared weights (FedProx).'),
      seed: z.int().min(0).max(0xffffffff).default(1).describe('Random seed of the adapter.'),
    })
    .describe('What clients train.'),
});

export type FederationSettings = Omit<z.output<typeof schema>, 'asynchronous'> & {
  readonly asynchronous?: { readonly maximumStaleness: number; readonly concurrency: number };
  readonly minimumCohort: number;
  readonly weighting: 'examples' | 'uniform';
};
export type FederationInput = z.input<typeof schema>;

/** @throws {FederatedError} BAD_SETTINGS that lists all invalid fields */
export function checkSettings(value: unknown): FederationSettings {
  const result = schema.safeParse(value);
  if (!result.success) {
    const problems = result.error.issues.map(({ path, message }) => `${path.join('.') || 'settings'}: ${message}`);
    throw bad(problems);
  }
  const { asynchronous, ...settings } = result.data;
  const { mode, cohort, privacy, robust, evaluation } = settings;
  const least = mode === 'secure' ? 3 : 1;
  const problems: string[] = [];
  if (cohort < least) problems.push(`cohort is ${cohort}, expected at least ${least}`);
  if (privacy && mode !== 'secure') problems.push('privacy needs mode secure');
  if (privacy && settings.weighting === 'examples') problems.push('privacy needs weighting uniform');
  const ignoresExamples = robust !== undefined && robust.rule !== 'mean';
  if (ignoresExamples && settings.weighting === 'examples')
    problems.push(`robust.rule ${robust.rule} needs weighting uniform, because attackers would claim many examples`);
  if (robust && mode !== 'visible') problems.push('robust needs mode visible, because it must see updates');
  if (evaluation && privacy)
    problems.push('evaluation excludes privacy: ε would not cover the losses that devices report');
  if (evaluation?.cohort !== undefined && evaluation.cohort < least)
    problems.push(`evaluation.cohort is ${evaluation.cohort}, expected at least ${least}`);
  if (asynchronous) {
    if (mode !== 'visible')
      problems.push('asynchronous needs mode visible, because masks cancel only among members that start together');
    if (privacy) problems.push('asynchronous excludes privacy, which needs secure sums');
    if (evaluation) problems.push('asynchronous excludes evaluation: clients still train when a version ends');
  }
  if (problems.length > 0) throw bad(problems);
  return {
    ...settings,
    ...(asynchronous && { asynchronous: { ...asynchronous, concurrency: asynchronous.concurrency ?? 10 * cohort } }),
    minimumCohort: settings.minimumCohort ?? Math.max(least, Math.ceil(cohort / 2)),
    weighting: settings.weighting ?? (privacy || ignoresExamples ? 'uniform' : 'examples'),
  };
}

function bad(problems: readonly string[]): FederatedError {
  return new FederatedError('BAD_SETTINGS', `settings: ${problems.join('; ')}`, { problems });
}

/** Neighbours and threshold of a round. @param cohort of the round */
export function neighboursOf(
  { secure }: FederationSettings,
  cohort: number,
): { neighbours: number; threshold: number } {
  const usual = defaultNeighbours(cohort);
  const neighbours = Math.min(secure.neighbours ?? usual.neighbours, cohort - 1);
  return {
    neighbours,
    threshold: Math.min(secure.threshold ?? Math.max(2, Math.floor(neighbours / 2) + 1), neighbours),
  };
}

/** Help text that describes every field. */
export function describeSettings(): string {
  return describeFields('The settings are a JSON object. Its fields:', schema);
}
