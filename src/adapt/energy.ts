/**
 * Energy per token, and how it is known. RAPL counts joules; a battery's watts times the time is an estimate; a model from time, bytes
 * and multiply-adds is a rough one. Every figure has a lower and an upper bound, and none is given where nothing is known.
 */
import type { Signals } from './sensors/signals.ts';

export type EnergyMethod = 'rapl' | 'battery' | 'model';

/** An energy in joules, or a power in watts. */
export interface EnergyEstimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly method: EnergyMethod;
  /** Text for people: which parts of the device are included, and which are not. */
  readonly note: string;
}

/** Work done between two readings of the sensors. */
export interface Interval {
  readonly before: Signals;
  readonly after: Signals;
  /** Watts of the same device without the work. Undefined: unknown, and then not subtracted. */
  readonly idleWatts?: number;
}

/** RAPL is within a few percent of a wall meter for what it covers (Khan et al. 2018). */
const RAPL_ERROR = 0.05;
/** Fuel gauges average over seconds, and their current is coarse. */
const BATTERY_ERROR = 0.3;

/**
 * Energy of an interval by the best method that the signals allow. @returns undefined if they allow none: use `modelledEnergy`
 */
export function measuredEnergy({ before, after, idleWatts }: Interval): EnergyEstimate | undefined {
  const seconds = (after.at - before.at) / 1000;
  if (!(seconds > 0)) return undefined;
  const idle = (idleWatts ?? 0) * seconds;
  const aboutIdle =
    idleWatts === undefined ? 'idle power included' : `idle power of ${idleWatts.toFixed(1)} W subtracted`;
  const [first, last] = [before.energy?.value, after.energy?.value];
  if (first && last && last.joules > first.joules) {
    const joules = last.joules - first.joules;
    return bounded(
      joules,
      idle,
      RAPL_ERROR,
      'rapl',
      `${last.domains.join(' + ')}; ${aboutIdle}; no screen, no power supply`,
    );
  }
  const watts = [before, after].flatMap(({ battery }) =>
    battery && !battery.value.isCharging && battery.value.watts !== undefined ? [battery.value.watts] : [],
  );
  if (watts.length < 2) return undefined;
  const joules = ((watts[0] + watts[1]) / 2) * seconds;
  return bounded(joules, idle, BATTERY_ERROR, 'battery', `whole device; ${aboutIdle}`);
}

/** Power that a battery's gauge reports, in watts. */
export function gaugePower(watts: number): EnergyEstimate {
  return bounded(watts, 0, BATTERY_ERROR, 'battery', 'whole device; idle power included');
}

function bounded(joules: number, idle: number, error: number, method: EnergyMethod, note: string): EnergyEstimate {
  const net = (value: number) => Math.max(0, value - idle);
  return { value: net(joules), low: net(joules * (1 - error)), high: net(joules * (1 + error)), method, note };
}

/** Work of the model of energy. */
export interface ModelledWork {
  readonly seconds: number;
  readonly threads: number;
  /** Bytes read from memory. */
  readonly bytes: number;
  readonly multiplyAdds: number;
}

/** Low, usual, high. Watts of a busy core of phones, laptops and servers; DRAM's joules per byte; those of an int8 multiply-add with its instruction. */
const CORE_WATTS = [0.4, 2, 8] as const;
const BYTE_JOULES = [30e-12, 60e-12, 120e-12] as const;
const MULTIPLY_ADD_JOULES = [0.1e-12, 0.5e-12, 2e-12] as const;

/** More threads take less power each, because they wait for each other. */
const THREADS_EXPONENT = 0.9;

/** Watts of some busy cores of a usual device, above the idle device. Only the proportions between numbers of threads are certain. */
export function assumedPower(threads: number): EnergyEstimate {
  const [low, value, high] = CORE_WATTS.map((watts) => watts * threads ** THREADS_EXPONENT);
  return { value, low, high, method: 'model', note: 'watts of usual cores, assumed; nothing was measured' };
}

/** An estimate from counts alone. Its bounds are a factor of 20 apart, because the power of a core differs so much between devices. */
export function modelledEnergy({ seconds, threads, bytes, multiplyAdds }: ModelledWork): EnergyEstimate {
  const at = (i: 0 | 1 | 2) =>
    CORE_WATTS[i] * threads * seconds + BYTE_JOULES[i] * bytes + MULTIPLY_ADD_JOULES[i] * multiplyAdds;
  return {
    value: at(1),
    low: at(0),
    high: at(2),
    method: 'model',
    note: 'from time, bytes and multiply-adds with the power of usual cores; nothing was measured',
  };
}

/** Divides an estimate by a number of tokens. */
export const perToken = (energy: EnergyEstimate, tokens: number): EnergyEstimate =>
  divided(energy, Math.max(1, tokens));

/** Watts of an energy in joules. */
export const meanPower = (energy: EnergyEstimate, seconds: number): EnergyEstimate => divided(energy, seconds);

function divided(energy: EnergyEstimate, by: number): EnergyEstimate {
  return { ...energy, value: energy.value / by, low: energy.low / by, high: energy.high / by };
}
