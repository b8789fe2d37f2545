/** Sensors of a browser: Battery Status, Compute Pressure, device memory, Network Information, Page Visibility. */
import { known } from './fileSensors.ts';
import type { Battery, Pressure, Sensors, Signal, Signals } from './signals.ts';

interface BatteryManager {
  readonly level: number;
  readonly charging: boolean;
}

interface PressureRecord {
  readonly state: string;
}

interface PressureObserverLike {
  observe(source: string, options?: { readonly sampleInterval: number }): Promise<void>;
  disconnect(): void;
}

/** The parts of a page or a worker that sensors use. Any of them may be missing. */
export interface BrowserScope {
  readonly navigator?: {
    getBattery?(): Promise<BatteryManager>;
    readonly deviceMemory?: number;
    readonly connection?: { readonly saveData?: boolean };
  };
  readonly document?: { readonly visibilityState?: string };
  readonly PressureObserver?: new (callback: (records: readonly PressureRecord[]) => void) => PressureObserverLike;
}

const states: readonly string[] = ['nominal', 'fair', 'serious', 'critical'] satisfies Pressure[];
/** Milliseconds between readings of the pressure. */
const INTERVAL = 1000;

/** @param scope default: the globals of this page or worker */
export function browserSensors(
  scope: BrowserScope = globalThis as unknown as BrowserScope,
  now: () => number = () => performance.now(),
): Sensors {
  let pressure: Signal<Pressure> | undefined;
  let observer: PressureObserverLike | undefined;
  let battery: Promise<BatteryManager | undefined> | undefined;
  const observe = (): void => {
    if (observer || !scope.PressureObserver) return;
    observer = new scope.PressureObserver((records) => {
      const state = records.at(-1)?.state;
      if (state !== undefined && states.includes(state))
        pressure = { value: state as Pressure, source: "PressureObserver 'cpu'" };
    });
    // refused by policy, or in a context that is not secure: the signal stays unknown
    observer.observe('cpu', { sampleInterval: INTERVAL }).catch(() => undefined);
  };
  return {
    async read(): Promise<Signals> {
      const { navigator, document } = scope;
      try {
        observe();
      } catch {
        // an engine that has the name only
      }
      battery ??= batteryManager(scope);
      const hidden = document?.visibilityState;
      const memory = navigator?.deviceMemory;
      const saveData = navigator?.connection?.saveData;
      return known({
        at: now(),
        pressure,
        battery: batterySignal(await battery),
        hidden: hidden === undefined ? undefined : { value: hidden === 'hidden', source: 'document.visibilityState' },
        memory:
          memory !== undefined && memory > 0
            ? { value: memory * 2 ** 30, source: 'navigator.deviceMemory (rounded)' }
            : undefined,
        saveData: saveData === undefined ? undefined : { value: saveData, source: 'navigator.connection.saveData' },
      });
    },
    close() {
      observer?.disconnect();
      observer = undefined;
      pressure = undefined;
    },
  };
}

async function batteryManager({ navigator }: BrowserScope): Promise<BatteryManager | undefined> {
  try {
    return await navigator?.getBattery?.();
  } catch {
    return undefined;
  }
}

/** A full, charging battery is what desktops without one report, so it says nothing. */
function batterySignal(manager: BatteryManager | undefined): Signal<Battery> | undefined {
  if (!manager || !(manager.level >= 0 && manager.level <= 1)) return undefined;
  return { value: { level: manager.level, isCharging: manager.charging }, source: 'navigator.getBattery()' };
}
