/**
 * Keeps the mean power that is measured below `maxWatts`. The measurement includes the idle device, whose power no pause lowers, and no
 * plan knows. So the load that is allowed follows from the measured power in a closed loop, without a model of the device: a load that is
 * scaled by limit / power never goes below the one that meets the limit, because the idle part does not scale with it.
 */
import type { EnergyEstimate } from './energy.ts';

/** Power of the device between two decisions. */
export interface ObservedPower {
  /** Mean watts of the whole time, pauses and the idle device included. */
  readonly watts: EnergyEstimate;
  /** Mean watts that the plans assume of the steps in this time; without steps 0. */
  readonly load: number;
  /** Length of this time. */
  readonly seconds: number;
}

export interface PowerState {
  /** Mean load that is allowed, in the watts that plans assume. */
  readonly allowed: number;
  /** Measured watts, averaged over a few seconds. */
  readonly watts: EnergyEstimate;
}

/** Shares of a correction in each second. Rises are slower, because fuel gauges lag by seconds, and the limit is hard. */
const [FALL, RISE] = [0.3, 0.1];
/** Share of the newest second in the average that people read. */
const LATEST = 0.2;
/** A longer time between two readings counts as this many seconds. */
const MAX_GAP = 5;

/** @param range least and most load that can be allowed @returns the last state where the power makes no sense */
export function regulatePower(
  last: PowerState | undefined,
  { watts, load, seconds }: ObservedPower,
  maxWatts: number,
  [least, most]: readonly [least: number, most: number],
): PowerState | undefined {
  const { value } = watts;
  if (!(value > 0 && value < 1e6 && load >= 0 && load < 1e6 && seconds > 0)) return last;
  const elapsed = Math.min(MAX_GAP, seconds);
  const before = last?.allowed ?? maxWatts;
  const target = (load * maxWatts) / value;
  // with little work to do a power below the limit allows nothing less than before, and one above it nothing more
  const [wanted, speed] = value > maxWatts ? [Math.min(before, target), FALL] : [Math.max(before, target), RISE];
  const allowed = before + Math.min(1, speed * elapsed) * (wanted - before);
  const averaged = last ? mean(last.watts, watts, Math.min(1, LATEST * elapsed)) : watts;
  return { allowed: Math.min(most, Math.max(least, allowed)), watts: averaged };
}

function mean(before: EnergyEstimate, now: EnergyEstimate, share: number): EnergyEstimate {
  const mix = (end: 'value' | 'low' | 'high') => before[end] + share * (now[end] - before[end]);
  return { ...now, value: mix('value'), low: mix('low'), high: mix('high') };
}
