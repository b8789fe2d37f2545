/** Conditions under which a device takes part, read from its sensors. */
import type { Sensors, Signals } from '../../adapt/sensors/signals.ts';

export interface ReadyWhen {
  /** Not while it runs on battery. A device without a battery is ready. */
  readonly charging?: boolean;
  /** Not while the user asks to save data or energy. */
  readonly unmetered?: boolean;
  /** Not while the device is hot or busy with other work. */
  readonly idle?: boolean;
}

/** Tasks per processor above which a device is busy. */
const BUSY_LOAD = 0.5;
/** Share of time in which tasks wait for a processor, above which a device is busy. */
const BUSY_STALL = 0.1;

/** Returns why the device should not train now, or undefined. What a device does not tell does not stop it. */
export function busyReason(signals: Signals, { charging, unmetered, idle }: ReadyWhen): string | undefined {
  const { battery, saveData, lowPower, pressure, load, stall } = signals;
  if (charging && battery && !battery.value.isCharging)
    return `it runs on battery, at ${Math.round(100 * battery.value.level)}%`;
  if (unmetered && saveData?.value) return 'the user asks to save data';
  if (unmetered && lowPower?.value) return 'the user asks to save energy';
  if (!idle) return undefined;
  if (pressure && pressure.value !== 'nominal') return `its pressure is ${pressure.value}`;
  if (load && load.value > BUSY_LOAD) return `${load.value.toFixed(2)} tasks run per processor`;
  if (stall && stall.value > BUSY_STALL) return `tasks wait ${Math.round(100 * stall.value)}% of the time`;
  return undefined;
}

/**
 * For `ParticipantOptions.isReady`: a device joins a round only if its sensors allow it. A round that it has joined is finished.
 * @param onBusy called with the reason whenever the device is not ready
 */
export function readyWhen(
  sensors: Sensors,
  conditions: ReadyWhen,
  onBusy?: (reason: string) => void,
): () => Promise<boolean> {
  return async () => {
    const reason = busyReason(await sensors.read(), conditions);
    if (reason !== undefined) onBusy?.(reason);
    return reason === undefined;
  };
}
