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

const plans: readonly Plan[] = [{ name: '1 thread', threads: 1, quality: 1, seconds: 0.01, watts: 2 }];
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
