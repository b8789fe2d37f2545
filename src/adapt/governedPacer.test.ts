import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type AdaptEvent, GovernedPacer } from './governedPacer.ts';
import type { AdaptLimits } from './limits.ts';
import type { Plan } from './plan.ts';
import type { Signals } from './sensors/signals.ts';

beforeEach(() => {
  // not `performance`: on Node 20.0.0 the test runner would see its clock jump, and call every test too slow
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'], now: 0 });
  vi.spyOn(performance, 'now').mockImplementation(() => Date.now());
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

const power = { value: 2, low: 2, high: 2, method: 'model', note: 'of the test' } as const;
const plans: readonly Plan[] = [{ name: '1 thread', threads: 1, quality: 1, seconds: 0.01, power }];
const source = 'test';

/** A pacer whose sensors read one of `readings` after the other, and its events. */
function paced(readings: readonly unknown[], limits: AdaptLimits = {}) {
  const events: AdaptEvent[] = [];
  let next = 0;
  const sensors = { read: async () => readings[Math.min(next++, readings.length - 1)] as Signals };
  const pacer = new GovernedPacer(plans, limits, sensors, (event) => events.push(event));
  return { pacer, events };
}

const step = (seconds: number) => ({ tokens: 1, rows: 1, isDecoding: true, seconds });

describe('malformed signals', () => {
  // a rejection that nobody handles ends a Node process
  const rejected: unknown[] = [];
  const onRejection = (reason: unknown) => rejected.push(reason);
  beforeEach(() => {
    rejected.length = 0;
    process.on('unhandledRejection', onRejection);
  });
  afterEach(() => {
    process.off('unhandledRejection', onRejection);
  });

  /** Lets Node report the rejections of the last turn. */
  const turn = () => new Promise((resolve) => setImmediate(resolve));

  it.each<[object, string]>([
    [{ temperature: Number.NaN }, 'temperature'],
    [{ battery: {} }, 'battery'],
    [{ temperature: { source } }, 'temperature'],
    [{ energy: { value: { joules: 1 }, source } }, 'energy'],
    [{ temperature: { value: { celsius: '95', limit: '60' }, source } }, 'temperature'],
  ])('are unknown and named, and the others count: %j', async (reading, name) => {
    const { pacer, events } = paced([{ at: 0, hidden: { value: true, source }, ...reading }]);
    await vi.advanceTimersByTimeAsync(0);
    await vi.advanceTimersByTimeAsync(1000);
    pacer.observe(step(0.01));
    await vi.advanceTimersByTimeAsync(0);
    await turn();
    expect(rejected).toEqual([]);
    expect(events).toHaveLength(1);
    const [{ signals, malformed, duty }] = events;
    expect([signals.hidden?.value, Object(signals)[name], malformed, duty]).toEqual([true, undefined, [name], 0.5]);
  });
});

describe('pauses', () => {
  /** Runs steps as the scheduler does. @returns the wait after each in milliseconds */
  async function run(pacer: GovernedPacer, seconds: readonly number[]): Promise<number[]> {
    const waits: number[] = [];
    for (const each of seconds) {
      await vi.advanceTimersByTimeAsync(1000 * each);
      pacer.observe(step(each));
      const wait = Math.max(0, pacer.wait());
      await vi.advanceTimersByTimeAsync(wait);
      waits.push(wait);
    }
    return waits;
  }

  // 0.6 of 2 watts: 30% of the time
  const limits = { maxWatts: 0.6 };

  it('that one sleep is too short for are made up for after the next steps', async () => {
    const { pacer } = paced([{}], limits);
    const steps = [3, ...new Array(20).fill(0.1)];
    const waits = await run(pacer, steps);
    expect(Math.max(...waits)).toBe(2000);
    const computed = 1000 * steps.reduce((a, b) => a + b);
    const paused = waits.reduce((a, b) => a + b);
    expect(computed / (computed + paused)).toBeCloseTo(0.3, 2);
    expect(waits.at(-1)).toBeCloseTo(233, -1);
  });

  it('count the time in which nobody asked for tokens', async () => {
    const { pacer } = paced([{}], limits);
    await run(pacer, [3]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect((await run(pacer, [0.12, 0.12])).map(Math.round)).toEqual([280, 280]);
  });

  it('are not made up for once nothing limits the model', async () => {
    const { pacer } = paced([{ hidden: { value: true, source } }, {}]);
    await vi.advanceTimersByTimeAsync(0);
    expect(await run(pacer, [6, 0.1])).toEqual([2000, 0]);
  });
});

it('reports that no thermometer is readable at the start, when one falls silent, and when it is back', async () => {
  const temperature = { value: { celsius: 20 }, source };
  const silent = new Array(40).fill({});
  const { pacer, events } = paced([{}, { temperature }, ...silent, { temperature }], { maxTemperature: 43 });
  await vi.advanceTimersByTimeAsync(0);
  for (let second = 0; second < 45; second++) {
    await vi.advanceTimersByTimeAsync(1000);
    pacer.observe(step(0.01));
  }
  await vi.advanceTimersByTimeAsync(0);
  const blind = '1 thread: maxTemperature of 43 °C cannot be kept: no thermometer is readable';
  expect(events.map(({ why }) => why)).toEqual([
    blind,
    '1 thread: nothing limits it',
    blind,
    '1 thread: nothing limits it',
  ]);
});

describe('of several streams and of drafts', () => {
  it('the waits count, not the steps: a stream waits for the rows of the others', async () => {
    const { pacer, events } = paced([{}], { deadlineMs: 15 });
    for (let token = 0; token < 300; token++) {
      const asked = pacer.clock();
      await vi.advanceTimersByTimeAsync(20);
      pacer.observe({ tokens: 4, rows: 4, isDecoding: true, seconds: 0.02 });
      for (let stream = 0; stream < 4; stream++) pacer.observeTokens(1, (pacer.clock() - asked) / 1000);
    }
    expect(events.map(({ unmet }) => unmet)).toEqual([[], ['deadlineMs']]);
    expect(events.at(-1)!.why).toMatch(/no plan meets 15 ms: the fastest takes 2[01]/);
  });

  it('pauses are no part of a wait', async () => {
    const { pacer, events } = paced([{}], { maxWatts: 0.5, deadlineMs: 50 });
    await vi.advanceTimersByTimeAsync(0);
    for (let token = 0; token < 100; token++) {
      const asked = pacer.clock();
      await vi.advanceTimersByTimeAsync(Math.max(0, pacer.wait()));
      pacer.wait();
      await vi.advanceTimersByTimeAsync(10);
      pacer.observe(step(0.01));
      pacer.observeTokens(1, (pacer.clock() - asked) / 1000);
    }
    expect(events.at(-1)!.why).toMatch(/95% of the tokens in 4[0-4](\.\d)? ms of 50/);
  });
});

describe('a limit of power', () => {
  /** A device that takes 5 W idle and more while it computes, with a counter of energy. */
  async function run(maxWatts: number, { active = 10, seconds = 0.05, rest = 0 }, until = 180) {
    let [joules, accounted] = [0, 0];
    const account = () => {
      joules += (5 * (Date.now() - accounted)) / 1000;
      accounted = Date.now();
      return joules;
    };
    const energy = () => ({ value: { joules: account(), domains: ['package-0'] }, source });
    const events: AdaptEvent[] = [];
    const sensors = { read: async () => ({ at: 0, energy: energy() }) };
    const pacer = new GovernedPacer(plans, { maxWatts }, sensors, (event) => events.push(event));
    let [computed, half] = [0, { joules: 0, computed: 0 }];
    const wait = (milliseconds: number) => vi.advanceTimersByTimeAsync(Math.max(0, milliseconds));
    while (Date.now() < 1000 * until) {
      if (half.joules === 0 && Date.now() >= 500 * until) half = { joules: account(), computed };
      // at first little is asked for
      if (Date.now() < 250 * until) await wait(rest);
      await wait(1000 * seconds);
      joules += active * seconds;
      computed += seconds;
      pacer.observe(step(seconds));
      await wait(pacer.wait());
    }
    const time = until / 2;
    return { watts: (account() - half.joules) / time, share: (computed - half.computed) / time, events };
  }

  it.each([
    [7, { active: 10 }, 0.2],
    [7, { active: 4, seconds: 0.3 }, 0.5],
    [7, { active: 10, rest: 2000 }, 0.2],
    [7, { active: 1 }, 1],
    [5.6, { active: 10 }, 0.06],
    [12, { active: 10, seconds: 1.5 }, 0.7],
  ])('of %d W is kept on a device that takes 5 W idle, and used: %j', async (maxWatts, device, share) => {
    const found = await run(maxWatts, device);
    expect(found.watts).toBeLessThan(1.02 * maxWatts);
    expect(found.share).toBeGreaterThan(0.95 * share);
    expect(found.events.at(-1)!.unmet).toEqual([]);
  });

  it('below the idle power is said to be out of reach, and never stalls the text', async () => {
    const { share, events } = await run(4, {});
    expect(share).toBeCloseTo(0.05, 2);
    expect(events.at(-1)!.unmet).toEqual(['maxWatts']);
    expect(events.at(-1)!.why).toMatch(
      /; maxWatts of 4 W cannot be kept: the longest pauses leave 5\.\d+ W, between \d\.\d+ and \d\.\d+; rapl: package-0; idle power included/,
    );
  });
});
