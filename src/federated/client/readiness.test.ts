import { expect, it } from 'vitest';
import type { Signals } from '../../adapt/sensors/signals.ts';
import { busyReason, readyWhen } from './readiness.ts';
import { offerSensors, sensorsFrom } from './sharedSensors.ts';

const all = { charging: true, unmetered: true, idle: true };
const signal = <T>(value: T) => ({ value, source: 'test' });

it.each<[Partial<Signals>, RegExp | undefined]>([
  [{}, undefined],
  [{ battery: signal({ level: 0.4, isCharging: false }) }, /on battery, at 40%/],
  [{ battery: signal({ level: 0.4, isCharging: true }) }, undefined],
  [{ saveData: signal(true) }, /save data/],
  [{ lowPower: signal(true) }, /save energy/],
  [{ pressure: signal('fair' as const) }, /pressure is fair/],
  [{ load: signal(1.25) }, /1.25 tasks/],
  [{ stall: signal(0.3) }, /wait 30%/],
  [{ load: signal(0.2), stall: signal(0), pressure: signal('nominal' as const) }, undefined],
])('%j', async (signals, expected) => {
  const given = { at: 0, ...signals };
  const reason = busyReason(given, all);
  if (expected) expect(reason).toMatch(expected);
  else expect(reason).toBeUndefined();
  expect(busyReason(given, {})).toBeUndefined();
  const said: string[] = [];
  const isReady = readyWhen({ read: async () => given }, all, (text) => said.push(text));
  expect(await isReady()).toBe(!expected);
  expect(said).toHaveLength(expected ? 1 : 0);
});

it('reads the sensors of a page from its worker', async () => {
  const { port1, port2 } = new MessageChannel();
  let isCharging = false;
  offerSensors({ read: async () => ({ at: 0, battery: signal({ level: 0.4, isCharging }) }) }, port1);
  const sensors = sensorsFrom(port2);
  const isReady = readyWhen(sensors, { charging: true });
  expect(await Promise.all([isReady(), isReady()])).toEqual([false, false]);
  isCharging = true;
  expect(await isReady()).toBe(true);
  sensors.close?.();
});
