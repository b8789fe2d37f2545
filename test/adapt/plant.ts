/**
 * A phone that gets warm: case and die as two thermal masses, a skin sensor with lag and steps, and firmware that throttles above a trip
 * temperature. The constants span what was published of phones and boards.
 */
export interface PlantOptions {
  /** Kelvins per watt between the case and the air. */
  readonly resistance: number;
  /** Seconds in which the case follows. */
  readonly timeConstant: number;
  readonly dieTimeConstant?: number;
  /** Kelvins per watt between the die and the case. */
  readonly dieResistance?: number;
  /** °C of the air. */
  readonly ambient: number;
  /** Seconds between the case and its sensor. */
  readonly lag?: number;
  /** Smallest step of the sensor in kelvins. */
  readonly step?: number;
  /** Above this the firmware lowers the clock, until the case is 2 K cooler. Default: never. */
  readonly trip?: number;
}

export class Plant {
  readonly #options: Required<PlantOptions>;
  #case: number;
  #die = 0;
  #sensor: number;
  #isThrottled = false;

  constructor(options: PlantOptions) {
    const defaults = { dieTimeConstant: 8, dieResistance: 3, lag: 2, step: 0.1, trip: Number.POSITIVE_INFINITY };
    this.#options = { ...defaults, ...options };
    this.#case = options.ambient;
    this.#sensor = options.ambient;
  }

  /** Temperature of the case, °C. */
  get celsius(): number {
    return this.#case;
  }

  get dieCelsius(): number {
    return this.#case + this.#die;
  }

  /** What the sensor says. */
  get sensor(): number {
    const { step } = this.#options;
    return Math.round(this.#sensor / step) * step;
  }

  /** Speed that the firmware leaves, 0 … 1. */
  get speed(): number {
    return this.#isThrottled ? THROTTLED_SPEED : 1;
  }

  /** Power in proportion to the unthrottled one: a token needs the same energy, as static power takes what a lower voltage saves. */
  get power(): number {
    return this.#isThrottled ? THROTTLED_POWER : 1;
  }

  /** Power that keeps the case at a temperature for ever. */
  sustainable(celsius: number): number {
    return Math.max(0, (celsius - this.#options.ambient) / this.#options.resistance);
  }

  advance(watts: number, seconds: number): void {
    const { resistance, timeConstant, dieResistance, dieTimeConstant, ambient, lag, trip } = this.#options;
    this.#case += (watts * resistance - (this.#case - ambient)) * (1 - Math.exp(-seconds / timeConstant));
    this.#die += (watts * dieResistance - this.#die) * (1 - Math.exp(-seconds / dieTimeConstant));
    this.#sensor += (this.#case - this.#sensor) * (lag > 0 ? 1 - Math.exp(-seconds / lag) : 1);
    if (this.#case > trip) this.#isThrottled = true;
    else if (this.#case < trip - HYSTERESIS) this.#isThrottled = false;
  }
}

const [THROTTLED_SPEED, THROTTLED_POWER, HYSTERESIS] = [0.3, 0.3, 2];
