/** The governor on simulated devices, and its properties for any signals, limits and plans. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MIN_DUTY } from '../../src/adapt/choosePlan.ts';
import { decide, type GovernorSignals, type GovernorState, startState } from '../../src/adapt/governor.ts';
import { type AdaptLimits, checkLimits } from '../../src/adapt/limits.ts';
import type { Plan } from '../../src/adapt/plan.ts';
import { OptionError } from '../../src/core/errors.ts';
import { Plant } from './plant.ts';
import { changesOf, fixed, governed, phonePlans, simulate, tokensOf, watts } from './run.ts';

const LIMIT = 43;

describe('on a device that gets warm', () => {
  const plants = [4, 8, 12, 16].flatMap((resistance) =>
    [180, 540].flatMap((timeConstant) =>
      [10, 32].flatMap((ambient) => [
        { resistance, timeConstant, ambient, step: 0.1, lag: 0 },
        { resistance, timeConstant, ambient, step: 1, lag: 5 },
      ]),
    ),
  );

  it.each(plants)('keeps the limit, uses the power that it allows, and seldom changes plans: %j', (plant) => {
    const samples = simulate(plant, governed({ maxTemperature: LIMIT }), 5400);
    expect(Math.max(...samples.map(({ celsius }) => celsius))).toBeLessThan(LIMIT + 2);
    const settled = samples.slice(1800);
    expect(changesOf(settled)).toBeLessThanOrEqual(8);
    const mean = settled.reduce((sum, { watts }) => sum + watts, 0) / settled.length;
    expect(mean / Math.min(5, new Plant(plant).sustainable(LIMIT))).toBeGreaterThan(0.9);
  });

  it('gives more tokens than the fastest plan that keeps the limit all the time', () => {
    const phone = { resistance: 12, timeConstant: 540, ambient: 25 };
    const tokens = tokensOf(simulate(phone, governed({ maxTemperature: LIMIT }), 600));
    const cool = phonePlans.filter((plan) =>
      simulate(phone, fixed(plan), 600).every(({ celsius }) => celsius <= LIMIT),
    );
    const best = Math.max(...cool.map((plan) => tokensOf(simulate(phone, fixed(plan), 600))));
    expect(tokens / best).toBeGreaterThan(1.15);
  });

  it('says in words what it does', () => {
    const samples = simulate(
      { resistance: 12, timeConstant: 180, ambient: 25 },
      governed({ maxTemperature: LIMIT }),
      900,
    );
    expect(samples[0].why).toBe('4 threads: nothing limits it');
    expect(samples.at(-1)!.why).toMatch(/^\d threads?, \d+% of the time: 4\d\.\d °C of 43 °C$/);
  });
});

const plansOf = (...given: readonly [threads: number, seconds: number, watts: number, quality?: number][]): Plan[] =>
  given.map(([threads, seconds, power, quality = 1], i) => ({
    ...{ name: `plan ${i}`, threads, seconds, quality },
    power: watts(power),
  }));

const atMost = (watts: number) => `at most ${watts} W (${watts} W, between ${watts} and ${watts}; model: simulated)`;

/** Decides again and again with the same signals, a second apart. */
function settle(signals: Omit<GovernorSignals, 'at'>, limits: AdaptLimits, plans: readonly Plan[], seconds = 120) {
  let state: GovernorState = startState(0);
  let decision = decide(state, { ...signals, at: 0 }, limits, plans);
  for (let second = 1; second <= seconds; second++) {
    ({ state } = decision);
    decision = decide(state, { ...signals, at: 1000 * second }, limits, plans);
  }
  return decision;
}

describe('limits', () => {
  const plans = plansOf([1, 0.1, 2], [2, 0.06, 4], [4, 0.05, 8]);

  it('of power are kept by the plan or by pauses', () => {
    const free = settle({}, {}, plans);
    expect([free.plan.threads, free.duty]).toEqual([4, 1]);
    for (const maxWatts of [6, 3, 1, 0.5]) {
      const { plan, duty } = settle({}, { maxWatts }, plans, 300);
      expect(plan.power.value * duty).toBeLessThanOrEqual(maxWatts + 1e-9);
    }
  });

  it('of time choose the plan whose slow tokens still come in time, and say where none does', () => {
    const quality = plansOf([2, 0.08, 4, 1], [2, 0.04, 4, 0.9], [2, 0.02, 4, 0.7]);
    expect(settle({}, { deadlineMs: 100 }, quality).plan.quality).toBe(1);
    expect(settle({}, { deadlineMs: 50 }, quality).plan.quality).toBe(0.9);
    const slow = settle({ steps: { plan: 'plan 1', seconds: 0.08, count: 8 } }, { deadlineMs: 50 }, quality);
    expect(slow.plan.quality).toBe(0.7);
    const { plan, why } = settle({}, { deadlineMs: 10 }, quality);
    expect(plan.quality).toBe(0.7);
    expect(why).toMatch(/no plan meets 10 ms: the fastest takes 22 ms/);
  });

  it('of energy prefer the plan with the least per token, and the battery counts only while it is used', () => {
    expect(settle({}, { prefer: 'battery' }, plans).plan.threads).toBe(1);
    const battery = (level: number, isCharging: boolean) => ({
      battery: { value: { level, isCharging }, source: 'test' },
    });
    const low = settle(battery(0.15, false), {}, plans);
    expect(low.plan.power.value * low.duty).toBeLessThanOrEqual(0.6 * 8);
    expect(low.why).toMatch(/battery at 15%/);
    expect(settle(battery(0.15, true), {}, plans).duty).toBe(1);
    expect(settle(battery(0.15, false), { prefer: 'speed' }, plans).why).toMatch(/nothing limits it/);
  });

  it('leave the floor to soft reasons, not to heat', () => {
    const battery = { battery: { value: { level: 0.05, isCharging: false }, source: 'test' } };
    const one = plansOf([1, 0.1, 2]);
    expect(settle(battery, {}, one).duty).toBeCloseTo(0.3);
    expect(settle(battery, { floor: 8 }, one).duty).toBeCloseTo(0.8);
    const hot = { temperature: { value: { celsius: 70 }, source: 'test' } };
    expect(settle(hot, { floor: 8, maxTemperature: 40 }, one).duty).toBe(MIN_DUTY);
  });

  it('of temperature stay in force where a reading comes without a limit, or with one that is no number', () => {
    const hot = (limit?: number) => ({ temperature: { value: { celsius: 70, limit }, source: 'test' } });
    for (const limit of [Number.NaN, Number.POSITIVE_INFINITY, undefined]) {
      const own = settle(hot(limit), { maxTemperature: 43 }, plans);
      expect([own.duty, own.why]).toEqual([MIN_DUTY, expect.stringMatching(/70\.0 °C of 43 °C/)]);
      const { state } = settle(hot(60), {}, plans);
      const next = decide(state, { at: state.at + 1000, ...hot(limit) }, {}, plans);
      expect([next.duty, next.why]).toEqual([MIN_DUTY, expect.stringMatching(/70\.0 °C of 60 °C/)]);
    }
    expect(settle(hot(), {}, plans).why).toMatch(/nothing limits it/);
  });

  it('of time count the pauses in the explanation', () => {
    const one = plansOf([1, 0.02, 2]);
    expect(settle({}, { deadlineMs: 50 }, one).why).toBe('plan 0: 95% of the tokens in 22 ms of 50');
    expect(settle({}, { deadlineMs: 50, maxWatts: 1 }, one).why).toBe(
      `plan 0, 50% of the time: ${atMost(1)}; 95% of the tokens in 44 ms of 50`,
    );
    expect(settle({}, { deadlineMs: 50, maxWatts: 0.2 }, one).why).toBe(
      `plan 0, 10% of the time: ${atMost(0.2)}; 95% of the tokens in 220 ms with pauses, later than 50 ms, as it gives way to maxWatts`,
    );
    expect(settle({}, { deadlineMs: 10, maxWatts: 1 }, one).why).toMatch(
      /; no plan meets 10 ms: the fastest takes 22 ms, with pauses 44 ms$/,
    );
  });

  it('of speed are named where they are not met', () => {
    const one = plansOf([1, 0.1, 2]);
    expect(settle({}, { floor: 10 }, one).why).toBe('plan 0: nothing limits it');
    expect(settle({}, { floor: 20 }, one).why).toBe('plan 0: 10 tokens/s, less than the floor of 20');
    expect(settle({}, { floor: 8, maxWatts: 1 }, one).why).toBe(
      `plan 0, 50% of the time: ${atMost(1)}; 5 tokens/s, less than the floor of 8, as it gives way to maxWatts`,
    );
    const battery = { battery: { value: { level: 0.05, isCharging: false }, source: 'test' } };
    expect(settle(battery, { floor: 7 }, one).why).not.toMatch(/floor/);
  });

  it('of temperature that no thermometer can keep say so', () => {
    const blind = 'maxTemperature of 43 °C cannot be kept: no thermometer is readable';
    const limits = { maxTemperature: 43 };
    expect(settle({}, limits, plans).why).toBe(`plan 2: ${blind}`);
    expect(settle({}, {}, plans).why).toBe('plan 2: nothing limits it');
    const noNumber = { temperature: { value: { celsius: Number.NaN }, source: 'test' } };
    expect(settle(noNumber, limits, plans).why).toBe(`plan 2: ${blind}`);
    // a thermometer that falls silent for some readings is not lost yet
    const { state } = settle({ temperature: { value: { celsius: 20 }, source: 'test' } }, limits, plans);
    expect(decide(state, { at: state.at + 5000 }, limits, plans).why).toBe('plan 2: nothing limits it');
    expect(decide(state, { at: state.at + 31_000 }, limits, plans).why).toBe(`plan 2: ${blind}`);
  });

  it('of heat choose a smaller submodel only where the whole one does not reach the floor', () => {
    const bits = plansOf([2, 0.1, 4, 1], [2, 0.05, 4, 0.98]);
    const watts = { maxWatts: 2 };
    expect(settle({}, watts, bits, 300).plan.quality).toBe(1);
    expect(settle({}, { ...watts, floor: 4 }, bits, 300).plan.quality).toBe(1);
    expect(settle({}, { ...watts, floor: 8 }, bits, 300).plan.quality).toBe(0.98);
    // none reaches it: the fastest
    expect(settle({}, { ...watts, floor: 40 }, bits, 300).plan.quality).toBe(0.98);
  });

  it('of time that are kept again bring the better submodel back, but not at once', () => {
    const bits = plansOf([2, 0.04, 4, 1], [2, 0.02, 4, 0.98]);
    let state: GovernorState = startState(0);
    const qualities: number[] = [];
    for (let second = 0; second < 200; second++) {
      const name = state.plan ?? 'plan 0';
      const seconds = bits.find((plan) => plan.name === name)!.seconds * (second >= 10 && second < 40 ? 2 : 1);
      const steps = { plan: name, seconds, count: 8 };
      const decision = decide(state, { at: 1000 * second, steps }, { deadlineMs: 60 }, bits);
      ({ state } = decision);
      qualities.push(decision.plan.quality);
    }
    expect([qualities[9], qualities[25], qualities[42], qualities.at(-1)]).toEqual([1, 0.98, 0.98, 1]);
    expect(qualities.filter((quality, i) => i > 0 && quality !== qualities[i - 1]).length).toBeLessThanOrEqual(4);
  });

  it('of containers bound the threads', () => {
    expect(settle({ quota: { value: 2.5, source: 'test' } }, {}, plans).plan.threads).toBe(2);
    expect(settle({ quota: { value: 0.5, source: 'test' } }, {}, plans).plan.threads).toBe(1);
  });

  it('that are unknown or out of range are errors', () => {
    expect(() => checkLimits({ maxWatt: 3 } as AdaptLimits)).toThrow(/option maxWatt/);
    for (const limits of [
      { deadlineMs: 0 },
      { maxWatts: Number.NaN },
      { maxTemperature: 200 },
      { prefer: 'fast' as 'speed' },
    ])
      expect(() => checkLimits(limits)).toThrow(/expected/);
  });

  it('without any plan are an error', () => {
    expect(() => decide(startState(0), { at: 0 }, {}, [])).toThrow(OptionError);
  });
});

it('leaves a plan that another process slows down, and comes back when it has gone', () => {
  const plans = plansOf([1, 0.1, 2], [2, 0.06, 4]);
  let state: GovernorState = startState(0);
  const names: string[] = [];
  for (let second = 0; second < 240; second++) {
    const isBusy = second >= 30 && second < 60;
    const name = state.plan ?? 'plan 1';
    // two threads wait for each other at every barrier, one does not
    const factor = isBusy ? (name === 'plan 1' ? 3 : 1.2) : 1;
    const seconds = plans.find((plan) => plan.name === name)!.seconds * factor;
    const decision = decide(state, { at: 1000 * second, steps: { plan: name, seconds, count: 8 } }, {}, plans);
    ({ state } = decision);
    names.push(decision.plan.name);
  }
  expect(names[29]).toBe('plan 1');
  expect(names[40]).toBe('plan 0');
  expect(names.at(-1)).toBe('plan 1');
  expect(names.filter((name, i) => i > 0 && name !== names[i - 1]).length).toBeLessThanOrEqual(4);
});

describe('for any signals', () => {
  const number = fc.oneof(fc.double(), fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, -1, 0, 1e300));
  const signal = <T>(value: fc.Arbitrary<T>) =>
    fc.option(
      value.map((each) => ({ value: each, source: 'test' })),
      { nil: undefined },
    );
  const signals = fc.record({
    at: number,
    temperature: signal(fc.record({ celsius: number, limit: fc.option(number, { nil: undefined }) })),
    battery: signal(fc.record({ level: number, isCharging: fc.boolean() })),
    quota: signal(number),
    hidden: signal(fc.boolean()),
    lowPower: signal(fc.boolean()),
    steps: fc.option(
      fc.record({ plan: fc.constantFrom('plan 0', 'plan 1', 'other'), seconds: number, count: number, watts: number }),
      {
        nil: undefined,
      },
    ),
  }) as fc.Arbitrary<GovernorSignals>;
  const positive = fc.double({ min: 0.001, max: 100, noNaN: true });
  const plans = fc
    .array(fc.tuple(fc.integer({ min: 1, max: 16 }), positive, positive, fc.double({ min: 0, max: 1, noNaN: true })), {
      minLength: 1,
      maxLength: 5,
    })
    .map((given) => plansOf(...given));
  const optional = (value: fc.Arbitrary<number>) => fc.option(value, { nil: undefined });
  const limits = fc.record({
    deadlineMs: optional(positive),
    maxWatts: optional(positive),
    maxTemperature: optional(positive),
    floor: optional(positive),
    prefer: fc.constantFrom('speed', 'balanced', 'battery'),
  }) as fc.Arbitrary<AdaptLimits>;

  it('there is a plan of the list, a duty that never stalls, and a reason; the same again for the same input', () => {
    fc.assert(
      fc.property(fc.array(signals, { minLength: 1, maxLength: 12 }), limits, plans, (all, given, list) => {
        let state: GovernorState = startState(0);
        for (const each of all) {
          const decision = decide(state, each, given, list);
          expect(list).toContain(decision.plan);
          expect(decision.duty).toBeGreaterThanOrEqual(MIN_DUTY);
          expect(decision.duty).toBeLessThanOrEqual(1);
          expect(decision.why).toContain(decision.plan.name);
          expect(decision.why).not.toMatch(/NaN|undefined/);
          expect(decide(state, each, given, list)).toEqual(decision);
          ({ state } = decision);
        }
      }),
    );
  });

  it('less power is allowed where the limit of power or of temperature is lower', () => {
    fc.assert(
      fc.property(plans, positive, positive, fc.double({ min: 20, max: 60, noNaN: true }), (list, a, b, celsius) => {
        const [low, high] = [Math.min(a, b), Math.max(a, b)];
        const power = (limit: AdaptLimits, temperature?: number) => {
          const hot =
            temperature === undefined ? {} : { temperature: { value: { celsius: temperature }, source: 'test' } };
          const { plan, duty } = decide(startState(0), { at: 0, ...hot }, limit, list);
          return plan.power.value * Math.max(duty, 0);
        };
        const least = MIN_DUTY * Math.max(...list.map(({ power }) => power.value));
        expect(power({ maxWatts: low })).toBeLessThanOrEqual(Math.max(least, power({ maxWatts: high }) * (1 + 1e-9)));
        expect(power({ maxTemperature: low }, celsius)).toBeLessThanOrEqual(
          Math.max(least, power({ maxTemperature: high }, celsius) * (1 + 1e-9)),
        );
      }),
    );
  });

  it('a temperature that vanishes never raises the power', () => {
    const plansHere = plansOf([1, 0.1, 2], [4, 0.05, 8]);
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 20, max: 60, noNaN: true }), { minLength: 2, maxLength: 30 }),
        (readings) => {
          let state: GovernorState = startState(0);
          const at = (i: number) => 1000 * i;
          for (const [i, celsius] of readings.entries()) {
            const temperature = { value: { celsius }, source: 'test' };
            ({ state } = decide(state, { at: at(i), temperature }, { maxTemperature: 43 }, plansHere));
          }
          const before = state.heat!.budget;
          for (let i = 0; i < 20; i++) {
            const decision = decide(state, { at: at(readings.length + i) }, { maxTemperature: 43 }, plansHere);
            ({ state } = decision);
            expect(decision.plan.power.value * decision.duty).toBeLessThanOrEqual(
              Math.max(before * 8, MIN_DUTY * 8) + 1e-9,
            );
          }
        },
      ),
    );
  });
});
