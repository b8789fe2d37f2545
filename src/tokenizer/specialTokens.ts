/** The named special tokens of a vocabulary, as chat templates see them. */

/**
 * Texts of the named special tokens. A token that the vocabulary does not have has no entry, so that a template's
 * `bos_token is defined` is answered correctly.
 */
export interface SpecialTokens {
  readonly bos?: string;
  readonly eos?: string;
  readonly unk?: string;
  readonly sep?: string;
  readonly pad?: string;
  readonly cls?: string;
  readonly mask?: string;
  /** Further special tokens (`additional_special_tokens`). */
  readonly additional?: readonly string[];
}

/** Template variables: `bos_token`, `eos_token` … */
export function specialTokenVariables({ additional, ...named }: SpecialTokens): Record<string, unknown> {
  const present = Object.entries(named).filter(([, text]) => text !== undefined);
  const variables: Record<string, unknown> = Object.fromEntries(present.map(([name, text]) => [`${name}_token`, text]));
  if (additional && additional.length > 0) variables.additional_special_tokens = [...additional];
  return variables;
}
