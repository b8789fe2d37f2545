/**
 * Privacy accountant: Rényi differential privacy of the Gaussian mechanism with Poisson sampling (Mironov, Talwar, Zhang 2019),
 * added up over rounds and converted to (ε, δ) (Canonne, Kamath, Steinke 2020). The neighbouring relation is one client more or
 * less. For integer orders the same formula holds for discrete Gaussian noise on integers.
 */
import { OptionError } from '../../core/errors.ts';
import { logHalfErfc } from './erfc.ts';

export interface Mechanism {
  /** Standard deviation of the noise divided by the sensitivity: what one client can change, as L2 norm. */
  readonly noiseMultiplier: number;
  /** Probability with which each client is sampled, independently of others. 1: everybody. */
  readonly samplingRate: number;
}

const INTEGER_ORDERS = [...Array.from({ length: 62 }, (_, i) => i + 2), 128, 256, 512, 1024];
const FRACTIONS = Array.from({ length: 99 }, (_, i) => 1 + (i + 1) / 10).filter((order) => !Number.isInteger(order));

/** Orders for which the sum of discrete Gaussians is accounted for; also valid for continuous noise. */
export const integerOrders: readonly number[] = INTEGER_ORDERS;
/** Orders for continuous Gaussian noise: they give a smaller ε. */
export const allOrders: readonly number[] = [...INTEGER_ORDERS, ...FRACTIONS];

export class Accountant {
  readonly #orders: readonly number[];
  readonly #spent: Float64Array;

  constructor(orders: readonly number[] = integerOrders) {
    this.#orders = orders;
    this.#spent = new Float64Array(orders.length);
  }

  /** Adds rounds. @throws {OptionError} if the mechanism is invalid */
  add(mechanism: Mechanism, rounds = 1): this {
    checkMechanism(mechanism);
    for (const [i, order] of this.#orders.entries()) this.#spent[i] += rounds * renyiDivergence(mechanism, order);
    return this;
  }

  copy(): Accountant {
    const copy = new Accountant(this.#orders);
    copy.#spent.set(this.#spent);
    return copy;
  }

  /** Smallest proven ε for a δ. */
  epsilon(delta: number): number {
    if (!(delta > 0 && delta < 1)) throw new OptionError('delta', delta, 'above 0 and below 1');
    if (this.#spent.every((value) => value === 0)) return 0;
    let best = Number.POSITIVE_INFINITY;
    for (const [i, order] of this.#orders.entries()) {
      const spent = this.#spent[i];
      const epsilon = spent - (Math.log(delta) + Math.log(order)) / (order - 1) + Math.log1p(-1 / order);
      if (epsilon < best) best = epsilon;
    }
    return Math.max(0, best);
  }
}

/** Smallest noise multiplier with which `rounds` rounds stay within (ε, δ), to three digits. */
export function noiseMultiplierFor(
  target: { readonly epsilon: number; readonly delta: number },
  rounds: number,
  samplingRate: number,
  orders = integerOrders,
): number {
  const isEnough = (noiseMultiplier: number) =>
    new Accountant(orders).add({ noiseMultiplier, samplingRate }, rounds).epsilon(target.delta) <= target.epsilon;
  let high = 1;
  while (!isEnough(high)) {
    high *= 2;
    if (high > 2 ** 20) throw new OptionError('epsilon', target.epsilon, 'a budget that some noise can meet');
  }
  let low = high / 2 ** 10;
  while (high / low > 1.001) {
    const middle = Math.sqrt(low * high);
    if (isEnough(middle)) high = middle;
    else low = middle;
  }
  return high;
}

/** @throws {OptionError} */
export function checkMechanism({ noiseMultiplier, samplingRate }: Mechanism): void {
  if (!(noiseMultiplier > 0)) throw new OptionError('noiseMultiplier', noiseMultiplier, 'above 0');
  if (!(samplingRate > 0 && samplingRate <= 1))
    throw new OptionError('samplingRate', samplingRate, 'above 0, at most 1');
}

function renyiDivergence({ noiseMultiplier: sigma, samplingRate: q }: Mechanism, order: number): number {
  if (q === 1) return order / (2 * sigma * sigma);
  const moment = Number.isInteger(order) ? integerMoment(q, sigma, order) : fractionalMoment(q, sigma, order);
  return moment / (order - 1);
}

/** log E[(P/Q)^order] for an integer order: a sum over the binomial expansion. */
function integerMoment(q: number, sigma: number, order: number): number {
  let sum = Number.NEGATIVE_INFINITY;
  let logBinomial = 0;
  for (let k = 0; k <= order; k++) {
    if (k > 0) logBinomial += Math.log((order - k + 1) / k);
    const term = logBinomial + k * Math.log(q) + (order - k) * Math.log1p(-q) + (k * k - k) / (2 * sigma * sigma);
    sum = logAdd(sum, term);
  }
  return sum;
}

/** The same for a fractional order: two series, for the halves of the line where one part of the mixture is larger. */
function fractionalMoment(q: number, sigma: number, order: number): number {
  let positive = Number.NEGATIVE_INFINITY;
  let negative = Number.NEGATIVE_INFINITY;
  const middle = sigma * sigma * Math.log(1 / q - 1) + 0.5;
  let logBinomial = 0;
  let sign = 1;
  for (let i = 0; i < 10_000; i++) {
    if (i > 0) {
      const factor = (order - i + 1) / i;
      logBinomial += Math.log(Math.abs(factor));
      if (factor < 0) sign = -sign;
    }
    const j = order - i;
    const left =
      logBinomial +
      i * Math.log(q) +
      j * Math.log1p(-q) +
      (i * i - i) / (2 * sigma * sigma) +
      logHalfErfc((i - middle) / (Math.SQRT2 * sigma));
    const right =
      logBinomial +
      j * Math.log(q) +
      i * Math.log1p(-q) +
      (j * j - j) / (2 * sigma * sigma) +
      logHalfErfc((middle - j) / (Math.SQRT2 * sigma));
    const term = logAdd(left, right);
    if (sign > 0) positive = logAdd(positive, term);
    else negative = logAdd(negative, term);
    if (i > order && term < positive - 40) break;
  }
  return positive + Math.log1p(-Math.exp(negative - positive));
}

function logAdd(a: number, b: number): number {
  const [small, large] = a < b ? [a, b] : [b, a];
  return small === Number.NEGATIVE_INFINITY ? large : large + Math.log1p(Math.exp(small - large));
}
