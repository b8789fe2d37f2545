/**
 * Scaling of rotary position embeddings for longer contexts: linear interpolation (Chen et al. 2023), YaRN (Peng et al. 2023),
 * Llama 3's, and LongRoPE's tables (Ding et al. 2024). GGUF files and config.json are read into the same record.
 */
import { UnsupportedError } from '../../core/errors.ts';
import type { Metadata } from '../metadata.ts';

export type RopeScaling = LinearScaling | YarnScaling | Llama3Scaling | LongRopeScaling | ProportionalScaling;

interface Scaling {
  /** Factor of queries and keys. */
  readonly magnitude: number;
  /** Maximum positions for which the record is valid; undefined: no limit. */
  readonly limit?: number;
}

export interface LinearScaling extends Scaling {
  readonly type: 'linear';
  readonly factor: number;
}

export interface YarnScaling extends Scaling {
  readonly type: 'yarn';
  readonly factor: number;
  /** Original maximum positions, before scaling. */
  readonly original: number;
  readonly betaFast: number;
  readonly betaSlow: number;
  /** True if the bounds of the ramp are rounded to whole pairs. */
  readonly truncate: boolean;
}

export interface Llama3Scaling extends Scaling {
  readonly type: 'llama3';
  readonly factor: number;
  readonly original: number;
  readonly lowFactor: number;
  readonly highFactor: number;
}

export interface LongRopeScaling extends Scaling {
  readonly type: 'longrope';
  readonly original: number;
  /** Divisors of the frequencies for sequences of at most `original` positions, and for longer ones. */
  readonly short: readonly number[];
  readonly long: readonly number[];
}

/** Only the first pairs are turned (Gemma 4). */
export interface ProportionalScaling extends Scaling {
  readonly type: 'proportional';
  readonly pairs: number;
}

export const NO_SCALING: RopeScaling = { type: 'linear', factor: 1, magnitude: 1 };

/** Frequency of each pair of columns, in radians per position. @param dimensions number of rotated columns of a head */
export function scaledFrequencies(scaling: RopeScaling, base: number, dimensions: number): Float64Array {
  const plain = Float64Array.from({ length: dimensions >> 1 }, (_, i) => base ** ((-2 * i) / dimensions));
  switch (scaling.type) {
    case 'linear':
      return plain.map((frequency) => frequency / scaling.factor);
    case 'yarn':
      return yarn(plain, scaling, base, dimensions);
    case 'llama3':
      return llama3(plain, scaling);
    case 'longrope':
      return plain.map((frequency, i) => frequency / scaling.short[i]);
    case 'proportional':
      return plain.map((frequency, i) => (i < scaling.pairs ? frequency : 0));
  }
}

function yarn(plain: Float64Array, scaling: YarnScaling, base: number, dimensions: number): Float64Array {
  const { factor, original, betaFast, betaSlow, truncate } = scaling;
  const pairAt = (turns: number): number =>
    (dimensions * Math.log(original / (turns * 2 * Math.PI))) / (2 * Math.log(base));
  const [first, last] = [pairAt(betaFast), pairAt(betaSlow)];
  const from = Math.max(0, truncate ? Math.floor(first) : first);
  const to = Math.min(dimensions - 1, truncate ? Math.ceil(last) : last);
  return plain.map((frequency, i) => {
    const kept = 1 - Math.min(1, Math.max(0, (i - from) / Math.max(0.001, to - from)));
    return (frequency / factor) * (1 - kept) + frequency * kept;
  });
}

function llama3(plain: Float64Array, { factor, original, lowFactor, highFactor }: Llama3Scaling): Float64Array {
  return plain.map((frequency) => {
    const turns = (original * frequency) / (2 * Math.PI);
    if (turns < lowFactor) return frequency / factor;
    if (turns > highFactor) return frequency;
    const smooth = (turns - lowFactor) / (highFactor - lowFactor);
    return ((1 - smooth) * frequency) / factor + smooth * frequency;
  });
}

/** YaRN's magnitude for a factor; 1 for factors up to 1. */
export const yarnMagnitude = (factor: number, multiplier = 1): number =>
  factor <= 1 ? 1 : 0.1 * multiplier * Math.log(factor) + 1;

/** Reads the keys `rope.scaling.*` of a GGUF file, with llama.cpp's defaults. @param yarnKeys true if the architecture reads `yarn_*` */
export function ggufScaling(metadata: Metadata, yarnKeys: boolean): RopeScaling {
  const type = metadata.text('rope.scaling.type', 'linear');
  if (!types.includes(type)) throw new UnsupportedError(`${metadata.file}: rope scaling`, type, types);
  // 0 means no scaling; the older key is rope.scale_linear
  const stated = metadata.number('rope.scaling.factor', metadata.number('rope.scale_linear', 0));
  const factor = type === 'none' || stated === 0 ? 1 : stated;
  const magnitude = metadata.number('rope.scaling.attn_factor', 1);
  if (type !== 'yarn') return { type: 'linear', factor, magnitude };
  const multiplier = yarnKeys ? metadata.number('rope.scaling.yarn_log_multiplier', 0) : 0;
  const own = multiplier === 0 || multiplier === 1 ? 1 : yarnMagnitude(factor) / yarnMagnitude(factor, multiplier);
  return {
    type,
    factor,
    original: originalContext(metadata),
    betaFast: yarnKeys ? metadata.number('rope.scaling.yarn_beta_fast', 32) : 32,
    betaSlow: yarnKeys ? metadata.number('rope.scaling.yarn_beta_slow', 1) : 1,
    truncate: true,
    magnitude: magnitude * (multiplier === 0 ? yarnMagnitude(factor) : own),
  };
}

const types = ['none', 'linear', 'yarn', 'longrope'];

/** Original maximum positions, before scaling. 0 in the file means the context length. */
export function originalContext(metadata: Metadata): number {
  const context = metadata.count('context_length');
  return metadata.count('rope.scaling.original_context_length', context, 0) || context;
}
