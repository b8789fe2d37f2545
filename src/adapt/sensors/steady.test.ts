import { expect, it } from 'vitest';
import { Steady, SteadySignals } from './steady.ts';

it('does not believe a single jump', () => {
  const steady = new Steady();
  const seen = [50, 51, 52, 149, 53, Number.NaN, -40, 54].map((value, i) => steady.see(1000 * i, value));
  expect(seen).toEqual([50, 51, 51, 52, 53, 53, 53, 53]);
});

it('follows a change that stays', () => {
  const steady = new Steady();
  expect([50, 50, 50, 80, 80].map((value, i) => steady.see(1000 * i, value)).at(-1)).toBe(80);
});

it('forgets what has been silent for long', () => {
  const steady = new Steady();
  steady.see(0, 50);
  expect(steady.see(10_000, undefined)).toBe(50);
  expect(steady.see(31_000, undefined)).toBeUndefined();
});

it('drops what no device can mean', () => {
  const source = 'test';
  const seen = new SteadySignals().see({
    at: 0,
    temperature: { value: { celsius: 900 }, source },
    battery: { value: { level: 2, isCharging: false }, source },
    stall: { value: Number.NaN, source },
    quota: { value: 0, source },
    load: { value: -1, source },
  });
  expect(Object.values(seen).filter((value) => value !== undefined)).toEqual([0]);
});
