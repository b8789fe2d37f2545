/** A candidate for the next token. Lists of candidates are sorted by descending logit; equal logits by ascending id. */
export interface Candidate {
  readonly id: number;
  readonly logit: number;
}

/** True if a comes after b in a list of candidates. */
export function isWorse(a: Candidate, b: Candidate): boolean {
  return a.logit < b.logit || (a.logit === b.logit && a.id > b.id);
}
