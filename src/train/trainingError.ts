/** Errors of a training run. */
import { EspalierError, grouped } from '../core/errors.ts';

/** The loss or the gradients have become NaN or infinite. */
export class DivergedError extends EspalierError {
  declare readonly code: 'TRAINING_DIVERGED';
  override readonly name = 'DivergedError';

  /** @param step the failed update, counted from 1 */
  constructor(step: number, found: { readonly loss: number; readonly gradientNorm: number }, learningRate: number) {
    const numbers = `the loss is ${found.loss} and the gradient norm is ${found.gradientNorm}`;
    const advice = 'lower optimizer.learningRate or set optimizer.clip, and check the data of this step';
    const kept = 'the last checkpoint is unchanged';
    super('TRAINING_DIVERGED', `in step ${grouped(step)} ${numbers}; ${kept}; ${advice}`, {
      step,
      loss: String(found.loss),
      gradientNorm: String(found.gradientNorm),
      learningRate,
    });
  }
}

/** A run cannot be resumed, or a new run would overwrite an existing one. */
export class ResumeError extends EspalierError {
  declare readonly code: 'CANNOT_RESUME';
  override readonly name = 'ResumeError';

  constructor(folder: string, problem: string, data: Readonly<Record<string, unknown>> = {}) {
    super('CANNOT_RESUME', `${folder}: ${problem}`, { folder, ...data });
  }
}
