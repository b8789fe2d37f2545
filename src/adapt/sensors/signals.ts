/** Signals of the device's sensors at one moment. A signal that a device or a platform does not have is undefined: unknown. */

/** A value, and where it comes from: a file, or the API of a browser. */
export interface Signal<T> {
  readonly value: T;
  /** 'thermal_zone2/temp (cpu-thermal)', 'navigator.getBattery()'. */
  readonly source: string;
}

export interface Temperature {
  readonly celsius: number;
  /** Where the device starts to slow itself down. Undefined: unknown. */
  readonly limit?: number;
}

export interface Battery {
  /** 0 … 1. */
  readonly level: number;
  readonly isCharging: boolean;
  /** Power that the battery delivers (not what it receives). Undefined: unknown. */
  readonly watts?: number;
}

export interface Energy {
  /** Joules since some moment in the past. It only increases. */
  readonly joules: number;
  /** Counters that were added up: 'package-0', 'dram'. */
  readonly domains: readonly string[];
}

/** The states of the Compute Pressure API, and of iOS and Android in the same order. */
export type Pressure = 'nominal' | 'fair' | 'serious' | 'critical';

export interface Signals {
  /** Milliseconds, of `performance.now()`. */
  readonly at: number;
  readonly temperature?: Signal<Temperature>;
  readonly battery?: Signal<Battery>;
  readonly energy?: Signal<Energy>;
  readonly pressure?: Signal<Pressure>;
  /** Share of time in which a task waited for a processor (PSI), 0 … 1. */
  readonly stall?: Signal<number>;
  /** Runnable tasks per processor, averaged over a minute. */
  readonly load?: Signal<number>;
  /** Share of time that the hypervisor gave to others, 0 … 1. */
  readonly steal?: Signal<number>;
  /** Share of periods in which the container's quota held it back, 0 … 1. */
  readonly throttled?: Signal<number>;
  /** Processors that the container may use. */
  readonly quota?: Signal<number>;
  /** Present clock by the highest possible one, 0 … 1. */
  readonly clock?: Signal<number>;
  /** Bytes that may still be allocated. */
  readonly freeMemory?: Signal<number>;
  /** Bytes of the device. Browsers round it. */
  readonly memory?: Signal<number>;
  /** True if the user asks to save energy. */
  readonly lowPower?: Signal<boolean>;
  /** True if the user asks to save data. */
  readonly saveData?: Signal<boolean>;
  /** True while the page is not visible. */
  readonly hidden?: Signal<boolean>;
}

/** Reads the signals of a device. Applications may bring their own, e.g. of a native shell. */
export interface Sensors {
  /** Never throws: what cannot be read is unknown. */
  read(): Promise<Signals>;
  /** Releases what observes the device. */
  close?(): void;
}
