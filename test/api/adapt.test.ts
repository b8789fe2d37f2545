/** Models that adapt: the same text, within the limits, whatever the sensors say. */
import { describe, expect, it, vi } from 'vitest';
import { type AdaptEvent, type AdaptOptions, load, type Sensors, type Signals } from '../../src/index.ts';
import { tinyModel } from './tinyModel.ts';

const PROMPT = [1, 2, 3];

async function textOf(adapt: AdaptOptions | 'auto' | 'off', maxTokens = 24): Promise<readonly number[]> {
  using model = await load(await tinyModel('llama', 'Q4_0'), { adapt, context: 64 });
  const { ids } = await model.session().generate(PROMPT, { maxTokens }).result;
  return ids;
}

const sensorsOf = (signals: (read: number) => Omit<Signals, 'at'>): Sensors => {
  let count = 0;
  return { read: async () => ({ at: performance.now(), ...signals(count++) }) };
};
const hot = (celsius: number) => ({ temperature: { value: { celsius, limit: 60 }, source: 'test' } });

it('writes the same text as without adapting', async () => {
  const expected = await textOf('off');
  expect(await textOf('auto')).toEqual(expected);
  expect(await textOf({ deadlineMs: 50, prefer: 'battery' })).toEqual(expected);
  expect(await textOf({ sensors: sensorsOf(() => hot(90)) })).toEqual(expected);
});

it('sleeps between the tokens of a device that is too hot, says so, and can be cancelled meanwhile', async () => {
  const events: AdaptEvent[] = [];
  const sensors = sensorsOf(() => hot(95));
  using model = await load(await tinyModel('llama', 'Q4_0'), {
    adapt: { sensors, onChange: (event) => events.push(event) },
    context: 1024,
  });
  // the first readings come while the model is idle
  const cooling = { duty: 0.05, why: expect.stringMatching(/95.0 °C of 60 °C/) };
  await vi.waitFor(() => expect(events.at(-1)).toMatchObject(cooling), 10_000);
  expect(events.at(-1)!.signals.temperature?.value.celsius).toBe(95);
  const controller = new AbortController();
  const generation = model.session().generate(PROMPT, { maxTokens: 900, signal: controller.signal });
  await expect(
    (async () => {
      for await (const { ids } of generation) if (ids.length > 0) controller.abort(new Error('enough'));
    })(),
  ).rejects.toThrow('enough');
});

it.each<[string, Sensors]>([
  ['throw', { read: () => Promise.reject(new Error('no permission')) }],
  [
    'throw at once',
    {
      read: () => {
        throw new Error('gone');
      },
    },
  ],
  ['hang', { read: () => new Promise(() => undefined) }],
  ['say nothing', { read: async () => undefined as unknown as Signals }],
  ['say nonsense', sensorsOf(() => ({ ...hot(Number.NaN), quota: { value: -3, source: 'test' } }))],
  ['jump and vanish', sensorsOf((read) => (read % 2 === 0 ? hot(1000) : {}))],
])('goes on with sensors that %s', async (_, sensors) => {
  expect(await textOf({ sensors, onChange: () => Promise.reject(new Error('of the application')) })).toHaveLength(24);
});

it('releases the sensors with the model', async () => {
  let closed = 0;
  const sensors = { read: async () => ({ at: 0 }), close: () => closed++ };
  const model = await load(await tinyModel('llama', 'Q4_0'), { adapt: { sensors }, context: 64 });
  expect(closed).toBe(0);
  model.dispose();
  expect(closed).toBeGreaterThan(0);
});

describe('refuses', () => {
  it.each<[unknown, RegExp]>([
    ['fast', /adapt is "?fast"?, expected 'off', 'auto' or an object of limits/],
    [{ deadline: 50 }, /option deadline .* expected one of the options prefer, deadlineMs/],
    [{ deadlineMs: -1 }, /deadlineMs is -1, expected a number above 0/],
    [{ floor: -5 }, /floor is -5/],
    [{ sensors: {} }, /adapt.sensors is object, expected an object with a function read/],
    [{ onChange: 1 }, /adapt.onChange is number, expected a function/],
  ])('%j before anything is loaded', async (adapt, message) => {
    await expect(load('/does/not/exist.gguf', { adapt: adapt as 'auto' })).rejects.toThrow(message);
  });
});
