/**
 * Privacy accountant from privacy loss distributions (PLD): a tighter ε than Rényi divergences for continuous Gaussian noise. The
 * distribution of one round lies on a grid that never understates δ (connect the dots: Doroshenko et al. 2022); a Fourier transform
 * composes rounds. Discrete noise has no such proof for a sum over many coordinates, so budgets use `Accountant`.
 */
import { OptionError } from '../../core/errors.ts';
import { checkMechanism, type Mechanism } from './accountant.ts';
import { logHalfErfc } from './erfc.ts';
import { type ComplexArray, fourierTransform } from './fourier.ts';

/** Deviations of the noise beyond which probability is rounded to 0. */
const REACH = 9;
const MAXIMUM_POINTS = 2 ** 18;
/** Fraction of δ for the probability of losses outside of the grid of all rounds. */
const OUTSIDE = 1e-4;
const TILTS = Array.from({ length: 50 }, (_, i) => 2 ** ((i - 20) / 2));

/** 'remove': the data lose a client; 'add': they gain one. ε is the greater one of both. */
type Direction = 'remove' | 'add';
const directions: readonly Direction[] = ['remove', 'add'];

/** Probabilities of the losses `(first + i) · step`. */
interface Losses {
  readonly step: number;
  readonly first: number;
  readonly probabilities: Float64Array;
  /** Probability of an infinite loss. */
  readonly infinite: number;
}

export class LossDistributionAccountant {
  readonly #spent: { readonly mechanism: Mechanism; readonly rounds: number }[] = [];

  /** Adds rounds. @throws {OptionError} if the mechanism is invalid */
  add(mechanism: Mechanism, rounds = 1): this {
    checkMechanism(mechanism);
    if (rounds > 0) this.#spent.push({ mechanism, rounds });
    return this;
  }

  /** Smallest ε for a δ that the grid can prove. Infinity if the noise is too small for the grid. */
  epsilon(delta: number): number {
    if (!(delta > 0 && delta < 1)) throw new OptionError('delta', delta, 'above 0 and below 1');
    if (this.#spent.length === 0) return 0;
    return Math.max(...directions.map((direction) => this.#epsilon(direction, delta)));
  }

  #epsilon(direction: Direction, delta: number): number {
    let step = Math.min(...this.#spent.map(({ mechanism }) => stepFor(mechanism, direction)));
    const outside = OUTSIDE * delta;
    while (step < 1e4) {
      const rounds = this.#spent.map(({ mechanism, rounds }) => ({
        rounds,
        losses: lossesOf(mechanism, direction, step),
      }));
      const { lowest, highest } = rangeOf(rounds, outside);
      const points = 2 ** Math.ceil(Math.log2((highest - lowest) / step + 2));
      if (points > MAXIMUM_POINTS) {
        step *= 2;
        continue;
      }
      const first = Math.floor(lowest / step);
      const finite = rounds.reduce((log, one) => log + one.rounds * Math.log1p(-one.losses.infinite), 0);
      return epsilonOf(compose(rounds, first, points), first, step, delta - outside + Math.expm1(finite));
    }
    return Number.POSITIVE_INFINITY;
  }
}

/** Privacy loss at an outcome x of the noise, from 0 without the client. */
function lossAt(x: number, { noiseMultiplier: sigma, samplingRate: q }: Mechanism, direction: Direction): number {
  const exponent = (2 * x - 1) / (2 * sigma * sigma);
  if (q === 1) return direction === 'remove' ? exponent : -exponent;
  // log(1 − q + q·e^exponent)
  const loss =
    exponent > 0 ? exponent + Math.log(q + (1 - q) * Math.exp(-exponent)) : Math.log1p(q * Math.expm1(exponent));
  return direction === 'remove' ? loss : -loss;
}

/** Step of the grid: a sixteenth of the deviation of a round's loss, at most 0.002, but not too many points. */
function stepFor(mechanism: Mechanism, direction: Direction): number {
  const { noiseMultiplier: sigma, samplingRate: q } = mechanism;
  let [sum, squares, total] = [0, 0, 0];
  for (let z = -REACH; z <= REACH; z += 1 / 64) {
    const density = Math.exp((-z * z) / 2);
    const centres =
      direction === 'remove'
        ? ([
            [0, 1 - q],
            [1, q],
          ] as const)
        : ([[0, 1]] as const);
    for (const [centre, share] of centres) {
      const loss = lossAt(centre + z * sigma, mechanism, direction);
      sum += share * density * loss;
      squares += share * density * loss * loss;
      total += share * density;
    }
  }
  const deviation = Math.sqrt(Math.max(0, squares / total - (sum / total) ** 2));
  const [lowest, highest] = endsOf(mechanism, direction);
  return Math.max((2 * (highest - lowest)) / MAXIMUM_POINTS, Math.min(0.002, deviation / 16));
}

/** Losses at the ends of what the noise reaches, the smaller one first. */
function endsOf(mechanism: Mechanism, direction: Direction): [number, number] {
  const { noiseMultiplier: sigma } = mechanism;
  const [a, b] = [-REACH * sigma, REACH * sigma + 1].map((x) => lossAt(x, mechanism, direction));
  return [Math.min(a, b), Math.max(a, b)];
}

/** Losses of one round on the grid. */
function lossesOf(mechanism: Mechanism, direction: Direction, step: number): Losses {
  const [lowest, highest] = endsOf(mechanism, direction);
  const first = Math.floor(lowest / step);
  const count = Math.ceil(highest / step) - first + 1;
  const deltas = Float64Array.from({ length: count }, (_, i) => deltaOf((first + i) * step, mechanism, direction));
  const probabilities = new Float64Array(count);
  // δ is linear in e^ε between the points; the change of its slope at a point is the point's probability / e^ε
  const width = -Math.expm1(-step);
  for (let i = 0; i < count; i++) {
    // slopes times e^ε of this point
    const below = i === 0 ? deltas[0] - 1 : (deltas[i] - deltas[i - 1]) / width;
    const above = i === count - 1 ? 0 : (deltas[i + 1] - deltas[i]) / (width * Math.exp(step));
    probabilities[i] = Math.max(0, above - below);
  }
  return { step, first, probabilities, infinite: Math.max(0, deltas[count - 1]) };
}

/** δ of one round for an ε, which may be negative. In logarithms, because e^ε may be too large for a number. */
function deltaOf(
  epsilon: number,
  { noiseMultiplier: sigma, samplingRate: q }: Mechanism,
  direction: Direction,
): number {
  const logRatio = logOfRatio(direction === 'remove' ? epsilon : -epsilon, q);
  if (Number.isNaN(logRatio)) return direction === 'remove' ? -Math.expm1(epsilon) : 0;
  // outcome at which the loss is ε
  const x = sigma * sigma * (logRatio - Math.log(q)) + 0.5;
  const logAbove = (x: number) => logHalfErfc(x / (sigma * Math.SQRT2));
  if (direction === 'remove') return q * Math.exp(logAbove(x - 1)) - Math.exp(logRatio + logAbove(x));
  const others = q === 1 ? 0 : (1 - q) * Math.exp(epsilon + logAbove(-x));
  return Math.exp(logAbove(-x)) - others - q * Math.exp(epsilon + logAbove(1 - x));
}

/** log(e^x − 1 + q). NaN if no outcome has this ratio. */
function logOfRatio(x: number, q: number): number {
  if (q === 1) return x;
  return x > 30 ? x + Math.log1p((q - 1) * Math.exp(-x)) : Math.log(Math.expm1(x) + q);
}

interface Rounds {
  readonly rounds: number;
  readonly losses: Losses;
}

/** Range that the sum of all losses leaves with at most the given probability at each end (Chernoff). */
function rangeOf(all: readonly Rounds[], probability: number): { readonly lowest: number; readonly highest: number } {
  const bound = (sign: 1 | -1) => {
    let best = Number.POSITIVE_INFINITY;
    for (const tilt of TILTS) {
      const logs = all.reduce((sum, { rounds, losses }) => sum + rounds * logMoment(losses, sign * tilt), 0);
      if (Number.isFinite(logs)) best = Math.min(best, (logs - Math.log(probability)) / tilt);
    }
    return best;
  };
  return { lowest: -bound(-1), highest: bound(1) };
}

/** log E[e^(tilt · loss)]. */
function logMoment({ first, step, probabilities }: Losses, tilt: number): number {
  const largest = Math.max(tilt * first, tilt * (first + probabilities.length - 1)) * step;
  let sum = 0;
  for (const [i, probability] of probabilities.entries())
    sum += probability * Math.exp(tilt * (first + i) * step - largest);
  return largest + Math.log(sum);
}

/** Distribution of the sum of all finite losses. The grid is a circle, on which sums outside of its range come in at the other end. */
function compose(all: readonly Rounds[], first: number, points: number): Float64Array {
  const product: ComplexArray = {
    real: new Float64Array(points).fill(1),
    imaginary: new Float64Array(points),
  };
  let shift = -first;
  for (const { rounds, losses } of all) {
    shift += rounds * losses.first;
    const one: ComplexArray = { real: new Float64Array(points), imaginary: new Float64Array(points) };
    for (const [i, probability] of losses.probabilities.entries()) one.real[i % points] += probability;
    fourierTransform(one);
    for (let i = 0; i < points; i++) {
      const size = Math.hypot(one.real[i], one.imaginary[i]) ** rounds;
      const angle = rounds * Math.atan2(one.imaginary[i], one.real[i]);
      const [re, im] = [size * Math.cos(angle), size * Math.sin(angle)];
      const { real, imaginary } = product;
      [real[i], imaginary[i]] = [real[i] * re - imaginary[i] * im, real[i] * im + imaginary[i] * re];
    }
  }
  fourierTransform(product, true);
  const turned = ((shift % points) + points) % points;
  const sums = new Float64Array(points);
  for (let i = 0; i < points; i++) sums[(i + turned) % points] = Math.max(0, product.real[i] / points);
  return sums;
}

/** Smallest ε ≥ 0 for which the losses above it have at most the given δ. */
function epsilonOf(probabilities: Float64Array, first: number, step: number, delta: number): number {
  if (delta <= 0) return Number.POSITIVE_INFINITY;
  // δ(ε) = Σ p − e^ε Σ p·e^(−loss), over losses above ε
  let [sum, discounted] = [0, 0];
  for (let i = probabilities.length - 1; i >= 0; i--) {
    const epsilon = (first + i) * step;
    discounted *= Math.exp(-step);
    if (sum - discounted > delta || epsilon < 0)
      return Math.max(0, discounted > 0 && sum > delta ? epsilon + Math.log((sum - delta) / discounted) : 0);
    sum += probabilities[i];
    discounted += probabilities[i];
  }
  return 0;
}
