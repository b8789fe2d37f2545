/** Limits that applications set, and the checks of them. */
import { checkOptions, numberAbove, oneOf, type Rules } from '../runtime/checkOptions.ts';

/** Where limits contradict each other, `maxTemperature` counts first, then `maxWatts`, `floor` and `deadlineMs`; `unmet` and `why` name what gives way. */
export interface AdaptLimits {
  /**
   * 'speed': as fast as heat and limits allow. 'battery': the plan with the least energy per token, and less power.
   * 'balanced': speed while the device is charged or its battery is full enough, then battery. Default 'balanced'.
   */
  readonly prefer?: 'speed' | 'balanced' | 'battery';
  /**
   * Milliseconds in which 95% of the tokens shall come: the time that a stream waits for its next tokens, pauses included. Battery, load and
   * visibility give way to it. Default: none.
   */
  readonly deadlineMs?: number;
  /**
   * Mean power in watts of what the device's energy counter or battery measures, the idle device included. Where neither is readable, of the
   * computation alone by assumed watts, and `why` says so. Default: none.
   */
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
 * Limits that contradict each other are no error: they have an order.
 * @throws {OptionError} for an unknown name or a value out of range
 */
export function checkLimits(limits: AdaptLimits): void {
  checkOptions(limits, rules);
}
