import { describe, expect, it } from 'vitest';
import { notesIn } from '../../../test/notesInMemory.ts';
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
    const choice = new StreamChoice(undefined, 'device', MANY);
    decide(choice, four, one);
    expect(choice.oneStream).toBe(oneStream);
  });

  it('is stored, and read by the next program', async () => {
    const texts = new Map<string, string>();
    decide(new StreamChoice(notesIn(texts), 'device', MANY), 2, 1);
    expect([...texts.values()]).toEqual(['1']);
    const next = new StreamChoice(notesIn(texts), 'device', MANY);
    await Promise.resolve().then(() => undefined);
    expect([next.isChosen, next.oneStream]).toEqual([true, true]);
  });

  it('is not measured where weights stay in caches', () => {
    const choice = new StreamChoice(undefined, 'device', 2 ** 20);
    expect([choice.isChosen, choice.oneStream]).toEqual([true, false]);
  });
});
