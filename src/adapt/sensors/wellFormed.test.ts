import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SteadySignals } from './steady.ts';
import { wellFormed } from './wellFormed.ts';

const source = 'test';

describe('a malformed signal', () => {
  const hidden = { value: true, source };

  it.each<[string, unknown]>([
    ['temperature', { value: { celsius: '43' }, source }],
    ['temperature', Number.NaN],
    ['temperature', { source }],
    ['temperature', { value: { celsius: 43 } }],
    ['battery', { value: { level: '0.5', isCharging: false }, source }],
    ['battery', { value: { level: 0.5, isCharging: 'no' }, source }],
    ['energy', { value: { joules: 5 }, source }],
    ['energy', { value: { joules: '5', domains: [] }, source }],
    ['quota', { value: '2', source }],
    ['stall', { value: Number.NaN, source }],
    ['pressure', { value: 'warm', source }],
    ['lowPower', { value: 'false', source }],
  ])('%s is unknown and named, and the others count: %j', (name, signal) => {
    const read = wellFormed({ at: 0, hidden, [name]: signal }, 7);
    expect(read).toEqual({ signals: { at: 7, hidden }, malformed: [name] });
  });

  it('loses a wrong field only, where the signal makes sense without it', () => {
    const temperature = { value: { celsius: 43, limit: '60' }, source };
    const read = wellFormed({ temperature }, 0);
    expect(read).toEqual({
      signals: { at: 0, temperature: { value: { celsius: 43 }, source } },
      malformed: ['temperature.limit'],
    });
  });
});

it('takes any reading, and keeps numbers only', () => {
  fc.assert(
    fc.property(fc.anything(), fc.anything(), (reading, value) => {
      for (const each of [
        reading,
        { temperature: { value: { celsius: value }, source } },
        { load: { value, source } },
      ]) {
        const { signals } = wellFormed(each, 0);
        const { temperature, load } = new SteadySignals().see(signals);
        for (const number of [temperature?.value.celsius, load?.value])
          expect(number === undefined || Number.isFinite(number)).toBe(true);
      }
    }),
  );
});
