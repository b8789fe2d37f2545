/**
 * Server optimizers (Reddi et al. 2021, Adaptive Federated Optimization). The mean update is the direction of a step. Without a
 * bias correction, as in the paper.
 */
import { OptionError } from '../../core/errors.ts';

export interface ServerOptimizerOptions {
  /** 'average' is FedAvg, or FedAvgM with momentum; 'adam', 'yogi' and 'adagrad' are FedAdam, FedYogi and FedAdagrad. Default: 'average'. */
  readonly rule?: 'average' | 'adam' | 'yogi' | 'adagrad';
  /** Default: 1 for 'average', 0.01 for the others. */
  readonly learningRate?: number;
  /** Decay of the first moment. Default: 0 for 'average', 0.9 for the others. */
  readonly momentum?: number;
  /** Decay of the second moment. Default: 0.99. */
  readonly beta2?: number;
  /** Degree of adaptivity: added to the root of the second moment. Default: 1e-3. */
  readonly tau?: number;
}

export interface OptimizerState {
  readonly first: Float32Array;
  readonly second: Float32Array;
}

export class ServerOptimizer {
  readonly #options: Required<ServerOptimizerOptions>;
  #state: OptimizerState | undefined;

  constructor(options: ServerOptimizerOptions = {}, state?: OptimizerState) {
    const { rule = 'average' } = options;
    const isAverage = rule === 'average';
    if (!['average', 'adam', 'yogi', 'adagrad'].includes(rule))
      throw new OptionError('optimizer.rule', rule, 'average, adam, yogi or adagrad');
    const defaults = { learningRate: isAverage ? 1 : 0.01, momentum: isAverage ? 0 : 0.9, beta2: 0.99, tau: 1e-3 };
    this.#options = { ...defaults, ...options, rule };
    this.#state = state;
  }

  /** For a checkpoint. Undefined before the first step. */
  get state(): OptimizerState | undefined {
    return this.#state;
  }

  /** Returns the new weights. @param update mean update of the cohort [parameters] */
  step(weights: Float32Array, update: Float32Array): Float32Array {
    const { rule, learningRate, momentum, beta2, tau } = this.#options;
    const first = this.#state?.first.slice() ?? new Float32Array(weights.length);
    // v₀ ≥ τ², as in the paper
    const second = this.#state?.second.slice() ?? new Float32Array(weights.length).fill(tau * tau);
    const moved = weights.slice();
    for (let i = 0; i < weights.length; i++) {
      const delta = update[i];
      if (rule === 'average') {
        first[i] = momentum * first[i] + delta;
        moved[i] += learningRate * first[i];
        continue;
      }
      first[i] = momentum * first[i] + (1 - momentum) * delta;
      const square = delta * delta;
      if (rule === 'adagrad') second[i] += square;
      else if (rule === 'adam') second[i] = beta2 * second[i] + (1 - beta2) * square;
      else second[i] -= (1 - beta2) * square * Math.sign(second[i] - square);
      moved[i] += (learningRate * first[i]) / (Math.sqrt(second[i]) + tau);
    }
    this.#state = { first, second };
    return moved;
  }
}
