/** Rotary position embedding of a model, from its metadata. */
import { FormatError, UnsupportedError } from '../../core/errors.ts';
import type { Value } from '../../graph/graph.ts';
import { type RopeAttributes, rope } from '../../graph/ops/rope.ts';
import type { ModelBuilder } from '../modelBuilder.ts';
import { ggufScaling, NO_SCALING, originalContext, type RopeScaling, scaledFrequencies } from './ropeScaling.ts';

export interface Rotary {
  /** Rotates queries or keys [T, H·K]. */
  apply(x: Value, label: string): Value;
}

export interface RotaryOptions {
  /** Pairing of the columns, see {@link RopeAttributes}. Folders have 'half', unless `folderLayout` is set. */
  readonly layout: RopeAttributes['layout'];
  readonly folderLayout?: RopeAttributes['layout'];
  /** True for layers with a sliding window, which have separate keys: rope.freq_base_swa. */
  readonly local?: boolean;
  /** True to ignore the file's scaling. */
  readonly unscaled?: boolean;
  /** Default base of the local layers. Default: that of the others. */
  readonly localBase?: number;
  /** True if scaling also applies to the local layers. */
  readonly localScaling?: boolean;
  /** True if the architecture reads the keys `rope.scaling.yarn_*`. */
  readonly yarnKeys?: boolean;
  /** Tables of frequency divisors that the file may contain: `rope_freqs`, or LongRoPE's two tables. */
  readonly tables?: 'frequencies' | 'longrope' | 'both' | 'none';
}

export function rotary(model: ModelBuilder, headSize: number, options: RotaryOptions): Rotary {
  const { metadata } = model;
  const { layout, folderLayout = 'half', local = false, tables = 'frequencies' } = options;
  const whole = metadata.count('rope.dimension_count', headSize, 0);
  const dimensions = local ? metadata.count('rope.dimension_count_swa', whole, 0) || whole : whole;
  if (dimensions > headSize) {
    const problem = `rope.dimension_count is ${dimensions}, expected at most the head size ${headSize}`;
    throw new FormatError(metadata.file, problem, { expected: headSize, found: dimensions });
  }
  const base = baseOf(model, options);
  const scaling = scalingOf(model, options);
  if (scaling.limit !== undefined && model.context > scaling.limit)
    throw new UnsupportedError(
      `${metadata.file}: dynamic rope scaling beyond ${scaling.limit} positions; a context of`,
      String(model.context),
    );
  if (scaling.type === 'longrope') checkTables(model, scaling, dimensions >> 1);
  const attributes: RopeAttributes = {
    headSize,
    layout: model.fromFolder ? folderLayout : layout,
    frequencies: Float32Array.from(scaledFrequencies(scaling, base, dimensions)),
    magnitude: scaling.magnitude,
    ...(scaling.type === 'longrope' ? { beyond: beyond(scaling, base, dimensions) } : {}),
  };
  const divisors = local || model.fromFolder ? undefined : factors(model, dimensions >> 1, tables);
  return { apply: (x, label) => (dimensions < 2 ? x : rope(x, attributes, divisors, label)) };
}

function baseOf({ metadata }: ModelBuilder, { local = false, localBase }: RotaryOptions): number {
  const base = metadata.number('rope.freq_base', 10000);
  return local ? metadata.number('rope.freq_base_swa', localBase ?? base) : base;
}

function scalingOf({ metadata, fromFolder }: ModelBuilder, options: RotaryOptions): RopeScaling {
  const { local = false, localScaling = false, yarnKeys = false, unscaled = false } = options;
  if (fromFolder) {
    const stated = metadata.value(local ? 'rope.local_scaling' : 'rope.scaling');
    return (stated as RopeScaling | undefined) ?? NO_SCALING;
  }
  const scaling = ggufScaling(metadata, yarnKeys);
  return unscaled || (local && !localScaling) ? NO_SCALING : scaling;
}

function checkTables(
  { metadata }: ModelBuilder,
  { short, long }: RopeScaling & { type: 'longrope' },
  pairs: number,
): void {
  for (const [name, table] of Object.entries({ short, long })) {
    if (table.length === pairs && table.every((factor) => factor > 0)) continue;
    const problem = `rope_scaling's ${name}_factor has ${table.length} numbers, expected ${pairs} above 0, one for each pair of columns that is turned`;
    throw new FormatError(metadata.file, problem, { expected: pairs, found: table.length });
  }
}

/** LongRoPE's second table, for steps beyond the original context. */
function beyond(
  scaling: RopeScaling & { type: 'longrope' },
  base: number,
  dimensions: number,
): RopeAttributes['beyond'] {
  const frequencies = scaledFrequencies({ ...scaling, short: scaling.long }, base, dimensions);
  return { length: scaling.original, frequencies: Float32Array.from(frequencies) };
}

/** Divisors of each frequency: Llama 3.1's `rope_freqs`, or LongRoPE's table for contexts within or beyond the original one. */
function factors(model: ModelBuilder, pairs: number, tables: RotaryOptions['tables']): Value | undefined {
  if (tables === 'none') return undefined;
  const isLong = model.metadata.text('rope.scaling.type', 'linear') === 'longrope';
  if (tables !== 'longrope' && !(tables === 'both' && isLong)) return model.optional('rope_freqs.weight', 1, pairs);
  const [short, long] = ['rope_factors_short.weight', 'rope_factors_long.weight'].map((name) =>
    model.optional(name, 1, pairs),
  );
  return model.context > originalContext(model.metadata) ? long : short;
}
