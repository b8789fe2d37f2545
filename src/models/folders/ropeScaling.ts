/**
 * Reads the rotary embedding from a config.json: from `rope_scaling` and related fields (transformers 4), or from
 * `rope_parameters` (transformers 5). Formulas and defaults are those of transformers 5's modeling_rope_utils.py.
 */
import { type LongRopeScaling, type RopeScaling, yarnMagnitude } from '../parts/ropeScaling.ts';
import { type Fields, type FolderConfig, isFields } from './config.ts';

export interface FolderRope {
  readonly base: number;
  /** Undefined without scaling. */
  readonly scaling: RopeScaling | undefined;
  /** Fraction of a head's columns that is rotated (partial rotary factor). */
  readonly partial: number;
}

export interface RopeOptions {
  readonly headSize: number;
  /** Base if the config has none. Default: 10000. */
  readonly base?: number;
  /** Another name of the field `rope_theta`. */
  readonly baseField?: string;
  /** Field with the partial rotary factor. */
  readonly partialField?: string;
  /** Partial rotary factor if the config has none. Default: 1. */
  readonly partial?: number;
  /** The family's other names for the type `longrope`. */
  readonly longrope?: readonly string[];
  /** Additional fields that the family's own code reads. */
  readonly ownFields?: readonly string[];
}

/** Fields of `rope_parameters` that are read for every type, or have no effect in a text model. */
const common = [
  'rope_type',
  'type',
  'rope_theta',
  'partial_rotary_factor',
  'mrope_section',
  'mrope_interleaved',
  'max_position_embeddings',
];

/** The record that applies to all layers. */
export function ropeOf(config: FolderConfig, options: RopeOptions): FolderRope {
  return ropeOfRecord(config, record(config), options);
}

/** Records by kind of layer: `full_attention` and `sliding_attention`. A record that is not nested applies to both. */
export function ropeByLayerType(config: FolderConfig, type: string, options: RopeOptions): FolderRope {
  const all = record(config);
  const nested = all[type];
  const isNested = 'full_attention' in all || 'sliding_attention' in all;
  return ropeOfRecord(config, isNested ? (isFields(nested) ? nested : {}) : all, options);
}

/** Returns the record. An empty `rope_scaling` counts as absent. */
function record(config: FolderConfig): Fields {
  const scaling = config.object('rope_scaling');
  const parameters = config.object('rope_parameters');
  return scaling && Object.keys(scaling).length > 0 ? scaling : (parameters ?? {});
}

export function ropeOfRecord(config: FolderConfig, fields: Fields, options: RopeOptions): FolderRope {
  const { partialField = 'partial_rotary_factor' } = options;
  // read all places, so that they count as read; the first one applies
  const bases = [
    numberIn(config, fields, 'rope_theta'),
    options.baseField === undefined ? undefined : config.number(options.baseField),
    config.number('rope_theta'),
  ];
  const partials = [numberIn(config, fields, 'partial_rotary_factor'), config.number(partialField)];
  const base = bases.find((value) => value !== undefined) ?? options.base ?? 10000;
  const partial = partials.find((value) => value !== undefined) ?? options.partial ?? 1;
  return { base, partial, scaling: scalingOf(config, fields, base, options) };
}

function scalingOf(
  config: FolderConfig,
  fields: Fields,
  base: number,
  { headSize, ownFields = [], longrope: names = [] }: RopeOptions,
): RopeScaling | undefined {
  const stated = fields.rope_type ?? fields.type ?? 'default';
  const type = names.includes(String(stated)) ? 'longrope' : stated;
  const known = typeof type === 'string' && Object.hasOwn(scalings, type) ? scalings[type] : undefined;
  if (!known) throw config.unsupported('rope_scaling of type', type, Object.keys(scalings));
  const unknown = Object.entries(fields).find(
    ([field, value]) =>
      value !== null && ![...common, ...known.fields, ...ownFields, ...passedOver].includes(field) && !isFields(value),
  );
  if (unknown) throw config.unsupported(`rope_scaling.${unknown[0]}`, unknown[1]);
  // has no effect without a scaling type that reads it
  config.value('original_max_position_embeddings');
  return known.read(new RopeFields(config, fields), base, headSize);
}

/** Fields that transformers ignores for types that do not define them. */
const passedOver = [
  'factor',
  'attention_factor',
  'original_max_position_embeddings',
  'beta_fast',
  'beta_slow',
  'low_freq_factor',
  'high_freq_factor',
  'mscale',
  'mscale_all_dim',
  'truncate',
  'short_factor',
  'long_factor',
  'finetuned',
];

interface Reader {
  /** Fields of the type, besides the common ones. */
  readonly fields: readonly string[];
  read(fields: RopeFields, base: number, headSize: number): RopeScaling | undefined;
}

class RopeFields {
  constructor(
    readonly config: FolderConfig,
    readonly values: Fields,
  ) {}

  number(field: string): number | undefined {
    return numberIn(this.config, this.values, field);
  }

  required(field: string): number {
    const value = this.number(field);
    if (value === undefined) throw this.config.wrong(`rope_scaling.${field}`, 'a number', value);
    return value;
  }

  list(field: string): number[] {
    const value = this.values[field];
    if (Array.isArray(value) && value.every((element) => typeof element === 'number')) return value;
    throw this.config.wrong(`rope_scaling.${field}`, 'a list of numbers', value);
  }

  /** Original maximum positions. The field outside of the record takes precedence. */
  original(): number {
    const outside = this.config.number('original_max_position_embeddings');
    return outside ?? this.number('original_max_position_embeddings') ?? this.config.count('max_position_embeddings');
  }

  /** Factor by which the context is extended. */
  stretch(original: number): number {
    return this.number('factor') ?? this.config.count('max_position_embeddings') / original;
  }
}

const scalings: Readonly<Record<string, Reader>> = {
  default: { fields: [], read: () => undefined },
  mrope: { fields: [], read: () => undefined },
  linear: {
    fields: ['factor'],
    read: (fields) => ({ type: 'linear', factor: fields.required('factor'), magnitude: 1 }),
  },
  // within the model's original context it equals the default
  dynamic: {
    fields: ['factor'],
    read: ({ config }) => ({ type: 'linear', factor: 1, magnitude: 1, limit: config.count('max_position_embeddings') }),
  },
  yarn: {
    fields: [
      'factor',
      'attention_factor',
      'beta_fast',
      'beta_slow',
      'mscale',
      'mscale_all_dim',
      'truncate',
      'original_max_position_embeddings',
    ],
    read: yarn,
  },
  llama3: {
    fields: ['factor', 'low_freq_factor', 'high_freq_factor', 'original_max_position_embeddings'],
    read: (fields) => ({
      type: 'llama3',
      factor: fields.required('factor'),
      original: fields.original(),
      lowFactor: fields.required('low_freq_factor'),
      highFactor: fields.required('high_freq_factor'),
      magnitude: 1,
    }),
  },
  longrope: {
    fields: [
      'factor',
      'attention_factor',
      'short_factor',
      'long_factor',
      'original_max_position_embeddings',
      'short_mscale',
      'long_mscale',
    ],
    read: longrope,
  },
};

function yarn(fields: RopeFields): RopeScaling {
  const original = fields.original();
  const factor = fields.stretch(original);
  const [own, all] = [fields.number('mscale'), fields.number('mscale_all_dim')];
  const magnitude = own && all ? yarnMagnitude(factor, own) / yarnMagnitude(factor, all) : yarnMagnitude(factor);
  return {
    type: 'yarn',
    factor,
    original,
    // 0 means the default, too
    betaFast: fields.number('beta_fast') || 32,
    betaSlow: fields.number('beta_slow') || 1,
    truncate: fields.values.truncate !== false,
    magnitude: fields.number('attention_factor') ?? magnitude,
  };
}

function longrope(fields: RopeFields, _base: number, _headSize: number): LongRopeScaling {
  const original = fields.original();
  const factor = fields.stretch(original);
  const magnitude = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original));
  for (const field of ['short_mscale', 'long_mscale']) {
    const value = fields.values[field];
    if (value !== undefined && value !== null) throw fields.config.unsupported(`rope_scaling.${field}`, value);
  }
  const [short, long] = [fields.list('short_factor'), fields.list('long_factor')];
  return { type: 'longrope', original, short, long, magnitude: fields.number('attention_factor') ?? magnitude };
}

function numberIn(config: FolderConfig, fields: Fields, field: string): number | undefined {
  const value = fields[field];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'number' || !Number.isFinite(value))
    throw config.wrong(`rope_scaling.${field}`, 'a number', value);
  return value;
}
