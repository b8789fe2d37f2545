/** Decides when the steps of a model run, on how many threads, and which submodel runs. The scheduler asks it before every step. */

/** A step that has run. */
export interface PacedStep {
  /** Tokens of all sequences. */
  readonly tokens: number;
  /** Rows whose logits were computed. */
  readonly rows: number;
  /** True if somebody waits for the tokens: at least one sequence generates. */
  readonly isDecoding: boolean;
  readonly seconds: number;
  /** Positions before the step, if one sequence ran alone through all layers. */
  readonly depth?: number;
}

export interface Pacer {
  /** Milliseconds to wait before the next step. It is asked again after that, or earlier; 0: the step runs now. */
  wait(): number;
  /** Maximum threads of a step of `tokens` tokens. Undefined: chosen by the backend. */
  threads(tokens: number): number | undefined;
  /** Name of the submodel that runs the next step. Undefined: the one that the application has chosen. */
  submodel?(): string | undefined;
  observe(step: PacedStep): void;
  /** Milliseconds of a clock that stands still while steps are held back. Default: `performance.now()`. */
  clock?(): number;
  /** Records that a stream has got `tokens` tokens at once, `seconds` of `clock` after it asked for them. */
  observeTokens?(tokens: number, seconds: number): void;
  /** Called when the model is disposed of. */
  dispose?(): void;
}
