/** Runs a policy on a plant in simulated time. */
import type { EnergyEstimate } from '../../src/adapt/energy.ts';
import { decide, type GovernorState, startState } from '../../src/adapt/governor.ts';
import type { AdaptLimits } from '../../src/adapt/limits.ts';
import type { Decision, Plan } from '../../src/adapt/plan.ts';
import { Plant, type PlantOptions } from './plant.ts';

/** An exact power of a simulated device. */
export const watts = (value: number): EnergyEstimate => ({
  ...{ value, low: value, high: value },
  method: 'model',
  note: 'simulated',
});

/** Three ways to run a model on a phone. The fastest needs the most energy per token. */
export const phonePlans: readonly Plan[] = [
  { name: '1 thread', threads: 1, quality: 1, seconds: 0.1, power: watts(1.4) },
  { name: '2 threads', threads: 2, quality: 1, seconds: 0.058, power: watts(2.7) },
  { name: '4 threads', threads: 4, quality: 1, seconds: 0.04, power: watts(5) },
];

export interface Sample {
  readonly seconds: number;
  readonly celsius: number;
  readonly plan: string;
  readonly duty: number;
  readonly tokensPerSecond: number;
  readonly watts: number;
  readonly why: string;
}

/** Chooses once a second. */
export type Policy = (second: number, plant: Plant, lastTokenSeconds: number) => Decision;

/** The governor with the plant's sensor. */
export function governed(limits: AdaptLimits, plans: readonly Plan[] = phonePlans, limit?: number): Policy {
  let state: GovernorState = startState(0);
  return (second, plant, lastTokenSeconds) => {
    const signals = {
      at: second * 1000,
      temperature: { value: { celsius: plant.sensor, ...(limit !== undefined && { limit }) }, source: 'plant' },
      ...(state.plan !== undefined && { steps: { plan: state.plan, seconds: lastTokenSeconds, count: 8 } }),
    };
    const decision = decide(state, signals, limits, plans);
    state = decision.state;
    return decision;
  };
}

/** Always the same plan, as fast as the firmware allows. */
export const fixed =
  (plan: Plan, duty = 1): Policy =>
  () => ({ plan, duty, why: 'fixed', unmet: [] });

export function simulate(options: PlantOptions, policy: Policy, seconds: number): Sample[] {
  const plant = new Plant(options);
  const samples: Sample[] = [];
  let token = 0;
  for (let second = 0; second < seconds; second++) {
    const { plan, duty, why } = policy(second, plant, token);
    token = plan.seconds / plant.speed;
    const power = plan.power.value * duty * plant.power;
    samples.push({
      seconds: second,
      celsius: plant.celsius,
      plan: plan.name,
      duty,
      tokensPerSecond: duty / token,
      watts: power,
      why,
    });
    plant.advance(power, 1);
  }
  return samples;
}

/** Plans that followed a different one. */
export function changesOf(samples: readonly Sample[]): number {
  return samples.filter(({ plan }, i) => i > 0 && samples[i - 1].plan !== plan).length;
}

export const tokensOf = (samples: readonly Sample[]): number =>
  samples.reduce((sum, { tokensPerSecond }) => sum + tokensPerSecond, 0);
