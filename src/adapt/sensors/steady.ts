/** Keeps single wrong readings of a sensor from being believed. */
import type { Signals } from './signals.ts';

/** Readings whose median counts: one that jumps and comes back never shows. */
const READINGS = 3;
/** A value that did not come for this long (milliseconds) is unknown. */
const EXPIRY = 30_000;

/** Median of the last readings. */
export class Steady {
  readonly #readings: { readonly at: number; readonly value: number }[] = [];

  /** @param value undefined or not finite: the sensor said nothing @returns undefined if it has been silent for long */
  see(at: number, value: number | undefined): number | undefined {
    if (value !== undefined && Number.isFinite(value)) {
      this.#readings.push({ at, value });
      if (this.#readings.length > READINGS) this.#readings.shift();
    }
    while (this.#readings.length > 0 && at - this.#readings[0].at > EXPIRY) this.#readings.shift();
    if (this.#readings.length === 0) return undefined;
    // of two, the later: a jump at the start shows until the third reading
    if (this.#readings.length < READINGS) return this.#readings.at(-1)!.value;
    return this.#readings.map(({ value: each }) => each).sort((a, b) => a - b)[READINGS >> 1];
  }
}

/** Replaces the temperature and the battery's level by steady ones, and drops what is out of range. */
export class SteadySignals {
  readonly #celsius = new Steady();
  readonly #level = new Steady();

  see(signals: Signals): Signals {
    const { at, temperature, battery } = signals;
    const celsius = this.#celsius.see(at, within(temperature?.value.celsius, -40, 150));
    const level = this.#level.see(at, within(battery?.value.level, 0, 1));
    const limit = within(temperature?.value.limit, 1, 150);
    const watts = within(battery?.value.watts, 0, 1000);
    return {
      ...signals,
      temperature:
        temperature && celsius !== undefined
          ? { ...temperature, value: { celsius, ...(limit !== undefined && { limit }) } }
          : undefined,
      battery:
        battery && level !== undefined
          ? {
              ...battery,
              value: { level, isCharging: battery.value.isCharging, ...(watts !== undefined && { watts }) },
            }
          : undefined,
      stall: share(signals.stall),
      steal: share(signals.steal),
      throttled: share(signals.throttled),
      quota: signals.quota && signals.quota.value > 0 ? signals.quota : undefined,
      load: signals.load && within(signals.load.value, 0, 1e6) !== undefined ? signals.load : undefined,
    };
  }
}

function within(value: number | undefined, least: number, most: number): number | undefined {
  return value !== undefined && value >= least && value <= most ? value : undefined;
}

function share(signal: Signals['stall']): Signals['stall'] {
  return signal && within(signal.value, 0, 1) !== undefined ? signal : undefined;
}
