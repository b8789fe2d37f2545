/** Says in one sentence why a decision is as it is, and which limits it does not keep. */
import { type Budget, inDigits } from './allowances.ts';
import { MIN_DUTY, type Rated, shareWithin } from './choosePlan.ts';
import type { EnergyEstimate } from './energy.ts';
import type { HeatState } from './heat.ts';
import type { AdaptLimits } from './limits.ts';
import type { Decision, LimitName } from './plan.ts';
import type { PowerState } from './power.ts';

/** Milliseconds after which a thermometer that says nothing counts as lost. */
const SILENCE = 30_000;
/** Rounding is no miss. */
const ROUNDING = 1e-6;

export interface Decided {
  readonly next: Rated;
  readonly rated: readonly Rated[];
  readonly duty: number;
  readonly at: number;
  readonly heat?: HeatState;
  readonly power?: PowerState;
  readonly budget: Budget;
  /** Watts of the plan that needs most. */
  readonly highest: number;
  /** Degrees Celsius that must not be exceeded; Infinity: none is known. */
  readonly hottest: number;
}

export function explain(decided: Decided, limits: AdaptLimits): Pick<Decision, 'why' | 'unmet'> {
  const { next, duty, budget } = decided;
  const how = `${next.plan.name}${duty < 0.995 ? `, ${(100 * duty).toFixed(0)}% of the time` : ''}`;
  const reasons = budget.any.share < 1 ? [budget.any.why] : [];
  if (budget.any.limit === 'maxWatts') reasons[0] += ` (${powerText(powerNow(decided))})`;
  const unmet: LimitName[] = [];
  for (const { name, problem, note } of [
    aboutTemperature(decided, limits),
    aboutWatts(decided, limits),
    aboutFloor(decided, limits),
    aboutDeadline(decided, limits),
  ]) {
    if (name) unmet.push(name);
    if (problem ?? note) reasons.push((problem ?? note)!);
  }
  return { why: `${how}: ${reasons.length > 0 ? reasons.join('; ') : 'nothing limits it'}`, unmet };
}

interface Finding {
  /** The limit, if it is not kept. */
  readonly name?: LimitName;
  readonly problem?: string;
  readonly note?: string;
}

/** Browsers and most VMs have no thermometer. */
function aboutTemperature({ heat, at, duty, hottest }: Decided, { maxTemperature }: AdaptLimits): Finding {
  if (maxTemperature !== undefined && (heat === undefined || at - heat.at > SILENCE))
    return {
      name: 'maxTemperature',
      problem: `maxTemperature of ${maxTemperature} °C cannot be kept: no thermometer is readable`,
    };
  return heat && heat.celsius > hottest && duty <= MIN_DUTY ? { name: 'maxTemperature' } : {};
}

function aboutWatts(decided: Decided, { maxWatts }: AdaptLimits): Finding {
  const { power, next, duty } = decided;
  if (maxWatts === undefined || duty > MIN_DUTY) return {};
  const least = MIN_DUTY * next.plan.power.value;
  if ((power?.allowed ?? maxWatts) >= least * (1 - ROUNDING) || (power && power.watts.value <= maxWatts)) return {};
  const left = powerText(powerNow(decided));
  return { name: 'maxWatts', problem: `maxWatts of ${maxWatts} W cannot be kept: the longest pauses leave ${left}` };
}

/** The measured power; without one, what the plan assumes of the computation. */
function powerNow({ power, next, duty }: Decided): EnergyEstimate {
  if (power) return power.watts;
  const { value, low, high, ...origin } = next.plan.power;
  return { value: duty * value, low: duty * low, high: duty * high, ...origin };
}

function powerText({ value, low, high, method, note }: EnergyEstimate): string {
  return `${inDigits(value)} W, between ${inDigits(low)} and ${inDigits(high)}; ${method}: ${note}`;
}

function aboutFloor(decided: Decided, { floor }: AdaptLimits): Finding {
  const { next, duty } = decided;
  const speed = (duty * next.burst) / next.seconds;
  if (floor === undefined || speed >= floor * (1 - ROUNDING)) return {};
  return {
    name: 'floor',
    problem: `${inDigits(speed)} tokens/s, less than the floor of ${floor}${givingWay(hardLimit(decided))}`,
  };
}

function aboutDeadline(decided: Decided, { deadlineMs, floor }: AdaptLimits): Finding {
  const { next, rated, duty } = decided;
  if (deadlineMs === undefined) return {};
  const inPractice = (1000 * next.almostAll) / duty;
  if (inPractice <= deadlineMs * (1 + ROUNDING))
    return { note: `95% of the tokens in ${inDigits(inPractice)} ms of ${deadlineMs}` };
  const pauses = duty < 1 ? ' with pauses' : '';
  if (rated.some(({ almostAll }) => 1000 * almostAll <= deadlineMs)) {
    const isSlow = 1000 * next.almostAll > deadlineMs;
    const cause = hardLimit(decided) ?? (isSlow && floor !== undefined ? 'the floor' : undefined);
    return {
      name: 'deadlineMs',
      problem: `95% of the tokens in ${inDigits(inPractice)} ms${pauses}, later than ${deadlineMs} ms${givingWay(cause)}`,
    };
  }
  const fastest = 1000 * Math.min(...rated.map(({ almostAll }) => almostAll));
  const paused = duty < 1 ? `, with pauses ${inDigits(fastest / duty)} ms` : '';
  return {
    name: 'deadlineMs',
    problem: `no plan meets ${deadlineMs} ms: the fastest takes ${inDigits(fastest)} ms${paused}`,
  };
}

/** What the pauses are for, if a hard limit requires them. */
function hardLimit({ next, budget: { hard }, highest, duty }: Decided): string | undefined {
  const share = Math.max(MIN_DUTY, shareWithin(next, hard.share * highest));
  if (share >= 1 || duty < share * (1 - ROUNDING)) return undefined;
  return hard.limit === 'maxTemperature' ? 'the temperature' : hard.limit;
}

const givingWay = (to: string | undefined): string => (to === undefined ? '' : `, as it gives way to ${to}`);
