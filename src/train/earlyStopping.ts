/** When a run has stopped getting better. */
export interface Evaluation {
  /** Steps done. */
  readonly step: number;
  /** Mean loss over the held-out texts. */
  readonly loss: number;
}

export interface EarlyStopping {
  /** Evaluations without a better one after which training ends. */
  readonly patience: number;
  /** By how much a loss must be below the best before it to be better. */
  readonly minimumImprovement: number;
}

/** The evaluation of least loss, the first of equals; undefined where there is none. */
export function bestOf(evaluations: readonly Evaluation[]): Evaluation | undefined {
  return evaluations.reduce<Evaluation | undefined>(
    (best, evaluation) => (best === undefined || evaluation.loss < best.loss ? evaluation : best),
    undefined,
  );
}

/** Whether training should end. @param evaluations all so far, in order */
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
