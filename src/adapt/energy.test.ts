import { expect, it } from 'vitest';
import { measuredEnergy, modelledEnergy, perToken } from './energy.ts';
import type { Signals } from './sensors/signals.ts';

const rapl = (at: number, joules: number): Signals => ({
  at,
  energy: { value: { joules, domains: ['package-0'] }, source: 'RAPL' },
});
const battery = (at: number, watts: number | undefined, isCharging = false): Signals => ({
  at,
  battery: { value: { level: 0.5, isCharging, watts }, source: 'battery' },
});

it('takes counters first, subtracts idle power where it is known, and says so', () => {
  const energy = measuredEnergy({ before: rapl(0, 100), after: rapl(10_000, 300), idleWatts: 4 })!;
  expect(energy).toMatchObject({ value: 160, low: 150, high: 170, method: 'rapl' });
  expect(energy.note).toMatch(/package-0; idle power of 4.0 W subtracted/);
  expect(measuredEnergy({ before: rapl(0, 100), after: rapl(10_000, 300) })!.note).toMatch(/idle power included/);
});

it('takes the mean power of a battery that is not charged', () => {
  const energy = measuredEnergy({ before: battery(0, 4), after: battery(10_000, 6) })!;
  expect(energy).toMatchObject({ value: 50, low: 35, high: 65, method: 'battery' });
  expect(measuredEnergy({ before: battery(0, 4, true), after: battery(10_000, 6) })).toBeUndefined();
  expect(measuredEnergy({ before: battery(0, undefined), after: battery(10_000, 6) })).toBeUndefined();
});

it('gives no figure where nothing is known or no time has passed', () => {
  expect(measuredEnergy({ before: { at: 0 }, after: { at: 1 } })).toBeUndefined();
  expect(measuredEnergy({ before: rapl(5, 1), after: rapl(5, 2) })).toBeUndefined();
  expect(measuredEnergy({ before: rapl(0, 2), after: rapl(5, 1) })).toBeUndefined();
});

it('labels a model as one, with bounds around it, and divides by tokens', () => {
  const energy = modelledEnergy({ seconds: 0.1, threads: 2, bytes: 1e9, multiplyAdds: 1e9 });
  expect(energy.method).toBe('model');
  expect(energy.low).toBeLessThan(energy.value / 3);
  expect(energy.high).toBeGreaterThan(energy.value * 3);
  expect(perToken(energy, 10).high).toBeCloseTo(energy.high / 10);
});
