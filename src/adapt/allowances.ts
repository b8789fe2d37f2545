/** What each limiter allows: temperature, power, battery, visibility and other load. */
import type { HeatState } from './heat.ts';
import type { AdaptLimits } from './limits.ts';
import type { LimitName } from './plan.ts';
import type { PowerState } from './power.ts';
import type { Signals } from './sensors/signals.ts';

export interface Allowance {
  /** Share of the highest power, 0 … 1. */
  readonly share: number;
  readonly why: string;
  /** Limit that asks for it. It is hard: neither `floor` nor `deadlineMs` holds against it. Undefined: it gives way to both. */
  readonly limit?: LimitName;
}

const NOTHING: Allowance = { share: 1, why: '' };

/** The smallest share of all, and of the hard ones. */
export interface Budget {
  readonly any: Allowance;
  readonly hard: Allowance;
}

/** @param highest watts of the plan that needs most @param limit degrees Celsius that must not be exceeded; Infinity: none is known */
export function budgetOf(
  signals: Signals,
  limits: AdaptLimits,
  { heat, power }: { readonly heat?: HeatState; readonly power?: PowerState },
  highest: number,
  limit: number,
): Budget {
  const hard = [...ofHeat(heat, signals.at, limit), ...ofPower(power, limits, highest)];
  return { hard: smallest(hard), any: smallest([...hard, ...soft(signals, limits)]) };
}

function ofHeat(heat: HeatState | undefined, at: number, limit: number): Allowance[] {
  if (!heat) return [];
  const of = Number.isFinite(limit) ? ` of ${limit.toFixed(0)} °C` : '';
  const celsius = `${heat.celsius.toFixed(1)} °C`;
  const why = heat.at === at ? `${celsius}${of}` : `the last temperature, ${celsius}`;
  return [{ share: heat.budget, why, limit: 'maxTemperature' }];
}

function ofPower(power: PowerState | undefined, { maxWatts }: AdaptLimits, highest: number): Allowance[] {
  if (maxWatts === undefined) return [];
  const share = Math.min(1, (power?.allowed ?? maxWatts) / highest);
  return [{ share, why: `at most ${maxWatts} W`, limit: 'maxWatts' }];
}

function soft(
  { battery, lowPower, hidden, pressure }: Signals,
  { prefer = 'balanced' }: AdaptLimits,
): readonly Allowance[] {
  const found: Allowance[] = [];
  const add = (share: number, why: string) => found.push({ share, why });
  if (battery && !battery.value.isCharging && prefer !== 'speed') {
    const { level } = battery.value;
    const percent = `battery at ${(100 * level).toFixed(0)}%`;
    if (level >= 0 && level < 0.1) add(0.3, percent);
    else if (level >= 0 && level < 0.2) add(0.6, percent);
  }
  if (prefer === 'battery') add(0.6, 'energy before speed');
  if (lowPower?.value) add(0.6, 'low-power mode');
  if (hidden?.value) add(0.5, 'the page is hidden');
  // own work counts in it, so only the last state says that others suffer
  if (pressure?.value === 'critical') add(0.75, 'the processor is under critical pressure');
  return found;
}

function smallest(allowances: readonly Allowance[]): Allowance {
  return allowances.reduce((a, b) => (b.share < a.share ? b : a), NOTHING);
}

/** Three digits are enough for people. */
export const inDigits = (value: number): number => Number(value.toPrecision(3));
