/**
 * Mixers of Mamba (Gu, Dao 2023) and Mamba 2 (Dao, Gu 2024): a short convolution, then a selective scan whose rates, inputs and
 * outputs depend on the token; its result is gated.
 */
import { FormatError } from '../../core/errors.ts';
import type { Value } from '../../graph/graph.ts';
import { activation } from '../../graph/ops/activation.ts';
import { clamp } from '../../graph/ops/clamp.ts';
import { columns } from '../../graph/ops/columns.ts';
import { gain } from '../../graph/ops/gain.ts';
import { multiply } from '../../graph/ops/multiply.ts';
import { selectiveScan } from '../../graph/ops/selectiveScan.ts';
import { shortConv } from '../../graph/ops/shortConv.ts';
import { MOST_HEAD_SIZE, MOST_HEADS, MOST_TAPS } from '../limits.ts';
import type { ModelBuilder } from '../modelBuilder.ts';
import { groupNorm, type Norm, norm } from './norms.ts';
import { type Projection, project } from './project.ts';
import { secondState } from './states.ts';

/** Sizes of both kinds. */
export interface Mamba {
  /** Number of channels. */
  readonly inner: number;
  /** Numbers of the state per channel. */
  readonly stateSize: number;
  /** Heads of Mamba 2; width of the rates' projection in Mamba. */
  readonly rank: number;
  /** Groups of heads that share inputs and outputs of the state. Mamba has one. */
  readonly groups: number;
  /** Tokens that the convolution sees. */
  readonly taps: number;
  /** Epsilon of the norms. Some files have only the key of layer norms. */
  readonly epsilon: number;
}

const SCALED: Projection = { scaled: 'after bias' };
const RMS_EPSILON = 'attention.layer_norm_rms_epsilon';

export function readMamba({ metadata }: ModelBuilder): Mamba {
  const inner = metadata.count('ssm.inner_size', undefined, 1, MOST_HEADS * MOST_HEAD_SIZE);
  return {
    inner,
    stateSize: metadata.count('ssm.state_size', undefined, 1, MOST_HEAD_SIZE),
    rank: metadata.count('ssm.time_step_rank', undefined, 1, inner),
    groups: metadata.count('ssm.group_count', 1, 0, MOST_HEADS) || 1,
    taps: metadata.count('ssm.conv_kernel', undefined, 2, MOST_TAPS),
    epsilon: metadata.has(RMS_EPSILON) ? metadata.number(RMS_EPSILON) : metadata.number('attention.layer_norm_epsilon'),
  };
}

/** Mixer of Mamba. Every channel is a head. Jamba and Falcon Mamba have norms of rates, inputs and outputs. */
export function mamba(model: ModelBuilder, x: Value, layer: number, { inner, stateSize, rank, taps }: Mamba): Value {
  const block = `blk.${layer}`;
  const both = project(model, x, `${block}.ssm_in`, 2 * inner, SCALED);
  const mixed = convolved(model, columns(both, 0, inner, `${block}.ssm_x_in`), layer, taps);
  const shared = project(model, mixed, `${block}.ssm_x`, rank + 2 * stateSize, { bias: false });
  const [rates, b, c] = [
    ['dt', 0, rank],
    ['b', rank, stateSize],
    ['c', rank + stateSize, stateSize],
  ].map(([name, from, width]) => {
    const part = columns(shared, Number(from), Number(width), `${block}.ssm_${name}_in`);
    return normOfPart(model, part, `${block}.ssm_${name}_norm`);
  }) as [Value, Value, Value];
  const delta = activation(
    project(model, rates, `${block}.ssm_dt`, inner, { bias: true }),
    'softplus',
    `${block}.ssm_dt.softplus`,
  );
  const a = model.weight(`${block}.ssm_a`, inner, stateSize);
  const d = model.weight(`${block}.ssm_d`, 1, inner);
  const attributes = { layer: secondState(layer), groups: 1 };
  const y = selectiveScan({ x: mixed, delta, b, c, a, d }, attributes, `${block}.ssm_scan`);
  const gate = activation(columns(both, inner, inner, `${block}.ssm_z`), 'silu', `${block}.ssm_z.silu`);
  return project(model, multiply(gate, y, `${block}.ssm_gated`), `${block}.ssm_out`, x.shape[1], SCALED);
}

/** The file's norm, or Falcon Mamba's norm without gain. */
function normOfPart(model: ModelBuilder, part: Value, name: string): Value {
  if (model.has(`${name}.weight`)) return norm(model, part, name, { kind: 'rms' });
  if (!model.metadata.flag('ssm.dt_b_c_rms', false)) return part;
  const own: Norm = { kind: 'rms', gain: false };
  return norm(model, part, name, model.fromFolder ? { ...own, epsilon: model.metadata.number('ssm.epsilon') } : own);
}

function convolved(model: ModelBuilder, x: Value, layer: number, taps: number): Value {
  const name = `blk.${layer}.ssm_conv1d`;
  const filters = model.weight(`${name}.weight`, x.shape[1], taps);
  const bias = model.optional(`${name}.bias`, 1, x.shape[1]);
  return activation(shortConv(x, filters, { layer }, bias, name), 'silu', `${name}.silu`);
}

/** Mixer of Mamba 2. @throws {FormatError} if the sizes do not fit each other */
export function mamba2(model: ModelBuilder, x: Value, layer: number, sizes: Mamba): Value {
  const { inner, stateSize, rank: heads, groups, taps } = sizes;
  const { metadata } = model;
  if (inner % heads !== 0 || heads % groups !== 0) {
    const problem = `${inner} channels of Mamba 2 are not ${heads} heads in ${groups} groups`;
    throw new FormatError(metadata.file, problem, { inner, heads, groups });
  }
  const block = `blk.${layer}`;
  const shared = groups * stateSize;
  const all = project(model, x, `${block}.ssm_in`, 2 * inner + 2 * shared + heads, SCALED);
  const mixed = convolved(model, columns(all, inner, inner + 2 * shared, `${block}.ssm_xbc`), layer, taps);
  const part = (name: string, from: number, width: number) => columns(mixed, from, width, `${block}.ssm_${name}`);
  const rates = gain(
    columns(all, 2 * inner + 2 * shared, heads, `${block}.ssm_dt_in`),
    model.constantVector(1, 1),
    `${block}.ssm_dt`,
    { bias: model.weight(`${block}.ssm_dt.bias`, 1, heads) },
  );
  const perHead = (name: string) =>
    model.fromFolder ? model.weight(`${block}.${name}`, 1, heads) : model.weight(`${block}.${name}`, heads, 1);
  const inputs = {
    x: part('x', 0, inner),
    delta: limited(model, activation(rates, 'softplus', `${block}.ssm_dt.softplus`), `${block}.ssm_dt.clamp`),
    b: part('b', inner, shared),
    c: part('c', inner + shared, shared),
    a: perHead('ssm_a'),
    d: perHead('ssm_d'),
  };
  const y = selectiveScan(inputs, { layer: secondState(layer), groups }, `${block}.ssm_scan`);
  const gate = activation(columns(all, 0, inner, `${block}.ssm_z`), 'silu', `${block}.ssm_z.silu`);
  const gated = (value: Value) => multiply(gate, value, `${block}.ssm_gated`);
  const normed = (value: Value) => normOfGroups(model, value, `${block}.ssm_norm`, sizes);
  const normFirst = metadata.flag('ssm.norm_before_gate', false);
  return project(model, normFirst ? gated(normed(y)) : normed(gated(y)), `${block}.ssm_out`, x.shape[1], SCALED);
}

/** Limits of the rates. Only folders have them. */
function limited({ metadata }: ModelBuilder, delta: Value, label: string): Value {
  const [least, most] = [metadata.number('ssm.time_step_min', 0), metadata.number('ssm.time_step_max', LARGEST)];
  return least > 0 || most < LARGEST ? clamp(delta, most, label, least) : delta;
}

/** Largest f32. */
const LARGEST = 3.4e38;

/** Norm of each group of heads, with separate gains. Falcon H1 may have none. */
function normOfGroups(model: ModelBuilder, x: Value, name: string, { groups, epsilon }: Mamba): Value {
  if (!model.has(`${name}.weight`)) return x;
  const size = x.shape[1] / groups;
  const plain = groupNorm(model, x, name, size, { kind: 'rms', gain: false, epsilon });
  const gains = model.fromFolder
    ? model.weight(`${name}.weight`, 1, x.shape[1])
    : model.weight(`${name}.weight`, groups, size);
  return gain(plain, gains, `${name}.gain`);
}
