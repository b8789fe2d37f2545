/** A privacy budget: training stops before the round that would spend more. */
import { FederatedError } from '../federatedError.ts';
import { Accountant, type Mechanism } from './accountant.ts';

export interface PrivacyTarget {
  readonly epsilon: number;
  readonly delta: number;
}

export class PrivacyBudget {
  readonly target: PrivacyTarget;
  #accountant = new Accountant();
  #rounds = 0;

  constructor(target: PrivacyTarget) {
    this.target = target;
  }

  /** ε spent so far, for the target's δ. */
  get epsilon(): number {
    return this.#accountant.epsilon(this.target.delta);
  }

  get rounds(): number {
    return this.#rounds;
  }

  /** Returns why another round would exceed the budget, or undefined. */
  problem(mechanism: Mechanism): string | undefined {
    const { epsilon, delta } = this.target;
    const next = this.#accountant.copy().add(mechanism).epsilon(delta);
    if (next <= epsilon) return undefined;
    const spent = `ε = ${this.epsilon.toFixed(3)} of ${epsilon} is spent after ${this.#rounds} rounds`;
    return `${spent}, and another round would reach ${next.toFixed(3)} at δ = ${delta}`;
  }

  /** @throws {FederatedError} BUDGET_SPENT if the round would exceed the budget; nothing is spent then */
  spend(mechanism: Mechanism): void {
    const problem = this.problem(mechanism);
    if (problem !== undefined)
      throw new FederatedError('BUDGET_SPENT', problem, { ...this.target, spent: this.epsilon, rounds: this.#rounds });
    this.#accountant.add(mechanism);
    this.#rounds++;
  }
}
