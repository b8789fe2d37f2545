/**
 * Corrects a cost table by steps that really ran: the factor by which they take longer than predicted, ξ, for each number of threads and
 * class of tokens (ALERT, Wan et al. 2020, has one for all). Kernels keep their proportions, so predictions of other models follow.
 */
import { quantile } from '../runtime/statistics.ts';
import type { CostTable, ThreadsCost } from './costTable.ts';
import { type WholeWork, workCost } from './stepCost.ts';

/** Steps whose factors are combined. */
const STEPS = 16;
/** The table is of an idle device: steps that other processes disturbed are slower, and the lower quartile leaves them out. */
const QUANTILE = 0.25;
/** Share of the logarithm of ξ that is learned at a time. */
const GAIN = 0.5;
/** Factors beyond these are clocks that were set, or a device that slept. */
const [LEAST, MOST] = [0.1, 10];

export class LearningMeter {
  #table: CostTable;
  /** Factors of the last steps, by index into `table.threads`. */
  readonly #factors = new Map<number, number[]>();

  constructor(table: CostTable) {
    this.#table = table;
  }

  get table(): CostTable {
    return this.#table;
  }

  /**
   * Records a step. Steps on a number of threads that was not measured, and impossible times, are left out.
   * @returns true if the table has changed @throws {UnsupportedError} if a block format of the work was not measured
   */
  observe(work: WholeWork, threads: number, seconds: number): boolean {
    const at = nearest(this.#table.threads, threads, work.tokens);
    if (at < 0) return false;
    const factor = seconds / workCost(this.#table, work, threads).seconds;
    if (!(factor >= LEAST && factor <= MOST)) return false;
    const factors = this.#factors.get(at) ?? [];
    this.#factors.set(at, factors);
    factors.push(factor);
    if (factors.length < STEPS) return false;
    const ratio = quantile(factors, QUANTILE) ** GAIN;
    factors.length = 0;
    this.#table = {
      ...this.#table,
      threads: this.#table.threads.map((entry, i) => (i === at ? scaled(entry, ratio) : entry)),
    };
    return true;
  }
}

function scaled({ tokens, threads, cached, streamed, other, barrier, step }: ThreadsCost, by: number): ThreadsCost {
  const costs = { cached: by * cached, streamed: by * streamed, other: by * other };
  return { tokens, threads, ...costs, barrier: by * barrier, step: by * step };
}

/** Index of the costs of the nearest number of tokens; −1: these threads were not measured. */
function nearest(entries: readonly ThreadsCost[], threads: number, tokens: number): number {
  const distance = (entry: ThreadsCost) => Math.abs(Math.log(entry.tokens / tokens));
  return entries.reduce(
    (best, entry, i) =>
      entry.threads === threads && (best < 0 || distance(entry) < distance(entries[best])) ? i : best,
    -1,
  );
}
