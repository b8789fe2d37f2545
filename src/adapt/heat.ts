/**
 * Turns a temperature into a budget of power, as Linux' power allocator does: proportional to the distance from the limit, and an
 * integral near it that learns what the device can get rid of. It looks a little ahead by the slope, and filters the sensor, because a
 * step of 1 K would make it cycle.
 */
export interface HeatState {
  /** Filtered temperature. */
  readonly celsius: number;
  /** Filtered kelvins per second. */
  readonly slope: number;
  /** Learned correction of the sustainable power, in shares of the highest power. */
  readonly integral: number;
  /** Last budget, in shares of the highest power. */
  readonly budget: number;
  readonly at: number;
}

/** Seconds of the filters of the temperature and of its slope. */
const [FILTER, SLOPE_FILTER] = [10, 20];
/** Seconds that the slope is followed into the future. */
const LEAD = 40;
/** Kelvins below the limit at which the budget begins to fall, and within which the integral works. */
const BAND = 8;
/** Kelvins below the limit that the controller aims at, because sensors lag. */
const MARGIN = 0.7;
/** Shares of the highest power per kelvin above the limit, and per kelvin and second of the integral. */
const [GAIN_ABOVE, GAIN_INTEGRAL] = [0.12, 0.0005];
/** Share of the highest power that a device is thought to sustain before it is known. */
const SUSTAINABLE = 0.5;
/** Longest time between two readings that the filters take at once, in seconds. */
const MAX_GAP = 5;

/** @param limit degrees Celsius @returns a state whose `budget` is a share of the highest power, 0 … 1 */
export function heatBudget(last: HeatState | undefined, celsius: number, limit: number, at: number): HeatState {
  const seconds = last ? Math.min(MAX_GAP, Math.max(0, (at - last.at) / 1000)) : 0;
  const follow = (time: number) => 1 - Math.exp(-seconds / time);
  const filtered = last ? last.celsius + follow(FILTER) * (celsius - last.celsius) : celsius;
  const slope =
    last && seconds > 0
      ? last.slope + follow(SLOPE_FILTER) * ((filtered - last.celsius) / seconds - last.slope)
      : (last?.slope ?? 0);
  const error = limit - MARGIN - (filtered + LEAD * slope);
  const before = last?.integral ?? 0;
  const proportional = error > 0 ? (SUSTAINABLE / BAND) * error : GAIN_ABOVE * error;
  const raw = SUSTAINABLE + before + proportional;
  // conditional integration: not while the budget is at its end anyway
  const isSaturated = (raw >= 1 && error > 0) || (raw <= 0 && error < 0);
  const step = isSaturated || Math.abs(error) > BAND ? 0 : GAIN_INTEGRAL * error * seconds;
  const integral = Math.min(SUSTAINABLE, Math.max(-SUSTAINABLE, before + step));
  return { celsius: filtered, slope, integral, budget: Math.min(1, Math.max(0, raw)), at };
}
