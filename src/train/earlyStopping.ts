/** Decides when to stop a run that no longer improves. */
export interface Evaluation {
  /** Number of updates before the evaluation. */
  readonly step: number;
  /** Mean loss over the held-out texts, in nats. */
  readonly loss: number;
}

export interface EarlyStopping {
  /** Number of evaluations without an improvement after which training ends. */
  readonly patience: number;
  /** Minimum difference to the best loss so far that counts as an improvement. */
  readonly minimumImprovement: number;
}

/** Returns the evaluation with the lowest loss (the first of several), or undefined if there is none. */
export function bestOf(evaluations: readonly Evaluation[]): Evaluation | undefined {
  return evaluations.reduce<Evaluation | undefined>(
    (best, evaluation) => (best === undefined || evaluation.loss < best.loss ? evaluation : best),
    undefined,
  );
}

/** Returns true if training should end. @param evaluations all evaluations of the run, in order */
export function hasStopped(
  evaluations: readonly Evaluation[],
  { patience, minimumImprovement }: EarlyStopping,
): boolean {
  let best = Number.POSITIVE_INFINITY;
  let since = 0;
  for (const { loss } of evaluations) {
    if (loss < best - minimumImprovement) {
      best = loss;
      since = 0;
    } else since++;
  }
  return since >= patience;
}
