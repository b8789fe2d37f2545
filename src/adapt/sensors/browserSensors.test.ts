import { expect, it } from 'vitest';
import { type BrowserScope, browserSensors } from './browserSensors.ts';

it('reads what a browser offers, and where it comes from', async () => {
  let report: (records: readonly { readonly state: string }[]) => void = () => {};
  let observed = 0;
  const scope: BrowserScope = {
    navigator: {
      getBattery: async () => ({ level: 0.42, charging: false }),
      deviceMemory: 8,
      connection: { saveData: true },
    },
    document: { visibilityState: 'hidden' },
    PressureObserver: class {
      constructor(callback: typeof report) {
        report = callback;
      }
      async observe() {
        observed++;
      }
      disconnect() {
        observed--;
      }
    },
  };
  const sensors = browserSensors(scope, () => 5);
  const first = await sensors.read();
  expect(first).toEqual({
    at: 5,
    battery: { value: { level: 0.42, isCharging: false }, source: 'navigator.getBattery()' },
    hidden: { value: true, source: 'document.visibilityState' },
    memory: { value: 2 ** 33, source: 'navigator.deviceMemory (rounded)' },
    saveData: { value: true, source: 'navigator.connection.saveData' },
  });
  report([{ state: 'serious' }]);
  expect((await sensors.read()).pressure).toEqual({ value: 'serious', source: "PressureObserver 'cpu'" });
  report([{ state: 'melting' }]);
  expect((await sensors.read()).pressure?.value).toBe('serious');
  expect(observed).toBe(1);
  sensors.close?.();
  expect(observed).toBe(0);
});

it('knows nothing where a browser has none of it, or refuses it', async () => {
  expect(await browserSensors({}, () => 1).read()).toEqual({ at: 1 });
  const refusing: BrowserScope = {
    navigator: { getBattery: () => Promise.reject(new Error('denied')) },
    PressureObserver: class {
      observe = () => Promise.reject(new Error('NotAllowedError'));
      disconnect() {}
    },
  };
  expect(await browserSensors(refusing, () => 1).read()).toEqual({ at: 1 });
  const lying: BrowserScope = { navigator: { getBattery: async () => ({ level: Number.NaN, charging: false }) } };
  expect(await browserSensors(lying, () => 1).read()).toEqual({ at: 1 });
});
