/** A way to run a model: what the governor chooses among. */
import type { EnergyEstimate } from './energy.ts';

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
  /** Power while it computes, in watts above the idle device, with bounds and origin. */
  readonly power: EnergyEstimate;
}

/** Limits in the order in which they count: where two contradict each other, the later one gives way. */
export const limitNames = ['maxTemperature', 'maxWatts', 'floor', 'deadlineMs'] as const;
export type LimitName = (typeof limitNames)[number];

/** A decision of the governor: a plan, and the share of time in which it may compute. */
export interface Decision {
  readonly plan: Plan;
  /** Above 0, at most 1. The rest of the time the threads sleep, between two tokens. */
  readonly duty: number;
  /** One sentence for people. */
  readonly why: string;
  /** Limits that are not kept now: they give way to one before them, no plan reaches them, or no sensor shows whether they are kept. */
  readonly unmet: readonly LimitName[];
}
