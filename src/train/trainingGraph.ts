/** Adds a training step to a model's graph: loss, gradients and weight updates. */
import { gradients, trainableWeights } from '../graph/gradients.ts';
import type { Graph, Value, WeightAttributes } from '../graph/graph.ts';
import { adamW, adamWSettings } from '../graph/ops/adamW.ts';
import { add } from '../graph/ops/add.ts';
import { after } from '../graph/ops/after.ts';
import { clip } from '../graph/ops/clip.ts';
import { columns } from '../graph/ops/columns.ts';
import { crossEntropy } from '../graph/ops/crossEntropy.ts';
import { input } from '../graph/ops/input.ts';
import { type KlDivergenceAttributes, klDivergence } from '../graph/ops/klDivergence.ts';
import { scale } from '../graph/ops/scale.ts';
import { squareSum } from '../graph/ops/squareSum.ts';
import { state } from '../graph/ops/state.ts';
import { weightedSum } from '../graph/ops/weightedSum.ts';

/** Names of the graph's inputs. */
export const inputs = {
  /** [R, 1] target ids. A negative id excludes the row. */
  targets: 'targets',
  /** [R, 1] weight of each row's loss. */
  weights: 'weights',
  /** [R, V] teacher's logits. */
  teacher: 'teacher',
  /** [1, 7] optimizer settings, see adamW. */
  settings: 'settings',
} as const;

/** Names of the outputs of a training step, [1, 1] each, in order of computation. Each one includes the work of those before. */
export const outputs = {
  /** Cross-entropy loss on the text. */
  text: 'text loss',
  /** Training loss: with distillation, a mixture of cross-entropy and KL divergence. */
  loss: 'loss',
  /** Squared norm of the gradients. Asking for it accumulates the gradients. */
  squares: 'squared gradient norm',
  /** Learning rate. Asking for it updates the weights. */
  update: 'update',
} as const;

export interface DistillationLoss extends KlDivergenceAttributes {
  /** Weight of the cross-entropy loss, 0 … 1. */
  readonly hardLabels: number;
}

export interface TrainingStepOptions {
  /** Selects the weights to train. Default: all that have a gradient. */
  readonly isTrained?: (tensor: string) => boolean;
  /** Maximum gradient norm. 0: no limit. */
  readonly clip: number;
  /** Recomputes the activations inside blocks during the backward pass, to save memory. */
  readonly activationCheckpointing: boolean;
  /** Undefined: the loss is the cross-entropy on the text. */
  readonly distillation?: DistillationLoss;
  /** Loss of each row [R, 1], in place of all others. */
  readonly rowLoss?: (graph: Graph) => Value;
}

/** Names of the states with AdamW's moments of a weight. */
export const momentNames = (tensor: string) => ({ m: `adam.m/${tensor}`, v: `adam.v/${tensor}` });

/**
 * Adds a training step to a model's graph. Of the model's outputs only 'logits' is kept.
 * @returns the trained weights
 */
export function addTrainingStep(graph: Graph, options: TrainingStepOptions): Value<WeightAttributes>[] {
  const logits = graph.outputs.get('logits')!;
  const { text, loss } = options.rowLoss ? onlyLoss(options.rowLoss(graph)) : addLosses(logits, options.distillation);
  const { isTrained = () => true } = options;
  const weights = trainableWeights(loss).filter(({ attributes }) => isTrained(attributes.tensor));
  const accumulators = new Map<Value, Value>(
    weights.map((weight) => [weight, stateLike(weight, `gradient/${weight.label}`)]),
  );
  const checkpoint = options.activationCheckpointing ? isKept : undefined;
  const sums = gradients(loss, weights, { accumulators, checkpoint });
  const squares = squareSum([...sums.values()]);
  const settings = input(graph, inputs.settings, 1, adamWSettings.length, 'f32');
  const factor = clip(squares, options.clip > 0 ? options.clip : Number.POSITIVE_INFINITY);
  const updates = weights.map((weight) => {
    const names = momentNames(weight.attributes.tensor);
    const [m, v] = [stateLike(weight, names.m), stateLike(weight, names.v)];
    const decays = Number(weight.shape[0]) > 1;
    return adamW({ weight, gradient: sums.get(weight)!, m, v, settings, factor }, { decays }, `${weight.label}.adamW`);
  });
  graph.outputs.clear();
  graph.exits.clear();
  graph.outputs.set('logits', logits);
  graph.outputs.set(outputs.text, text);
  graph.outputs.set(outputs.loss, loss);
  graph.outputs.set(outputs.squares, squares);
  graph.outputs.set(outputs.update, after(columns(settings, 0, 1), updates));
  return weights;
}

function addLosses(
  logits: Value,
  distillation: DistillationLoss | undefined,
): { readonly text: Value; readonly loss: Value } {
  const { graph, shape } = logits;
  const weights = input(graph, inputs.weights, 'R', 1, 'f32');
  const textLoss = crossEntropy(logits, input(graph, inputs.targets, 'R', 1, 'i32'));
  const text = weightedSum(textLoss, weights, outputs.text);
  if (!distillation) return { text, loss: text };
  const { hardLabels, temperature, reverse } = distillation;
  const teacher = input(graph, inputs.teacher, 'R', shape[1], 'f32');
  const teacherLoss = scale(klDivergence(logits, teacher, { temperature, reverse }), 1 - hardLabels);
  const rows = hardLabels === 0 ? teacherLoss : add(teacherLoss, scale(textLoss, hardLabels));
  return { text, loss: weightedSum(rows, weights, outputs.loss) };
}

function onlyLoss(rows: Value): { readonly text: Value; readonly loss: Value } {
  const loss = weightedSum(rows, input(rows.graph, inputs.weights, 'R', 1, 'f32'), outputs.loss);
  return { text: loss, loss };
}

function stateLike({ graph, shape }: Value, name: string): Value {
  return state(graph, name, Number(shape[0]), shape[1]);
}

/** Keeps the residual stream between the branches of a block, and everything outside the blocks. */
function isKept({ label }: Value): boolean {
  return !label.startsWith('blk.') || label.endsWith('_residual');
}
