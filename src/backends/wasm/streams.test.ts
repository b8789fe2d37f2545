import { describe, expect, it } from 'vitest';
import { StreamChoice } from './streams.ts';

const MANY = 2 ** 30;

/** Measures until the choice is made. */
function decide(choice: StreamChoice, four: number, one: number): void {
  while (!choice.isChosen) choice.record(choice.oneStream ? one : four);
}

describe('the choice of streams', () => {
  it.each([
    { four: 2, one: 1, oneStream: true },
    { four: 1, one: 2, oneStream: false },
  ])('takes what is faster: $four or $one', ({ four, one, oneStream }) => {
    const choice = new StreamChoice(MANY);
    decide(choice, four, one);
    expect(choice.oneStream).toBe(oneStream);
  });

  it('is not measured where weights stay in caches', () => {
    const choice = new StreamChoice(2 ** 20);
    expect([choice.isChosen, choice.oneStream]).toEqual([true, false]);
  });
});
