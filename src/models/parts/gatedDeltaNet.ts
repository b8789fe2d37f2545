/**
 * Gated delta net, the linear attention of Qwen 3 Next and Qwen 3.5 (Yang et al. 2024): a short convolution of queries, keys and
 * values, then the gated delta rule; its result is normed per head and gated.
 */
import { FormatError, UnsupportedError } from '../../core/errors.ts';
import type { Value } from '../../graph/graph.ts';
import { activation } from '../../graph/ops/activation.ts';
import { columns } from '../../graph/ops/columns.ts';
import { type DeltaRuleAttributes, deltaRule } from '../../graph/ops/deltaRule.ts';
import { gain } from '../../graph/ops/gain.ts';
import { multiply } from '../../graph/ops/multiply.ts';
import { rmsNorm } from '../../graph/ops/rmsNorm.ts';
import { shortConv } from '../../graph/ops/shortConv.ts';
import { MOST_HEAD_SIZE, MOST_HEADS, MOST_TAPS } from '../limits.ts';
import type { ModelBuilder } from '../modelBuilder.ts';
import { groupNorm } from './norms.ts';
import { type Projection, project } from './project.ts';
import { secondState } from './states.ts';

export interface DeltaNet {
  readonly keyHeads: number;
  readonly heads: number;
  readonly keySize: number;
  readonly valueSize: number;
  /** Tokens that the convolution sees. */
  readonly taps: number;
  /** Key head of each head, see {@link DeltaRuleAttributes}. */
  readonly order: DeltaRuleAttributes['order'];
  /** True if the matrices may have scales `<name>.scale` (NVFP4). */
  readonly scaled: boolean;
}

/** @throws {FormatError} if the sizes do not fit each other */
export function readDeltaNet(
  { metadata }: ModelBuilder,
  { order, scaled }: Pick<DeltaNet, 'order' | 'scaled'>,
): DeltaNet {
  const keyHeads = metadata.count('ssm.group_count', undefined, 1, MOST_HEADS);
  const heads = metadata.count('ssm.time_step_rank', undefined, 1, MOST_HEADS);
  const keySize = metadata.count('ssm.state_size', undefined, 1, MOST_HEAD_SIZE);
  const inner = metadata.count('ssm.inner_size', undefined, 1, MOST_HEADS * MOST_HEAD_SIZE);
  const fail = (problem: string): never => {
    throw new FormatError(metadata.file, problem, { heads, keyHeads, inner });
  };
  if (heads % keyHeads !== 0) fail(`${heads} heads of linear attention cannot share ${keyHeads} key heads evenly`);
  if (inner % heads !== 0) fail(`ssm.inner_size ${inner} is not a multiple of the ${heads} heads`);
  return {
    keyHeads,
    heads,
    keySize,
    valueSize: inner / heads,
    taps: metadata.count('ssm.conv_kernel', undefined, 2, MOST_TAPS),
    order,
    scaled,
  };
}

export function gatedDeltaNet(model: ModelBuilder, x: Value, layer: number, net: DeltaNet): Value {
  const { keyHeads, heads, keySize, valueSize, taps, order } = net;
  const block = `blk.${layer}`;
  const [keys, values] = [2 * keyHeads * keySize, heads * valueSize];
  const unbiased = matrixOf(net);
  refuseFused(model, block);
  const mixed = project(model, x, `${block}.attn_qkv`, keys + values, unbiased);
  const filters = model.weight(`${block}.ssm_conv1d.weight`, keys + values, taps);
  const filtered = shortConv(mixed, filters, { layer }, undefined, `${block}.ssm_conv1d`);
  const qkv = activation(filtered, 'silu', `${block}.ssm_conv1d.silu`);
  const [beta, alpha] = betaAndAlpha(model, x, block, net);
  const shift = model.weight(`${block}.ssm_dt.bias`, 1, heads);
  const shifted = gain(alpha, model.constantVector(1, 1), `${block}.ssm_dt`, { bias: shift });
  const rates = activation(shifted, 'softplus', `${block}.ssm_dt.softplus`);
  // transformers has a constant, llama.cpp the model's
  const epsilon = (model.fromFolder ? 1e-6 : model.metadata.number('attention.layer_norm_rms_epsilon')) / keySize;
  const mixture = deltaRule(
    // keys of length 1: a norm whose gain is 1/√S
    rmsNorm(
      columns(qkv, 0, keys, `${block}.linear_qk`),
      model.constantVector(1 / Math.sqrt(keySize), keySize),
      epsilon,
      `${block}.linear_qk_norm`,
    ),
    columns(qkv, keys, values, `${block}.linear_v`),
    gain(rates, model.weight(`${block}.ssm_a`, 1, heads), `${block}.decay`),
    activation(beta, 'sigmoid', `${block}.ssm_beta.sigmoid`),
    { layer: secondState(layer), keyHeads, order },
    `${block}.delta_rule`,
  );
  const normed = groupNorm(model, mixture, `${block}.ssm_norm`, valueSize, { kind: 'rms' });
  const z = project(model, x, `${block}.attn_gate`, values, unbiased);
  const gated = multiply(activation(z, 'silu', `${block}.attn_gate.silu`), normed, `${block}.linear_gated`);
  return project(model, gated, `${block}.ssm_out`, x.shape[1], unbiased);
}

const matrixOf = ({ scaled }: DeltaNet): Projection => ({ bias: false, ...(scaled ? { scaled: 'after bias' } : {}) });

/** Early files of Qwen 3 Next have one matrix of queries, keys, values and gates. @throws {UnsupportedError} */
function refuseFused(model: ModelBuilder, block: string): void {
  if (model.has(`${block}.attn_qkv.weight`) || !model.has(`${block}.ssm_in.weight`)) return;
  throw new UnsupportedError(`${model.metadata.file}: a file of an early converter with`, `${block}.ssm_in.weight`, [
    `${block}.attn_qkv.weight`,
  ]);
}

/** From two matrices, or one with [betas, alphas] of each key head. */
function betaAndAlpha(model: ModelBuilder, x: Value, block: string, net: DeltaNet): [Value, Value] {
  const { heads, keyHeads } = net;
  const unbiased = matrixOf(net);
  if (!model.has(`${block}.ssm_ba.weight`))
    return [
      project(model, x, `${block}.ssm_beta`, heads, unbiased),
      project(model, x, `${block}.ssm_alpha`, heads, unbiased),
    ];
  const both = project(model, x, `${block}.ssm_ba`, 2 * heads, unbiased);
  const each = heads / keyHeads;
  return [
    columns(both, 0, each, `${block}.ssm_beta`, keyHeads),
    columns(both, each, each, `${block}.ssm_alpha`, keyHeads),
  ];
}
