/**
 * Clipping, and rounding to integers with a scale that all clients share. Rounding is stochastic, so that the mean of many
 * clients is unbiased, and conditional: it is repeated while it lengthens the vector too much (Kairouz et al. 2021).
 */
import { normOf } from '../aggregation/update.ts';
import { FederatedError } from '../federatedError.ts';
import type { Uniform } from './secureRandom.ts';

export interface Quantization {
  /** Maximum L2 norm of an update. */
  readonly clip: number;
  /** Integers per unit. */
  readonly scale: number;
}

/** A rounding longer than the bound has probability e⁻¹ᐟ² at most, and is repeated. */
const LOG_INVERSE_BETA = 0.5;

/** Maximum L2 norm of a quantized update, in integers: what one client can change in the sum. */
export function quantizedNorm({ clip, scale }: Quantization, parameters: number): number {
  const norm = clip * scale;
  const root = Math.sqrt(parameters);
  const likely = norm ** 2 + parameters / 4 + Math.sqrt(2 * LOG_INVERSE_BETA) * (norm + root / 2);
  return Math.sqrt(Math.min((norm + root) ** 2, likely));
}

export interface Quantized {
  readonly integers: Int32Array;
  /** Norm before clipping. */
  readonly norm: number;
}

/** @throws {FederatedError} NOT_FINITE if a value is NaN or infinite */
export function quantize(values: Float32Array, quantization: Quantization, random: Uniform): Quantized {
  const norm = normOf(values);
  if (!Number.isFinite(norm)) throw notFinite();
  const { clip, scale } = quantization;
  const factor = scale * Math.min(1, norm > 0 ? clip / norm : 1);
  const bound = quantizedNorm(quantization, values.length) ** 2;
  const integers = new Int32Array(values.length);
  while (true) {
    let square = 0;
    for (let i = 0; i < values.length; i++) {
      const scaled = values[i] * factor;
      const low = Math.floor(scaled);
      const rounded = random.uniform() < scaled - low ? low + 1 : low;
      integers[i] = rounded;
      square += rounded * rounded;
    }
    if (square <= bound) return { integers, norm };
  }
}

export function notFinite(): FederatedError {
  return new FederatedError('NOT_FINITE', 'the update contains NaN or an infinite value');
}
