/** The classifier of rerankers and cross-encoders: an optional dense layer, then the output matrix. Output 'scores' [R, L]. */
import type { Value } from '../../graph/graph.ts';
import { type ActivationKind, activation } from '../../graph/ops/activation.ts';
import { input } from '../../graph/ops/input.ts';
import type { ModelBuilder } from '../modelBuilder.ts';
import { type Norm, norm } from './norms.ts';
import { project } from './project.ts';

/** Input [R, D] of classifiers that read the mean of all tokens: the pooled 'hidden' of each text. */
export const POOLED = 'pooled';

export interface Classifier {
  /** Activation of the dense layer `cls`. Default: tanh. */
  readonly activation?: ActivationKind;
  /** Norm `cls.norm` after the activation. Default: none. */
  readonly norm?: Norm;
  /** True if the classifier reads the mean of all tokens, from the input {@link POOLED}. Default: it reads one token. */
  readonly readsMean?: boolean;
}

/** Adds the classifier, if the model has one. @param hidden [R, D] */
export function classify(model: ModelBuilder, hidden: Value, options: Classifier = {}): void {
  const output = model.shapeOf('cls.output.weight');
  if (!output) return;
  const width = hidden.shape[1];
  let x: Value = options.readsMean ? input(model.graph, POOLED, 'R', width, 'f32') : hidden;
  if (model.has('cls.weight'))
    x = activation(project(model, x, 'cls', width), options.activation ?? 'tanh', 'cls.active');
  if (options.norm) x = norm(model, x, 'cls.norm', options.norm);
  model.graph.outputs.set('scores', project(model, x, 'cls.output', output.rows));
}
