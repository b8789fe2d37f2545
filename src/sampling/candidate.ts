/** A token that may come next. Lists of candidates are sorted: highest logit first, of equals the lowest id first. */
export interface Candidate {
  readonly id: number;
  readonly logit: number;
}

/** Whether a comes after b in a list of candidates. */
export function isWorse(a: Candidate, b: Candidate): boolean {
  return a.logit < b.logit || (a.logit === b.logit && a.id > b.id);
}
