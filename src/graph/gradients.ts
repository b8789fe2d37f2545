/**
 * Reverse-mode differentiation (Linnainmaa 1970): walks the graph backwards from a loss and adds the nodes that compute its
 * gradients. The rule of each op is in gradients/.
 */
import { UnsupportedError } from '../core/errors.ts';
import { activation } from './gradients/activation.ts';
import { add } from './gradients/add.ts';
import { attention } from './gradients/attention.ts';
import { clamp } from './gradients/clamp.ts';
import { columns } from './gradients/columns.ts';
import { crossEntropy } from './gradients/crossEntropy.ts';
import { dropout } from './gradients/dropout.ts';
import { embed } from './gradients/embed.ts';
import { gain } from './gradients/gain.ts';
import { klDivergence } from './gradients/klDivergence.ts';
import { layerNorm } from './gradients/layerNorm.ts';
import { linear } from './gradients/linear.ts';
import { multiply } from './gradients/multiply.ts';
import { positionScale } from './gradients/positionScale.ts';
import { rmsNorm } from './gradients/rmsNorm.ts';
import { rope } from './gradients/rope.ts';
import type { GradientRule } from './gradients/rule.ts';
import { scale } from './gradients/scale.ts';
import { selectRows } from './gradients/selectRows.ts';
import { softcap } from './gradients/softcap.ts';
import { weightedSum } from './gradients/weightedSum.ts';
import { xielu } from './gradients/xielu.ts';
import { type Graph, GraphError, isWeight, type Value, type WeightAttributes } from './graph.ts';
import { accumulate } from './ops/accumulate.ts';
import { add as sum } from './ops/add.ts';
import { constant } from './ops/constant.ts';

// attributes are those of the node's op by construction, so each rule may read its own kind
const rules = {
  activation,
  add,
  attention,
  clamp,
  columns,
  crossEntropy,
  gain,
  klDivergence,
  dropout,
  embed,
  layerNorm,
  linear,
  multiply,
  positionScale,
  rmsNorm,
  rope,
  scale,
  selectRows,
  softcap,
  weightedSum,
  xielu,
} as Readonly<Record<string, unknown>> as Readonly<Record<string, GradientRule>>;

export interface GradientOptions {
  /**
   * States that accumulate the gradients, by value. Each partial gradient is added as soon as it is computed, so the
   * gradients of a whole model need no further memory. The returned gradient is then the last `accumulate` node.
   */
  readonly accumulators?: ReadonlyMap<Value, Value>;
  /**
   * Activation checkpointing (Chen et al. 2016): true for forward values to keep for the backward pass. The others are
   * recomputed from them. Default: keeps all.
   */
  readonly checkpoint?: (value: Value) => boolean;
}

/**
 * Adds the backward nodes of a loss.
 * @param loss [1, 1]
 * @param of F32 weights or other values that the loss depends on
 * @returns the gradient of each value in `of`, with the value's shape. Partial gradients are added in a fixed order
 * @throws {GraphError} if the loss is not a single number or does not depend on a value, or if an op has no gradient with
 *   respect to an input
 * @throws {UnsupportedError} if an op has no gradient rule
 */
export function gradients(loss: Value, of: readonly Value[], options: GradientOptions = {}): Map<Value, Value> {
  const { graph } = loss;
  if (loss.shape[0] !== 1 || loss.shape[1] !== 1)
    throw new GraphError('gradients', 'the loss is not a single number', [loss]);
  for (const value of of) {
    if (isWeight(value) && !isTrainable(value))
      throw new GraphError('gradients', `a weight in ${value.attributes.format.name} has no gradient`, [value]);
  }
  const requested = new Set(of);
  const forward = graph.live([loss]);
  const paths = new Set<Value>();
  for (const node of forward) if (requested.has(node) || node.inputs.some((input) => paths.has(input))) paths.add(node);
  for (const value of of)
    if (!paths.has(value)) throw new GraphError('gradients', 'the loss does not depend on a value', [loss, value]);

  const recompute = recomputation(graph, options.checkpoint);
  const found = new Map<Value, Value>([[loss, constant(graph, 1)]]);
  for (const node of forward.reverse()) {
    const dy = found.get(node);
    if (!paths.has(node) || !dy || !node.inputs.some((input) => paths.has(input))) continue;
    const rule = rules[node.op.name];
    if (!rule) throw new UnsupportedError('the gradient of op', node.op.name, Object.keys(rules));
    const parts = rule({ ...node, inputs: node.inputs.map(recompute) }, dy);
    node.inputs.forEach((input, i) => {
      if (!paths.has(input)) return;
      const part = parts[i];
      if (!part) throw new GraphError(node.op.name, `no gradient with respect to input ${i}`, node.inputs);
      const before = found.get(input);
      const state = options.accumulators?.get(input);
      if (state) found.set(input, accumulate(before ?? state, part(), `${input.label}.gradient`));
      else found.set(input, before ? sum(before, part(), `${input.label}.gradient`) : part());
    });
  }
  return new Map(of.map((value) => [value, found.get(value)!]));
}

/** F32 weights that the loss has gradients for, in graph order. Excludes inputs without a gradient, e.g. rope factors. */
export function trainableWeights(loss: Value): Value<WeightAttributes>[] {
  const forward = loss.graph.live([loss]);
  const reached = new Set([loss]);
  for (const node of forward.toReversed()) {
    if (!reached.has(node)) continue;
    rules[node.op.name]?.(node, node).forEach((part, i) => {
      if (part) reached.add(node.inputs[i]);
    });
  }
  return forward.filter(
    (node) => isWeight(node) && isTrainable(node) && reached.has(node),
  ) as Value<WeightAttributes>[];
}

const isTrainable = ({ attributes }: Value<WeightAttributes>): boolean => attributes.format.name === 'F32';

/** Returns a function that maps a forward value to itself if it is kept, else to a copy of its node, added on first use. */
function recomputation(graph: Graph, checkpoint: (value: Value) => boolean = () => true): (value: Value) => Value {
  const copies = new Map<Value, Value>();
  const recompute = (value: Value): Value => {
    if (value.inputs.length === 0 || checkpoint(value)) return value;
    let copy = copies.get(value);
    if (!copy) {
      copy = graph.add(value.op, value.inputs.map(recompute), value.attributes, `${value.label}.recomputed`);
      copies.set(value, copy);
    }
    return copy;
  };
  return recompute;
}
