/** Federated training on the roles of Shakespeare's plays: each role is a client (non-IID), against central training on all of them. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type AggregationRule,
  type ClientOptimizer,
  checkSettings,
  simulate,
  trainLocally,
} from '../../src/federated/index.ts';
import { memorySource } from '../../src/formats/sources/memory.ts';
import { type Dataset, prepareTraining, type TrainableModel, train } from '../../src/train/index.ts';
import { learningRateAt } from '../../src/train/schedule.ts';

export interface RolesOptions {
  readonly text: string;
  readonly roles: number;
  readonly layers: number;
  readonly width: number;
}

export const BATCH = 12;
/** Held-out batches per text. */
const EVALUATED = 4;
export const SEQUENCE = 64;
export const RATE = 2e-3;
/** For clients and for central training, as measured with this schedule (LOG.md). Others were tried without it only. */
const CLIENT_RATE = 6e-3;
const CENTRAL_RATE = 4e-3;
/** FedOpt's Adam, as measured with these schedules (LOG.md): a first moment over more rounds only lags behind the clients' own. */
export const FEDADAM = { rule: 'adam', learningRate: 0.04, tau: 0.02, momentum: 0.3 } as const;
/** Share of the training in which the learning rate rises; then it falls along half a cosine, both as settings of a federation say. */
const WARMUP = 0.15;

/** The lines of the roles that speak most, by role. */
export function rolesOf(text: string, count: number): [string, string][] {
  const roles = new Map<string, string[]>();
  for (const speech of text.split('\n\n')) {
    const [, role, words] = /^([^\n:]+):\n([\s\S]+)$/.exec(speech) ?? [];
    if (role && words) roles.set(role, [...(roles.get(role) ?? []), words]);
  }
  const joined = [...roles].map(([role, speeches]) => [role, `${speeches.join('\n\n')}\n`] as [string, string]);
  return joined.sort((a, b) => b[1].length - a[1].length).slice(0, count);
}

export interface CharacterModelOptions {
  readonly text: string;
  readonly layers: number;
  readonly width: number;
  /** Default: 4. */
  readonly heads?: number;
}

/** Opens a new GPT-2 of characters for training. @param folder for its files */
export async function characterModel(
  folder: string,
  { text, layers, width, heads = 4 }: CharacterModelOptions,
): Promise<TrainableModel> {
  const base = join(folder, 'base.gguf');
  const common = {
    data: { sources: [{ path: text }], sequence: SEQUENCE, batch: BATCH, cache: join(folder, 'cache') },
    steps: 1,
    optimizer: { learningRate: RATE, warmup: 0, weightDecay: 0.1 },
    evaluation: { batches: EVALUATED },
  };
  // one negligible step makes a model with a tokenizer of all characters
  await train({
    ...common,
    model: { architecture: 'gpt2', layers, width, heads, context: SEQUENCE },
    tokenizer: { characters: true },
    optimizer: { learningRate: 1e-9, warmup: 0 },
    checkpoints: { folder: join(folder, 'run') },
    output: { path: base },
  });
  return prepareTraining({ ...common, model: { start: base } });
}

/** @param step of central training, or round @param steps their number */
const rateAt = (step: number, steps: number, learningRate: number) =>
  learningRateAt(step, {
    learningRate,
    minimumLearningRate: learningRate / 100,
    warmup: Math.round(WARMUP * steps),
    steps,
  });

export class Roles {
  readonly options: RolesOptions;
  readonly model: TrainableModel;
  readonly data: readonly Dataset[];
  readonly start: Float32Array;
  readonly #folder: string;

  private constructor(
    options: RolesOptions,
    model: TrainableModel,
    data: readonly Dataset[],
    start: Float32Array,
    folder: string,
  ) {
    this.options = options;
    this.model = model;
    this.data = data;
    this.start = start;
    this.#folder = folder;
  }

  static async open(options: RolesOptions): Promise<Roles> {
    const folder = mkdtempSync(join(tmpdir(), 'espalier-roles-'));
    const model = await characterModel(folder, options);
    const roles = rolesOf(readFileSync(options.text, 'utf8'), options.roles);
    const data: Dataset[] = [];
    for (const [role, words] of roles)
      data.push(
        await model.openData([{ weight: 1, open: async () => memorySource(new TextEncoder().encode(words), role) }]),
      );
    return new Roles(options, model, data, await model.readWeights(), folder);
  }

  /** Mean held-out loss of all roles, weighted by their tokens. */
  async loss(weights: Float32Array): Promise<number> {
    await this.model.writeWeights(weights);
    let sum = 0;
    let tokens = 0;
    for (const data of this.data) {
      const { loss } = await this.model.heldOutLoss(data);
      sum += loss * data.tokens;
      tokens += data.tokens;
    }
    return sum / tokens;
  }

  /**
   * Trains on all roles at once: a step takes as many batches as there are roles, each from a role chosen by its size.
   * @returns the least loss after any tenth of the steps: a long training can end behind its best
   */
  async central(steps: number): Promise<number> {
    const { model, data, start } = this;
    await model.writeWeights(start);
    await model.resetOptimizer();
    const total = data.reduce((sum, { tokens }) => sum + tokens, 0);
    let at = 0;
    let least = Number.POSITIVE_INFINITY;
    for (let step = 0; step < steps; step++) {
      const batches = [];
      for (let i = 0; i < data.length; i++) {
        // the golden ratio spreads the choices evenly
        at = (at + 0.6180339887498949) % 1;
        let left = at * total;
        const role = data.findIndex(({ tokens }) => (left -= tokens) < 0);
        batches.push(await data[Math.max(0, role)].batch(step * data.length + i));
      }
      await model.learner.update(batches, step, rateAt(step, steps, CENTRAL_RATE));
      const isJudged = Math.floor((10 * (step + 1)) / steps) > Math.floor((10 * step) / steps);
      if (isJudged) least = Math.min(least, await this.loss(await model.readWeights()));
    }
    return least;
  }

  /** Federated averaging with all roles in every round. @returns the loss after each of some rounds */
  async federated(options: {
    readonly rounds: number;
    readonly steps: number;
    readonly optimizer?: object;
    readonly every?: number;
    readonly rule?: AggregationRule;
    /** Constant. Default: the best one, with a schedule. */
    readonly learningRate?: number;
    /** Clients keep the moments of AdamW between rounds. Default: true. */
    readonly keepsOptimizer?: boolean;
    /** Number of clients that send the opposite of their update, enlarged. */
    readonly attackers?: number;
  }): Promise<{ readonly round: number; readonly loss: number }[]> {
    const { rounds, steps, optimizer = {}, every = rounds, rule, attackers = 0 } = options;
    const { learningRate, keepsOptimizer = true } = options;
    const { data, model, start } = this;
    const settings = checkSettings({
      ...{ mode: 'visible', rounds, cohort: data.length, optimizer, maximumExamples: 10_000_000 },
      ...(rule && { robust: { rule, attackers: 0.2 } }),
      training: { model: 'roles' },
    });
    const losses: { round: number; loss: number }[] = [];
    const kept = new Map<number, ClientOptimizer>();
    let round = 0;
    await simulate(settings, {
      clients: data.length,
      weights: start,
      examples: (client) => data[client].tokens,
      train: async (client, weights) => {
        const { update, optimizer } = await trainLocally(model, data[client], weights, {
          steps,
          learningRate: learningRate ?? rateAt(round, rounds, CLIENT_RATE),
          from: round * steps,
          optimizer: kept.get(client),
        });
        if (keepsOptimizer) kept.set(client, optimizer);
        return client < attackers ? update.map((value) => -3 * value) : update;
      },
      onRound: async (_, weights) => {
        round++;
        if (round % every === 0) losses.push({ round, loss: await this.loss(weights) });
      },
    });
    return losses;
  }

  async close(): Promise<void> {
    for (const data of this.data) await data.close();
    await this.model.dispose();
    rmSync(this.#folder, { recursive: true });
  }
}
