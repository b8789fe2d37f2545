/** Everything that is known of this device now: for people, and for reports of problems. */
import { deviceFiles, hostFacts } from '#leaf/adapt/sensors/deviceFiles';
import { deviceSensors } from '#leaf/adapt/sensors/deviceSensors';
import { deviceName } from '#leaf/backends/wasm/threads';
import { type EnergyEstimate, meanPower, measuredEnergy } from './energy.ts';
import type { Signals } from './sensors/signals.ts';
import { type ThermalZone, thermalZones } from './sensors/thermal.ts';

export interface DeviceDescription {
  /** Engine and processors. */
  readonly engine: string;
  readonly platform: string;
  readonly processors: number;
  readonly model?: string;
  readonly signals: Signals;
  /** All temperatures, also those that no limit is compared with. */
  readonly zones: readonly ThermalZone[];
  /** Power of the device while it was described, nothing subtracted. Undefined: no counter and no battery tells. */
  readonly watts?: EnergyEstimate;
}

export interface DescribeOptions {
  /** Folder with `sys` and `proc`, such as a recorded copy. Default: those of this machine. */
  readonly root?: string;
  /** Time between two readings in milliseconds. Shares of time and power need two. Default 500. */
  readonly milliseconds?: number;
}

export async function describeDevice({ root, milliseconds = 500 }: DescribeOptions = {}): Promise<DeviceDescription> {
  const sensors = deviceSensors(root);
  try {
    const before = await sensors.read();
    await new Promise((resolve) => {
      setTimeout(resolve, milliseconds);
    });
    const signals = await sensors.read();
    const energy = measuredEnergy({ before, after: signals });
    const seconds = (signals.at - before.at) / 1000;
    const { platform, processors, model } = hostFacts();
    return {
      engine: deviceName(),
      platform,
      processors,
      ...(model !== undefined && { model }),
      signals,
      zones: await thermalZones(deviceFiles(root)),
      ...(energy && { watts: meanPower(energy, seconds) }),
    };
  } finally {
    sensors.close?.();
  }
}
