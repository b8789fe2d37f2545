/** Why a run could not go on. */
import { EspalierError, grouped } from '../core/errors.ts';

/** The loss or its gradients are not numbers any more. */
export class DivergedError extends EspalierError {
  override readonly name = 'DivergedError';

  /** @param step the update that was to be made, counted from 1 */
  constructor(step: number, found: { readonly loss: number; readonly gradientNorm: number }, learningRate: number) {
    const numbers = `the loss is ${found.loss} and its gradients' norm ${found.gradientNorm}`;
    const advice = 'lower optimizer.learningRate, or set optimizer.clip, and look at what the data has there';
    const kept = 'the last checkpoint is as it was';
    super('TRAINING_DIVERGED', `in step ${grouped(step)} ${numbers}: ${kept}; ${advice}`, {
      step,
      loss: String(found.loss),
      gradientNorm: String(found.gradientNorm),
      learningRate,
    });
  }
}

/** A run cannot go on from where it was cut, or one is there already. */
export class ResumeError extends EspalierError {
  override readonly name = 'ResumeError';

  constructor(folder: string, problem: string, data: Readonly<Record<string, unknown>> = {}) {
    super('CANNOT_RESUME', `${folder}: ${problem}`, { folder, ...data });
  }
}
