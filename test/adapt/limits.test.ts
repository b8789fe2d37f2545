/** Limits that contradict each other: which one gives way, and what holds for any signals. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MIN_DUTY } from '../../src/adapt/choosePlan.ts';
import { DWELL_DOWN, decide, type GovernorSignals, type GovernorState, startState } from '../../src/adapt/governor.ts';
import { type AdaptLimits, checkLimits } from '../../src/adapt/limits.ts';
import type { Plan } from '../../src/adapt/plan.ts';
import { watts } from './run.ts';

const source = 'test';
const plan = (name: string, seconds: number, power: number, quality = 1, threads = 1): Plan => ({
  ...{ name, threads, seconds, quality },
  power: watts(power),
});

function settle(signals: Omit<GovernorSignals, 'at'>, limits: AdaptLimits, plans: readonly Plan[], seconds = 120) {
  let decision = decide(startState(0), { ...signals, at: 0 }, limits, plans);
  for (let second = 1; second <= seconds; second++)
    decision = decide(decision.state, { ...signals, at: 1000 * second }, limits, plans);
  return decision;
}

const hidden = { value: true, source };

describe('limits that contradict each other', () => {
  const one = [plan('one', 0.1, 2)];

  it('are no error', () => {
    const limits = { deadlineMs: 100, floor: 200, maxWatts: 1, maxTemperature: 40 };
    expect(() => checkLimits(limits)).not.toThrow();
    expect(settle({}, { deadlineMs: 100, floor: 200 }, [plan('one', 0.004, 2)])).toMatchObject({
      why: 'one: 95% of the tokens in 4.4 ms of 100',
      unmet: [],
    });
  });

  it('a floor and a deadline give way to maxWatts', () => {
    const { duty, unmet, why } = settle({}, { floor: 8, deadlineMs: 150, maxWatts: 1 }, one);
    expect([duty, unmet]).toEqual([0.5, ['floor', 'deadlineMs']]);
    expect(why).toMatch(/5 tokens\/s, less than the floor of 8, as it gives way to maxWatts/);
    expect(why).toMatch(/220 ms with pauses, later than 150 ms, as it gives way to maxWatts/);
  });

  it('all others give way to the temperature', () => {
    const temperature = { value: { celsius: 70 }, source };
    const { duty, unmet, why } = settle({ temperature }, { floor: 8, deadlineMs: 150, maxTemperature: 40 }, one);
    expect([duty, unmet]).toEqual([MIN_DUTY, ['maxTemperature', 'floor', 'deadlineMs']]);
    expect(why).toMatch(/less than the floor of 8, as it gives way to the temperature/);
  });

  it('a deadline gives way to a floor', () => {
    // the second one is faster on average, but its tokens come unevenly
    const plans = [plan('quick', 0.02, 2), plan('steady', 0.015, 2, 0.9, 4)];
    let decision = decide(startState(0), { at: 0 }, {}, plans);
    const uneven = [0.01, 0.03, 0.01, 0.02];
    for (let second = 1; second < 200; second++) {
      const seconds = decision.plan.name === 'steady' ? uneven[second % 4] : decision.plan.seconds;
      const steps = { plan: decision.plan.name, seconds, count: 8 };
      decision = decide(decision.state, { at: 1000 * second, steps }, { floor: 55, deadlineMs: 24 }, plans);
    }
    expect([decision.plan.name, decision.unmet]).toEqual(['steady', ['deadlineMs']]);
    expect(decision.why).toMatch(/later than 24 ms, as it gives way to the floor/);
    expect(settle({}, { deadlineMs: 24 }, plans).unmet).toEqual([]);
  });

  it('soft reasons give way to a deadline, as to a floor', () => {
    expect(settle({ hidden }, {}, one).duty).toBeCloseTo(0.5);
    expect(settle({ hidden }, { deadlineMs: 137.5 }, one).duty).toBeCloseTo(0.8);
    expect(settle({ hidden }, { floor: 7 }, one).duty).toBeCloseTo(0.7);
    // the floor is reached without the smaller submodel
    const nested = [plan('whole', 0.1, 2), plan('part', 0.05, 2, 0.9)];
    expect(settle({ hidden }, { floor: 8 }, nested).plan.name).toBe('whole');
  });

  it('a plan whose power pauses cannot lower enough is not chosen where another one is', () => {
    const plans = [plan('eight', 0.01, 8), plan('two', 0.1, 2)];
    for (const prefer of ['speed', 'battery'] as const) {
      const { plan: chosen, duty } = settle({}, { maxWatts: 0.2, prefer }, plans, 0);
      expect([chosen.name, chosen.power.value * duty]).toEqual(['two', expect.closeTo(0.2)]);
    }
  });

  it('maxWatts that the longest pauses do not reach is named', () => {
    const { duty, unmet, why } = settle({}, { maxWatts: 0.05 }, one);
    expect([duty, unmet]).toEqual([MIN_DUTY, ['maxWatts']]);
    expect(why).toMatch(
      /maxWatts of 0.05 W cannot be kept: the longest pauses leave 0.1 W, between 0.1 and 0.1; model: simulated/,
    );
  });
});

it('drafts bring several tokens at once: their wait counts for the deadline, their number for the floor', () => {
  const steps = { plan: 'one', seconds: 0.2, burst: 4, count: 8 };
  const { unmet, why } = settle({ steps }, { floor: 15, deadlineMs: 150 }, [plan('one', 0.1, 2)]);
  expect(unmet).toEqual(['deadlineMs']);
  expect(why).toMatch(/no plan meets 150 ms: the fastest takes 200 ms/);
});

describe('for any signals', () => {
  const number = fc.oneof(fc.double(), fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, -1, 0, 1e300, 40, 45));
  const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
  const signal = <T>(value: fc.Arbitrary<T>) => maybe(value.map((each) => ({ value: each, source })));
  const positive = fc.double({ min: 0.001, max: 100, noNaN: true });
  const signals = fc.record({
    // milliseconds since the last decision
    at: fc.oneof(fc.constantFrom(0, 100, 1000, 5000, 100_000), number),
    temperature: signal(fc.record({ celsius: number, limit: maybe(number) })),
    battery: signal(fc.record({ level: number, isCharging: fc.boolean() })),
    pressure: signal(fc.constantFrom('nominal', 'critical')),
    quota: signal(number),
    hidden: signal(fc.boolean()),
    steps: maybe(
      fc.record({ plan: fc.constantFrom('0', '1', 'other'), seconds: number, burst: maybe(number), count: number }),
    ),
    power: maybe(
      fc.record({
        watts: number.map((value) => ({ value, low: value / 2, high: 2 * value, method: 'rapl', note: 'test' })),
        ...{ load: number, seconds: number },
      }),
    ),
  }) as fc.Arbitrary<GovernorSignals>;
  const plans = fc
    .array(fc.tuple(positive, positive, fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 1, max: 8 })), {
      minLength: 1,
      maxLength: 5,
    })
    .map((given) =>
      given.map(([seconds, power, quality, threads], i) => plan(`${i}`, seconds, power, quality, threads)),
    );
  const limits = fc.record({
    deadlineMs: maybe(positive),
    maxWatts: maybe(positive),
    maxTemperature: maybe(positive),
    floor: maybe(positive),
    prefer: fc.constantFrom('speed', 'balanced', 'battery'),
  }) as fc.Arbitrary<AdaptLimits>;

  it('the duty is a number above 0 and at most 1, the power is within maxWatts, and plans stay for the dwell time', () => {
    fc.assert(
      fc.property(fc.array(signals, { minLength: 1, maxLength: 20 }), limits, plans, (all, given, list) => {
        let state: GovernorState = startState(0);
        let changedAt = Number.NEGATIVE_INFINITY;
        const lowest = Math.min(...list.map(({ power }) => power.value));
        const highest = Math.max(...list.map(({ power }) => power.value));
        for (const each of all) {
          const before = state.plan;
          const decision = decide(state, { ...each, at: state.at + each.at }, given, list);
          const { duty, unmet, why } = decision;
          ({ state } = decision);
          expect(duty >= MIN_DUTY && duty <= 1).toBe(true);
          expect(`${why} ${unmet}`).not.toMatch(/NaN|undefined|Infinity/);
          if (before !== state.plan) {
            expect(state.at - changedAt).toBeGreaterThanOrEqual(DWELL_DOWN);
            changedAt = state.at;
          }
          const load = decision.plan.power.value * duty;
          if (given.maxWatts !== undefined) {
            const allowed = Math.min(highest, state.power?.allowed ?? given.maxWatts);
            // a measured power may fall faster than plans change
            const least = MIN_DUTY * (state.power ? decision.plan.power.value : lowest);
            expect(load).toBeLessThanOrEqual(Math.max(allowed, least) * (1 + 1e-9));
          }
          expect(Number.isFinite(state.budget + state.hardBudget + state.burst + (state.power?.allowed ?? 0))).toBe(
            true,
          );
        }
      }),
      { numRuns: 400 },
    );
  });
});
