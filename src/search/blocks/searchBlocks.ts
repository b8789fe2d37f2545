/**
 * Searches for the best version of a model within a time, a size or an energy on this device: for every block, whether it is kept and in which
 * format. Time comes from the meter, energy is modelled, quality is the true KL divergence from the model, measured with the same kernels.
 */
import { type EnergyEstimate, modelledEnergy } from '../../adapt/index.ts';
import { cheapest } from '../../compress/cheapest.ts';
import { evolve } from '../../compress/evolve.ts';
import { OptionError } from '../../core/errors.ts';
import type { OnProgress } from '../../core/progress.ts';
import { seededRandom } from '../../core/random.ts';
import type { Checkpoint } from '../../formats/checkpoint.ts';
import { lent, tensorBytes } from '../../formats/checkpoint.ts';
import { type CheckpointSource, openCheckpoint } from '../../formats/open.ts';
import { buildModel } from '../../models/buildModel.ts';
import { inGgufTerms } from '../../models/inGgufTerms.ts';
import { evaluateText } from '../../runtime/evaluateText.ts';
import { load } from '../../runtime/load.ts';
import type { Model } from '../../runtime/model.ts';
import type { CostTable } from '../costTable.ts';
import { stepCost } from '../stepCost.ts';
import { DROPPED, SOURCE, variantOf } from './variant.ts';

/** What can be limited: the time of a token, the bytes of the tensors, or the energy of a token. */
export type SearchLimit = 'seconds' | 'bytes' | 'joules';
const searchLimits: readonly string[] = ['seconds', 'bytes', 'joules'] satisfies SearchLimit[];

export interface SearchOptions {
  readonly table: CostTable;
  /** Text of the kind that the model is for. */
  readonly text: string;
  /** Limits relative to what the model takes itself, e.g. [0.7, 0.85]. */
  readonly budgets: readonly number[];
  /** What the budgets are shares of. Default 'seconds'. */
  readonly limit?: SearchLimit;
  /** Formats besides the source's, e.g. ['Q4_0']. Blocks may be dropped, too. Default: none. */
  readonly formats?: readonly string[];
  /** Threads of the predicted token; the search itself uses one. Default 1. */
  readonly threads?: number;
  /** Positions before the predicted token. Default 128. */
  readonly depth?: number;
  /** Tokens of text on which a candidate is judged. Default 1024; a quarter of them to sort children. */
  readonly tokens?: number;
  readonly generations?: number;
  readonly seed?: number;
  readonly signal?: AbortSignal;
  /** Progress with stage 'search', a piece per evaluated candidate. */
  readonly onProgress?: OnProgress;
}

/** A version of the model. */
export interface SearchedModel {
  /** Level of each block: 'dropped', 'source' or a format. */
  readonly levels: readonly string[];
  /** Predicted seconds of a token. */
  readonly seconds: number;
  /** Bytes of its tensors. */
  readonly bytes: number;
  /** Modelled energy of a token. Its bounds are far apart, but its proportions between versions are those of time, bytes and multiply-adds. */
  readonly joules: EnergyEstimate;
  /** KL divergence from the model, and loss on the text, in nats per token. */
  readonly kld: number;
  readonly nll: number;
}

export interface SearchResult {
  readonly whole: SearchedModel;
  /** Best version of each budget, in their order. */
  readonly found: readonly (SearchedModel & { readonly budget: number })[];
  /** All candidates that were judged on the whole text. */
  readonly candidates: readonly SearchedModel[];
  /** What the budgets are shares of. */
  readonly limit: SearchLimit;
}

const DEFAULTS = { limit: 'seconds' as SearchLimit, threads: 1, depth: 128, tokens: 1024, generations: 8, seed: 1 };
/** Share of the text to sort children with. */
const SCREENING = 0.25;
/** Sums of rounded costs may exceed a budget by this factor. */
const SLACK = 1.001;

/** @throws {OptionError} @throws {UnsupportedError} for models whose blocks cannot be left out; the errors of `load`; the signal's reason */
export async function searchBlocks(source: CheckpointSource, options: SearchOptions): Promise<SearchResult> {
  const opened = await openCheckpoint(source, options);
  try {
    const search = new BlockSearch(inGgufTerms(opened), { ...DEFAULTS, ...options });
    return await search.run();
  } finally {
    await opened.close();
  }
}

class BlockSearch {
  readonly #base: Checkpoint;
  readonly #options: SearchOptions & typeof DEFAULTS;
  readonly #levels: readonly string[];
  readonly #judged = new Map<string, SearchedModel>();
  #evaluations = 0;

  constructor(base: Checkpoint, options: SearchOptions & typeof DEFAULTS) {
    for (const budget of options.budgets)
      if (!(budget > 0 && budget <= 1))
        throw new OptionError('budgets', budget, 'shares of what the model takes itself, up to 1');
    if (!searchLimits.includes(options.limit))
      throw new OptionError('limit', options.limit, `one of ${searchLimits.join(', ')}`);
    this.#base = base;
    this.#options = options;
    this.#levels = [DROPPED, ...(options.formats ?? []), SOURCE];
  }

  async run(): Promise<SearchResult> {
    const { signal } = this.#options;
    const reference = await load(lent(this.#base), { threads: 1, context: CHUNK, signal });
    try {
      return await this.#search(reference);
    } finally {
      reference.dispose();
    }
  }

  async #search(reference: Model): Promise<SearchResult> {
    const { tokens, budgets, seed, generations } = this.#options;
    const count = blockCountOf(this.#base);
    const whole = new Array<string>(count).fill(SOURCE);
    const full = this.#limited(whole);
    const single = (block: number, level: string) => whole.map((own, i) => (i === block ? level : own));
    // shares of the whole: costs of blocks add up, apart from what stays in the caches
    const costs = whole.map((_, block) =>
      this.#levels.map((level) => 1 / count + this.#limited(single(block, level)) / full - 1),
    );
    const evaluate = (levels: readonly string[], share: number) =>
      this.#evaluate(reference, levels, Math.ceil(share * tokens));
    const own = await evaluate(whole, 1);
    const divergences: number[][] = [];
    for (const block of whole.keys()) {
      const row: number[] = [];
      for (const level of this.#levels)
        row.push(level === SOURCE ? 0 : (await evaluate(single(block, level), SCREENING)).kld);
      divergences.push(row);
    }
    const found: (SearchedModel & { budget: number })[] = [];
    for (const budget of budgets) {
      const limit = SLACK * budget;
      const start = this.#cheapest(costs, divergences, limit);
      if (!start)
        throw new OptionError('budgets', budget, 'a larger one: what is outside of the blocks takes that much alone');
      const named = (levels: readonly number[]) => levels.map((level) => this.#levels[level]);
      const { levels } = await evolve({
        costs,
        budget: limit,
        start,
        generations,
        random: seededRandom(seed),
        evaluate: async (candidate, effort) => (await evaluate(named(candidate), effort === 1 ? 1 : SCREENING)).kld,
      });
      found.push({ ...(await evaluate(named(levels), 1)), budget });
    }
    return { whole: own, found, candidates: [...this.#judged.values()], limit: this.#options.limit };
  }

  /** Start: the choice whose blocks' divergences add up to the least. At least one block stays. */
  #cheapest(costs: readonly number[][], divergences: readonly number[][], budget: number): number[] | undefined {
    const NANO = 1e9;
    const things = costs.map((row, block) =>
      row.map((size, level) => ({ value: level, size: Math.max(0, size * NANO), cost: divergences[block][level] })),
    );
    const chosen = cheapest(things, budget * NANO);
    return chosen?.some((level) => this.#levels[level] !== DROPPED) ? chosen : undefined;
  }

  /** What is limited, of a version. */
  #limited(levels: readonly string[]): number {
    if (levels.every((level) => level === DROPPED)) return 0;
    const { seconds, bytes, joules } = this.#costOf(variantOf(this.#base, levels));
    return { seconds, bytes, joules: joules.value }[this.#options.limit];
  }

  #costOf(variant: Checkpoint): Pick<SearchedModel, 'seconds' | 'bytes' | 'joules'> {
    const { table, threads, depth } = this.#options;
    const step = stepCost(table, buildModel(variant, CHUNK).graph, { depth, threads });
    return { seconds: step.seconds, bytes: tensorBytes(variant), joules: modelledEnergy({ ...step, threads }) };
  }

  async #evaluate(reference: Model, levels: readonly string[], tokens: number): Promise<SearchedModel> {
    const { signal, onProgress } = this.#options;
    const key = `${tokens} ${levels.join()}`;
    const known = this.#judged.get(key);
    if (known) return known;
    signal?.throwIfAborted();
    if (levels.every((level) => level === DROPPED)) return { ...NOTHING, levels };
    const variant = variantOf(this.#base, levels);
    const { kld, nll } = await this.#compare(reference, variant, tokens);
    const judged = { levels, ...this.#costOf(variant), kld, nll };
    onProgress?.({ stage: 'search', done: ++this.#evaluations, total: 0, unit: 'pieces' });
    if (tokens >= this.#options.tokens) this.#judged.set(key, judged);
    return judged;
  }

  async #compare(reference: Model, variant: Checkpoint, maxTokens: number): Promise<{ kld: number; nll: number }> {
    const { text, signal } = this.#options;
    const model = await load(variant, { threads: 1, context: CHUNK, signal });
    try {
      const options = { reference, context: CHUNK, all: true, maxTokens, signal };
      const { kld, nll } = await evaluateText(model, text, options);
      return { kld: kld!.mean, nll };
    } finally {
      model.dispose();
    }
  }
}

/** Positions of a text that is judged as one. */
const CHUNK = 256;
const NO_ENERGY: EnergyEstimate = { value: 0, low: 0, high: 0, method: 'model', note: 'nothing is left' };
const NOTHING = {
  seconds: 0,
  bytes: 0,
  joules: NO_ENERGY,
  kld: Number.POSITIVE_INFINITY,
  nll: Number.POSITIVE_INFINITY,
};

function blockCountOf({ metadata }: Checkpoint): number {
  return Number(metadata.get(`${String(metadata.get('general.architecture'))}.block_count`));
}
