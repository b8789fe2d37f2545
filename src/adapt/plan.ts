/** A way to run a model: what the governor chooses among. */
export interface Plan {
  /** Unique among the plans: '2 threads', '2 threads, 4 bits'. */
  readonly name: string;
  readonly threads: number;
  /** Submodel that runs, see `Model.submodels`. Undefined: the one that the application has chosen. */
  readonly submodel?: string;
  /** Quality of its text relative to the whole model, 0 … 1. */
  readonly quality: number;
  /** Seconds of a token on an idle, cool device. */
  readonly seconds: number;
  /** Power while it computes, in watts above the idle device. */
  readonly watts: number;
}

/** A decision of the governor: a plan, and the share of time in which it may compute. */
export interface Decision {
  readonly plan: Plan;
  /** 0 … 1. The rest of the time the threads sleep, between two tokens. */
  readonly duty: number;
  /** One sentence for people. */
  readonly why: string;
}
