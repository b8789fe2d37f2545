/** Limits that applications set, and the checks of them. */
import { checkOptions, numberAbove, oneOf, type Rules } from '../runtime/checkOptions.ts';

export interface AdaptLimits {
  /**
   * 'speed': as fast as heat and limits allow. 'battery': the plan with the least energy per token, and less power.
   * 'balanced': speed while the device is charged or its battery is full enough, then battery. Default 'balanced'.
   */
  readonly prefer?: 'speed' | 'balanced' | 'battery';
  /** Milliseconds in which 95% of the tokens shall come. Default: none. */
  readonly deadlineMs?: number;
  /** Mean power of the computation in watts. An estimate where the device has no counter. Default: none. */
  readonly maxWatts?: number;
  /**
   * Degrees Celsius of the sensor that `espalier device` shows. Without a readable thermometer, as in browsers and most VMs, it cannot be
   * kept, and `why` says so. Default: the limit that the device names.
   */
  readonly maxTemperature?: number;
  /**
   * Tokens per second that battery, load and visibility do not go below. Heat, `maxWatts` and `maxTemperature` do; where the whole model does
   * not reach it within them, a smaller submodel runs (`model.submodels`). Default: none.
   */
  readonly floor?: number;
}

const rules: Rules<AdaptLimits> = {
  prefer: oneOf(['speed', 'balanced', 'battery']),
  deadlineMs: numberAbove(0, 1e6),
  maxWatts: numberAbove(0, 1e4),
  maxTemperature: numberAbove(0, 150),
  floor: numberAbove(0, 1e6),
};

/**
 * A floor and a deadline never contradict each other: both ask for fast tokens, one on average, the other for 95% of them.
 * @throws {OptionError} for an unknown name or a value out of range
 */
export function checkLimits(limits: AdaptLimits): void {
  checkOptions(limits, rules);
}
