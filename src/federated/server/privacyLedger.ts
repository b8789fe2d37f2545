/**
 * The privacy budget of a federation. ε is that of the device that took part most often: groups take turns, and a device is in one
 * group, so a round costs something only if its group has trained more often than all others before.
 */
import { PrivacyBudget } from '../privacy/budget.ts';
import type { ReportLine } from './reportLine.ts';
import { mechanismOf } from './roundConfigOf.ts';
import { groupOfRound } from './selection.ts';
import type { FederationSettings } from './settings.ts';

export class PrivacyLedger {
  readonly #settings: FederationSettings;
  readonly #budget: PrivacyBudget;
  /** Closed training rounds by group. */
  readonly #closed = new Map<number, number>();

  /** @param settings with privacy @param report of the rounds so far */
  constructor(settings: FederationSettings, report: readonly ReportLine[]) {
    this.#settings = settings;
    this.#budget = new PrivacyBudget(settings.privacy!);
    for (const { outcome, round } of report)
      if (outcome === 'closed') this.spend(Number(round.slice(settings.name.length + 1)));
  }

  get epsilon(): number {
    return this.#budget.epsilon;
  }

  get delta(): number {
    return this.#budget.target.delta;
  }

  /** Returns why a round would exceed the budget, or undefined. @param number of the round */
  problem(number: number): string | undefined {
    return this.#isNew(number) ? this.#budget.problem(mechanismOf(this.#settings)!) : undefined;
  }

  /** @throws {FederatedError} BUDGET_SPENT */
  spend(number: number): void {
    if (this.#isNew(number)) this.#budget.spend(mechanismOf(this.#settings)!);
    const group = groupOfRound(number, this.#settings);
    this.#closed.set(group, this.#closedOf(number) + 1);
  }

  /** True if the group of the round has trained as often as any group. */
  #isNew(number: number): boolean {
    return this.#closedOf(number) === this.#budget.rounds;
  }

  #closedOf(number: number): number {
    return this.#closed.get(groupOfRound(number, this.#settings)) ?? 0;
  }
}
