/** The attention part of a block: projections, norms of heads, rotary embedding, attention, output projection. */
import { UnsupportedError } from '../../core/errors.ts';
import type { Value } from '../../graph/graph.ts';
import { activation } from '../../graph/ops/activation.ts';
import { attention } from '../../graph/ops/attention.ts';
import { clamp } from '../../graph/ops/clamp.ts';
import { columns } from '../../graph/ops/columns.ts';
import { gain } from '../../graph/ops/gain.ts';
import { multiply } from '../../graph/ops/multiply.ts';
import { positionScale } from '../../graph/ops/positionScale.ts';
import { scaleGroups } from '../../graph/ops/scaleGroups.ts';
import { type ModelBuilder, type Presence, presenceOf } from '../modelBuilder.ts';
import type { Dimensions } from './dimensions.ts';
import { groupNorm, type Norm, norm } from './norms.ts';
import { type Projection, project } from './project.ts';
import type { Rotary } from './rotary.ts';

/** Norms of queries and keys. */
export interface HeadNorm {
  /** Scope of the norm: a head, or all heads together (OLMo 2). 'eachHead': a head, with a separate gain per head. */
  readonly over: 'head' | 'all' | 'eachHead';
  readonly norm: Norm;
  readonly presence?: Presence;
  /** True if the norms come after the rotary embedding. */
  readonly afterRope?: boolean;
}

export interface Attention {
  /** Rotary embedding of a layer. Default: none. */
  readonly rotary?: (layer: number) => Rotary | undefined;
  /** Window of a layer in positions, including the token itself; 0: no window. Default: 0. */
  readonly window?: (layer: number) => number;
  /** Factor of q·k. Default: 1/sqrt(head size). */
  readonly scale?: number | ((layer: number) => number);
  /** Soft cap of the scores: cap·tanh(score/cap). 0: none. */
  readonly softcap?: number;
  /** Biases of the projections of queries, keys and values. Default: optional. */
  readonly bias?: Presence;
  /** False to ignore scales of the projections. Default: true. */
  readonly scaled?: boolean;
  /** Bias of the output projection. Default: optional. */
  readonly outputBias?: Presence;
  readonly headNorm?: HeadNorm;
  /** False: a token also attends to those behind it, as in encoders. Default: `attention.causal` of the file, otherwise true. */
  readonly causal?: boolean;
  /** Clamps queries, keys and values to −clamp … clamp. 0: no clamping. */
  readonly clamp?: number;
  /** True if the norms come before the clamping. */
  readonly clampAfterNorm?: boolean;
  /** Maximum exponent of ALiBi's slopes, usually 8 (Press et al. 2021). 0: no ALiBi. */
  readonly alibi?: number;
  /** Scales queries by the logarithm of their position (Llama 4, Ministral 3). */
  readonly temperature?: { readonly scale: number; readonly length: number };
  /**
   * Gated attention: its output is multiplied by sigmoid(attn_gate · x), which has a column per element, or per head. 'queries':
   * attn_q holds the queries and gates of each head, one after the other.
   */
  readonly gated?: boolean | 'heads' | 'queries';
  /** Name of a norm before the output projection. Default: none. */
  readonly outputNorm?: string;
  /** Presence of `attn_sinks`, see the op. Default: none. */
  readonly sinks?: Presence;
}

/** @param slot index of the layer's keys and values in the cache */
export function selfAttention(
  model: ModelBuilder,
  x: Value,
  layer: number,
  slot: number,
  dimensions: Dimensions,
  options: Attention,
): Value {
  const block = `blk.${layer}`;
  const { headSize, width } = dimensions;
  const [heads, kvHeads] = [dimensions.heads[layer], dimensions.kvHeads[layer]];
  const { clamp: limit = 0, headNorm, temperature } = options;
  const bias = presenceOf(model, 'attention.bias', options.bias);
  const outputBias = presenceOf(model, 'attention.output_bias', options.outputBias);
  const parts = projections(
    model,
    x,
    block,
    [options.gated === 'queries' ? 2 * heads : heads, kvHeads, kvHeads].map((count) => count * headSize),
    { bias, ...(options.scaled === false ? {} : { scaled: 'before bias' }) },
  );
  const both = parts[0];
  if (options.gated === 'queries') parts[0] = columns(both, 0, headSize, `${block}.queries`, heads);
  const clamped = (part: Value, i: number): Value =>
    limit > 0 ? clamp(part, limit, `${block}.clamp_${'qkv'[i]}`) : part;
  let [q, k, v] = (options.clampAfterNorm ? parts : parts.map(clamped)) as [Value, Value, Value];
  const normed = () => {
    if (!headNorm || !hasNorm(model, block, headNorm)) return;
    q = normOfHeads(model, q, `${block}.attn_q_norm`, heads, headSize, headNorm);
    k = normOfHeads(model, k, `${block}.attn_k_norm`, kvHeads, headSize, headNorm);
  };
  if (!headNorm?.afterRope) normed();
  if (options.clampAfterNorm) [q, k, v] = [q, k, v].map(clamped) as [Value, Value, Value];
  const rotary = options.rotary?.(layer);
  if (rotary) {
    q = rotary.apply(q, `${block}.rope_q`);
    k = rotary.apply(k, `${block}.rope_k`);
  }
  if (headNorm?.afterRope) normed();
  if (temperature) q = positionScale(q, temperature, `${block}.temperature`);
  const { scale = 1 / Math.sqrt(headSize), softcap = 0, alibi = 0 } = options;
  const window = options.window?.(layer) ?? 0;
  const causal = options.causal ?? causality(model, window);
  const attributes = {
    layer: slot,
    heads,
    kvHeads,
    headSize,
    scale: typeof scale === 'function' ? scale(layer) : scale,
    window,
    softcap,
    ...(alibi > 0 ? { alibi } : {}),
    ...(causal ? {} : { causal }),
  };
  const sinks = model.maybe(options.sinks ?? false, `${block}.attn_sinks.weight`, 1, heads);
  let mixed = attention(q, k, v, attributes, `${block}.attention`, sinks);
  if (options.gated === 'heads') {
    const gates = project(model, x, `${block}.attn_gate`, heads, { bias: false });
    mixed = scaleGroups(mixed, activation(gates, 'sigmoid', `${block}.attn_gate.sigmoid`), `${block}.attn_gated`);
  } else if (options.gated) {
    const gates =
      options.gated === 'queries'
        ? columns(both, headSize, headSize, `${block}.attn_gate`, heads)
        : project(model, x, `${block}.attn_gate`, heads * headSize, { bias: false });
    mixed = multiply(activation(gates, 'sigmoid', `${block}.attn_gate.sigmoid`), mixed, `${block}.attn_gated`);
  }
  if (options.outputNorm) mixed = norm(model, mixed, `${block}.${options.outputNorm}`, { kind: 'rms' });
  return project(model, mixed, `${block}.attn_output`, width, { bias: outputBias, scaled: 'before bias' });
}

/**
 * Causality of a decoder's file. Embedding models of decoder families have none.
 * @throws {UnsupportedError} for a window without causality, unless the architecture says how far it reaches
 */
function causality({ metadata }: ModelBuilder, window: number): boolean {
  const causal = metadata.flag('attention.causal', true);
  if (causal || window === 0) return causal;
  const what = `${metadata.file}: ${metadata.architecture}.attention.causal = false with a sliding window of`;
  throw new UnsupportedError(what, String(window));
}

/** False, the causality of encoders. @throws {UnsupportedError} if the file says otherwise */
export function neverCausal({ metadata }: ModelBuilder): false {
  if (!metadata.flag('attention.causal', false)) return false;
  throw new UnsupportedError(`${metadata.file}: ${metadata.architecture} with`, 'causal attention', [
    'attention to the whole text',
  ]);
}

/** Computes queries, keys and values from three matrices or a fused one. */
function projections(
  model: ModelBuilder,
  x: Value,
  block: string,
  widths: readonly number[],
  matrix: Projection,
): Value[] {
  const names = ['attn_q', 'attn_k', 'attn_v'];
  if (!model.has(`${block}.attn_qkv.weight`))
    return names.map((name, i) => project(model, x, `${block}.${name}`, widths[i], matrix));
  const fused = project(model, x, `${block}.attn_qkv`, widths[0] + widths[1] + widths[2], matrix);
  const starts = [0, widths[0], widths[0] + widths[1]];
  return names.map((name, i) => columns(fused, starts[i], widths[i], `${block}.${name}`));
}

function hasNorm(model: ModelBuilder, block: string, { presence = true, norm }: HeadNorm): boolean {
  return presence === 'optional' ? norm.gain === false || model.has(`${block}.attn_q_norm.weight`) : presence;
}

function normOfHeads(
  model: ModelBuilder,
  x: Value,
  name: string,
  heads: number,
  headSize: number,
  { over, norm }: HeadNorm,
): Value {
  if (over === 'all') return groupNorm(model, x, name, heads * headSize, norm);
  if (over === 'head') return groupNorm(model, x, name, headSize, norm);
  const plain = groupNorm(model, x, name, headSize, { ...norm, gain: false, bias: false });
  return gain(plain, model.weight(`${name}.weight`, heads, headSize), `${name}.gain`);
}
