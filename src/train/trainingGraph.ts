/** What learning adds to a model's graph: its loss, the gradients, the updates of the weights. */
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

/** Inputs of the graph. */
export const inputs = {
  /** [R, 1] ids; negative: the row does not count. */
  targets: 'targets',
  /** [R, 1] what each row's loss counts. */
  weights: 'weights',
  /** [R, V] a teacher's logits. */
  teacher: 'teacher',
  /** [1, 7] see adamW. */
  settings: 'settings',
} as const;

/** Outputs that learning adds, [1, 1] each, in the order of what they take to compute. */
export const outputs = {
  /** The loss on the text alone. */
  text: 'text loss',
  /** The loss that is learned. */
  loss: 'loss',
  /** The square of the gradients' norm; gradients are added up where it is asked for. */
  squares: 'squared gradient norm',
  /** The learning rate; the weights are updated where it is asked for. */
  update: 'update',
} as const;

export interface Distilling extends KlDivergenceAttributes {
  /** Share of the loss on the text. */
  readonly hardLabels: number;
}

export interface Learning {
  /** Names of the weights that learn; default: all that can. */
  readonly learns?: (tensor: string) => boolean;
  /** Greatest norm of the gradients; 0: no limit. */
  readonly clip: number;
  /** Whether activations of the blocks are computed again on the way back. */
  readonly activationCheckpointing: boolean;
  /** Absent: the loss is that on the text. */
  readonly distilling?: Distilling;
}

/** Of a weight: where AdamW keeps its moments. */
export const momentNames = (tensor: string) => ({ m: `adam.m/${tensor}`, v: `adam.v/${tensor}` });

/**
 * Adds them behind a model's nodes, whose outputs but for 'logits' go.
 * @returns the weights that learn
 */
export function addLearning(graph: Graph, options: Learning): Value<WeightAttributes>[] {
  const logits = graph.outputs.get('logits')!;
  const { text, loss } = addLosses(logits, options.distilling);
  const { learns = () => true } = options;
  const weights = trainableWeights(loss).filter(({ attributes }) => learns(attributes.tensor));
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
  graph.outputs.set('logits', logits);
  graph.outputs.set(outputs.text, text);
  graph.outputs.set(outputs.loss, loss);
  graph.outputs.set(outputs.squares, squares);
  graph.outputs.set(outputs.update, after(columns(settings, 0, 1), updates));
  return weights;
}

function addLosses(logits: Value, distilling: Distilling | undefined): { readonly text: Value; readonly loss: Value } {
  const { graph, shape } = logits;
  const weights = input(graph, inputs.weights, 'R', 1, 'f32');
  const ofText = crossEntropy(logits, input(graph, inputs.targets, 'R', 1, 'i32'));
  const text = weightedSum(ofText, weights, outputs.text);
  if (!distilling) return { text, loss: text };
  const { hardLabels, temperature, reverse } = distilling;
  const teacher = input(graph, inputs.teacher, 'R', shape[1], 'f32');
  const ofTeacher = scale(klDivergence(logits, teacher, { temperature, reverse }), 1 - hardLabels);
  const rows = hardLabels === 0 ? ofTeacher : add(ofTeacher, scale(ofText, hardLabels));
  return { text, loss: weightedSum(rows, weights, outputs.loss) };
}

function stateLike({ graph, shape }: Value, name: string): Value {
  return state(graph, name, Number(shape[0]), shape[1]);
}

/** What is between two branches, and everything outside the blocks. */
function isKept({ label }: Value): boolean {
  return !label.startsWith('blk.') || label.endsWith('_residual');
}
