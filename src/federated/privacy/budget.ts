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

  /** @throws {FederatedError} BUDGET_SPENT if another round would exceed the budget; nothing is spent then */
  spend(mechanism: Mechanism): void {
    const next = this.#accountant.copy().add(mechanism);
    const epsilon = next.epsilon(this.target.delta);
    if (epsilon > this.target.epsilon) {
      const spent = `${this.epsilon.toFixed(3)} of ε = ${this.target.epsilon} is spent after ${this.#rounds} rounds`;
      const message = `${spent}, and another round would reach ${epsilon.toFixed(3)} at δ = ${this.target.delta}: training ends here`;
      throw new FederatedError('BUDGET_SPENT', message, { ...this.target, spent: this.epsilon, rounds: this.#rounds });
    }
    this.#accountant = next;
    this.#rounds++;
  }
}
