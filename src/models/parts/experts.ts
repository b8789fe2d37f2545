/** A mixture of experts in place of a block's feed-forward part: a router chooses few of many feed-forward networks per token. */
import { UnsupportedError } from '../../core/errors.ts';
import type { Value } from '../../graph/graph.ts';
import { activation } from '../../graph/ops/activation.ts';
import { add } from '../../graph/ops/add.ts';
import { clamp } from '../../graph/ops/clamp.ts';
import { combine } from '../../graph/ops/combine.ts';
import { expertLinear } from '../../graph/ops/expertLinear.ts';
import { linear } from '../../graph/ops/linear.ts';
import { multiply } from '../../graph/ops/multiply.ts';
import { type Gating, route } from '../../graph/ops/route.ts';
import { scaleGroups } from '../../graph/ops/scaleGroups.ts';
import { MOST_EXPERTS } from '../limits.ts';
import type { ModelBuilder, Presence } from '../modelBuilder.ts';
import { type Activation, activated, feedForward } from './feedForward.ts';

/** Feed-forward networks of all experts: down(f(gate(x)) · up(x)). 'swigluOai' is the clamped activation of gpt-oss. */
export type ExpertActivation = Activation | 'swigluOai';

export interface Experts {
  readonly count: number;
  /** Number of experts per token. */
  readonly used: number;
  /** Width of an expert. */
  readonly ffn: number;
  readonly gating: Gating;
  /** True: weights of the chosen experts are divided by their sum. */
  readonly normalize: boolean;
  /** Factor of the weights. */
  readonly scale: number;
  readonly groups: number;
  readonly usedGroups: number;
  readonly activation: ExpertActivation;
  /** Biases of the router and of the experts' matrices. Default: none. */
  readonly bias?: Presence;
  /** A feed-forward part for all tokens, added to the experts' sum. */
  readonly shared?: SharedExpert;
  /** True if the experts' matrices may have factors `<name>.scale` (NVFP4). Others are ignored, as in llama.cpp. */
  readonly scaled?: boolean;
}

export interface SharedExpert {
  readonly ffn: number;
  /** True: multiplied by sigmoid of `ffn_gate_inp_shexp`. */
  readonly gated?: boolean;
  /** True for down(f(up(x))), without a gate matrix. */
  readonly plain?: boolean;
}

export interface ExpertOptions {
  readonly activation?: ExpertActivation;
  /** Default: what the file says, otherwise softmax. */
  readonly gating?: Gating;
  /** Default: what the file says. */
  readonly normalize?: boolean;
  /** Width of an expert. Default: expert_feed_forward_length. */
  readonly width?: number;
  /** Width of an expert if the file does not say. */
  readonly ffn?: number;
  readonly bias?: Presence;
  readonly shared?: SharedExpert;
  readonly scaled?: boolean;
}

const gatings: Readonly<Record<number, Gating>> = { 1: 'softmax', 2: 'sigmoid', 3: 'softmaxOfChosen' };

/** Reads the keys of a mixture. @returns undefined if the model has no experts */
export function readExperts(model: ModelBuilder, options: ExpertOptions = {}): Experts | undefined {
  const { metadata } = model;
  const count = metadata.count('expert_count', 0, 0, MOST_EXPERTS);
  if (count === 0) return undefined;
  const stated = metadata.count('expert_feed_forward_length', 0, 0);
  const ffn = options.width ?? (stated || options.ffn || 0);
  const gating = metadata.count('expert_gating_func', 0, 0);
  const groups = metadata.count('expert_group_count', 0, 0, count) || 1;
  return {
    count,
    used: metadata.count('expert_used_count', undefined, 1, count),
    ffn,
    gating: options.gating ?? gatingOf(model, gating),
    normalize: options.normalize ?? metadata.flag('expert_weights_norm', false),
    scale: metadata.number('expert_weights_scale', 0) || 1,
    groups,
    usedGroups: groups > 1 ? metadata.count('expert_group_used_count', undefined, 1, groups) : 1,
    activation: options.activation ?? 'silu',
    bias: options.bias,
    shared: options.shared,
    scaled: options.scaled,
  };
}

function gatingOf({ metadata }: ModelBuilder, stated: number): Gating {
  const known = gatings[stated === 0 ? 1 : stated];
  if (known) return known;
  throw new UnsupportedError(`${metadata.file}: expert_gating_func`, String(stated), Object.keys(gatings));
}

/** Width of the shared expert: the file's, otherwise that of so many experts. */
export function sharedWidth({ metadata }: ModelBuilder, ffn: number): number {
  const stated = metadata.count('expert_shared_feed_forward_length', 0, 0);
  return stated || ffn * metadata.count('expert_shared_count', 0, 0);
}

/** @param routed input of the router. Default: x */
export function mixture(model: ModelBuilder, x: Value, layer: number, experts: Experts, routed: Value = x): Value {
  const block = `blk.${layer}`;
  const { count, used, ffn, bias = false, shared } = experts;
  const width = x.shape[1];
  const router = model.weight(`${block}.ffn_gate_inp.weight`, count, width);
  const logits = linear(routed, router, model.maybe(bias, `${block}.ffn_gate_inp.bias`, 1, count), `${block}.router`);
  const routes = route(logits, model.optional(`${block}.exp_probs_b.bias`, 1, count), experts, `${block}.route`);
  const product = (from: Value, kind: string, outputs: number, inputs: number): Value => {
    const name = `${block}.ffn_${kind}_exps`;
    const matrix = model.weight(`${name}.weight`, count * outputs, inputs);
    if (model.factors(matrix)) throw new UnsupportedError(`${model.metadata.file}: an adapter of`, `${name}.weight`);
    const factors = experts.scaled ? model.optional(`${name}.scale`, 1, count) : undefined;
    return expertLinear(from, routes, matrix, count, name, {
      bias: model.maybe(bias, `${name}.bias`, count, outputs),
      factors,
    });
  };
  const up = product(x, 'up', ffn, width);
  const gate = model.has(`${block}.ffn_gate_exps.weight`) ? product(x, 'gate', ffn, width) : undefined;
  const hidden = hiddenOf(gate, up, layer, experts.activation, `${block}.experts`);
  const mixed = combine(product(hidden, 'down', width, ffn), routes, { groups: used, from: used }, `${block}.mixture`);
  return shared && shared.ffn > 0
    ? add(mixed, sharedOf(model, x, layer, experts, shared), `${block}.all_experts`)
    : mixed;
}

function hiddenOf(gate: Value | undefined, up: Value, layer: number, f: ExpertActivation, label: string): Value {
  if (f !== 'swigluOai') {
    return gate ? multiply(activated(gate, layer, f, label), up, `${label}.gated`) : activated(up, layer, f, label);
  }
  // min(g, 7) · sigmoid(1.702 · min(g, 7)) · (clamp(u, ±7) + 1)
  const capped = clamp(gate ?? up, SWIGLU_LIMIT, `${label}.gate_clamp`, -LARGEST);
  const active = activation(capped, 'quickGelu', `${label}.quickGelu`);
  return add(multiply(active, clamp(up, SWIGLU_LIMIT, `${label}.up_clamp`), `${label}.gated`), active, label);
}

const SWIGLU_LIMIT = 7;
/** Largest f32. */
const LARGEST = 3.4e38;

function sharedOf(
  model: ModelBuilder,
  x: Value,
  layer: number,
  { activation: f, scaled }: Experts,
  shared: SharedExpert,
): Value {
  const options = {
    activation: f === 'swigluOai' ? ('silu' as const) : f,
    gated: !shared.plain,
    suffix: '_shexp',
    scaled,
  };
  const y = feedForward(model, x, { layer, ffn: shared.ffn }, options);
  if (!shared.gated) return y;
  const name = `blk.${layer}.ffn_gate_inp_shexp`;
  const gate = linear(x, model.weight(`${name}.weight`, 1, x.shape[1]), undefined, name);
  return scaleGroups(y, activation(gate, 'sigmoid', `${name}.sigmoid`), `${name}.scaled`);
}
