/**
 * Frequencies of rotary position embeddings, and scaling methods for longer contexts:
 * linear interpolation, Llama 3's, YaRN (Peng et al. 2023), LongRoPE's factor tables (Ding et al. 2024).
 */
import { FormatError, UnsupportedError } from '../../core/errors.ts';
import type { Value } from '../../graph/graph.ts';
import { type RopeAttributes, rope } from '../../graph/ops/rope.ts';
import type { ModelBuilder } from '../architecture.ts';

export interface Rotary {
  /** Rotates queries or keys [T, H·K]. */
  apply(x: Value, label: string): Value;
}

/**
 * Reads `rope.*` of the metadata.
 * @param layout pairing of the columns, see {@link RopeAttributes}
 * @param base frequency base if it differs from `rope.freq_base` (Gemma 3's local layers). Scaling then does not apply
 */
export function rotary(
  model: ModelBuilder,
  headSize: number,
  layout: RopeAttributes['layout'],
  local?: { readonly base: number },
): Rotary {
  const { metadata } = model;
  const dimensions = metadata.count('rope.dimension_count', headSize);
  if (dimensions > headSize) {
    const problem = `rope.dimension_count is ${dimensions}, expected at most the head size ${headSize}`;
    throw new FormatError(metadata.file, problem, { expected: headSize, found: dimensions });
  }
  const pairs = dimensions >> 1;
  const base = local?.base ?? metadata.number('rope.freq_base', 10000);
  const plain = Float64Array.from({ length: pairs }, (_, i) => base ** ((-2 * i) / dimensions));
  if (local) return turning({ headSize, layout, frequencies: Float32Array.from(plain), magnitude: 1 });

  const type = metadata.text('rope.scaling.type', 'none');
  const scaling = Object.hasOwn(scalings, type) ? scalings[type] : undefined;
  if (!scaling) throw new UnsupportedError(`${metadata.file}: rope scaling`, type, Object.keys(scalings));
  const { frequencies, magnitude } = scaling(plain, model, base, dimensions);
  const attributes = { headSize, layout, frequencies: Float32Array.from(frequencies), magnitude };
  return turning(attributes, factors(model, pairs));
}

function turning(attributes: RopeAttributes, divisors?: Value): Rotary {
  return { apply: (x, label) => rope(x, attributes, divisors, label) };
}

/** Divisor per pair: Llama 3.1's `rope_freqs`, or LongRoPE's table for short or long contexts. */
function factors(model: ModelBuilder, pairs: number): Value | undefined {
  const { metadata } = model;
  const original = metadata.count('rope.scaling.original_context_length', metadata.count('context_length', 2048));
  const long = model.context > original ? 'rope_factors_long.weight' : 'rope_factors_short.weight';
  return model.optional('rope_freqs.weight', 1, pairs) ?? model.optional(long, 1, pairs);
}

type Scaling = (
  frequencies: Float64Array,
  model: ModelBuilder,
  base: number,
  dimensions: number,
) => { frequencies: Float64Array; magnitude: number };

const attentionFactor = ({ metadata }: ModelBuilder): number => metadata.number('rope.scaling.attn_factor', 1);

const scalings: Readonly<Record<string, Scaling>> = {
  none: (frequencies, model) => ({ frequencies, magnitude: attentionFactor(model) }),
  longrope: (frequencies, model) => ({ frequencies, magnitude: attentionFactor(model) }),
  linear: (frequencies, model) => ({
    frequencies: frequencies.map((f) => f / model.metadata.number('rope.scaling.factor', 1)),
    magnitude: attentionFactor(model),
  }),
  // for config.json; GGUF files store Llama 3's scaling as divisors in rope_freqs
  llama3: (frequencies, { metadata }) => {
    const factor = metadata.number('rope.scaling.factor');
    const low = metadata.number('rope.scaling.low_freq_factor', 1);
    const high = metadata.number('rope.scaling.high_freq_factor', 4);
    const original = metadata.count('rope.scaling.original_context_length', 8192);
    const stretched = frequencies.map((f) => {
      const turns = (original * f) / (2 * Math.PI);
      if (turns < low) return f / factor;
      if (turns > high) return f;
      const smooth = (turns - low) / (high - low);
      return ((1 - smooth) * f) / factor + smooth * f;
    });
    return { frequencies: stretched, magnitude: 1 };
  },
  yarn: (frequencies, model, base, dimensions) => {
    const { metadata } = model;
    const factor = metadata.number('rope.scaling.factor', 1);
    const original = metadata.count('rope.scaling.original_context_length', 4096);
    const pairAt = (turns: number): number =>
      (dimensions * Math.log(original / (turns * 2 * Math.PI))) / (2 * Math.log(base));
    const from = Math.max(0, Math.floor(pairAt(metadata.number('rope.scaling.yarn_beta_fast', 32))));
    const to = Math.min(dimensions - 1, Math.ceil(pairAt(metadata.number('rope.scaling.yarn_beta_slow', 1))));
    const stretched = frequencies.map((f, i) => {
      const ramp = 1 - Math.min(1, Math.max(0, (i - from) / Math.max(0.001, to - from)));
      return (f / factor) * (1 - ramp) + f * ramp;
    });
    return { frequencies: stretched, magnitude: attentionFactor(model) * (1 + 0.1 * Math.log(factor)) };
  },
};
