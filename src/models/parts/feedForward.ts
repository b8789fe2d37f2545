/** The feed-forward part of a block. */
import type { Value } from '../../graph/graph.ts';
import { type ActivationKind, activation } from '../../graph/ops/activation.ts';
import { columns } from '../../graph/ops/columns.ts';
import { gain } from '../../graph/ops/gain.ts';
import { multiply } from '../../graph/ops/multiply.ts';
import { type ModelBuilder, type Presence, presenceOf } from '../modelBuilder.ts';
import { norm } from './norms.ts';
import { type Projection, project, projectSlabs } from './project.ts';

/** An activation: a kind of the op, or a custom function (which gets the layer, for parameters per layer). */
export type Activation = ActivationKind | ((x: Value, layer: number, label: string) => Value);

export interface FeedForward {
  readonly activation: Activation;
  /** True: down(f(gate(x)) · up(x)). False: down(f(up(x))). */
  readonly gated: boolean;
  /** Biases of all its matrices. */
  readonly bias?: Presence;
  /** True if the matrices may have scales, see {@link Projection}. */
  readonly scaled?: boolean;
  /** Presence of `ffn.act.scales`, which divides the columns of the activation. */
  readonly activationScales?: Presence;
  /** Name of a norm before the last matrix. Default: none. */
  readonly innerNorm?: string;
  /** Suffix of its tensors' names, e.g. '_shexp'. Default: ''. */
  readonly suffix?: string;
}

/** Applies an activation. */
export function activated(y: Value, layer: number, f: Activation, label: string): Value {
  return typeof f === 'function' ? f(y, layer, `${label}.activation`) : activation(y, f, `${label}.${f}`);
}

/** Gate and up may be stored as one matrix in ffn_up, the gate first. */
export function feedForward(
  model: ModelBuilder,
  x: Value,
  { layer, ffn }: { readonly layer: number; readonly ffn: number },
  options: FeedForward,
): Value {
  const { activation: f, gated, suffix = '' } = options;
  const bias = presenceOf(model, 'feed_forward.bias', options.bias ?? false);
  const matrix: Projection = { bias, ...(options.scaled ? { scaled: 'after bias' } : {}) };
  const block = `blk.${layer}`;
  const [gateName, upName] = [`${block}.ffn_gate${suffix}`, `${block}.ffn_up${suffix}`];
  const activate = (y: Value): Value => activated(y, layer, f, `${block}${suffix}`);
  const down = (y: Value): Value => {
    const neurons = model.masked(y);
    const inner = options.innerNorm ? norm(model, neurons, `${block}.${options.innerNorm}`, { kind: 'rms' }) : neurons;
    return projectSlabs(model, inner, `${block}.ffn_down${suffix}`, x.shape[1], matrix);
  };
  if (!gated) {
    const active = activate(project(model, x, upName, ffn, matrix));
    const scales = model.maybe(options.activationScales ?? false, `${block}.ffn.act.scales`, 1, ffn);
    return down(scales ? gain(active, scales, `${block}.activation_scales`, { inverse: true }) : active);
  }
  let gate: Value;
  let up: Value;
  if (model.has(`${gateName}.weight`)) {
    gate = project(model, x, gateName, ffn, matrix);
    up = project(model, x, upName, ffn, matrix);
  } else {
    const fused = project(model, x, upName, 2 * ffn, matrix);
    gate = columns(fused, 0, ffn, gateName);
    up = columns(fused, ffn, ffn, upName);
  }
  return down(multiply(activate(gate), up, `${block}.gated`));
}
