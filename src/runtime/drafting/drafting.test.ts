import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DraftLength, MAX_DRAFTS } from './draftLength.ts';
import { Lookup } from './lookup.ts';
import { StepTimes } from './stepTimes.ts';

describe('lookup', () => {
  const after = (ids: readonly number[], most = 4) => {
    const lookup = new Lookup();
    lookup.append(ids);
    return lookup.propose(most);
  };

  it('drafts what followed the same tokens the last time', () => {
    expect(after([1, 2, 3, 4, 5, 1, 2])).toEqual({ ids: [3, 4, 5, 1], match: 2 });
    expect(after([1, 2, 3, 1, 2, 4, 1, 2], 1)).toEqual({ ids: [4], match: 2 });
  });

  it('prefers the longer match to the later one', () => {
    expect(after([9, 1, 2, 3, 8, 1, 2, 4, 9, 1, 2], 1)).toEqual({ ids: [3], match: 3 });
  });

  it('drafts nothing for a text that does not repeat, or that is short', () => {
    for (const ids of [[], [1], [1, 1], [1, 2, 3, 4], [1, 2, 3, 2, 1]]) expect(after(ids)).toBeUndefined();
    expect(after([1, 2, 1, 2], 0)).toBeUndefined();
  });

  it('follows a text of one token', () => {
    expect(after([7, 7, 7, 7, 7], 8)).toEqual({ ids: [7], match: 4 });
  });

  it('finds what a search of the whole text finds', () => {
    const ids = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 3, maxLength: 40 });
    fc.assert(
      fc.property(ids, (text) => {
        const found = after(text, 3);
        const longest = Math.max(0, ...text.map((_, end) => agreement(text, end)));
        if (longest < 2) expect(found).toBeUndefined();
        // only the last places are compared, so the match may be shorter than the longest one
        else if (found) {
          const at = text.findIndex((_, end) => agreement(text, end) >= found.match && isAt(text, found.ids, end));
          expect(at).toBeGreaterThan(0);
        }
      }),
    );
  });

  /** Tokens before `end` that agree with the end of the text. */
  function agreement(text: readonly number[], end: number): number {
    let length = 0;
    while (length < end && text[end - length - 1] === text[text.length - length - 1]) length++;
    return end === text.length ? 0 : length;
  }

  const isAt = (text: readonly number[], ids: readonly number[], at: number) =>
    ids.every((id, i) => text[at + i] === id);
});

describe('times of steps', () => {
  it('are relative to one token, interpolated between what was seen, and not ruined by one disturbance', () => {
    const times = new StepTimes();
    expect(times.ratio(1)).toBe(1);
    expect(times.ratio(3)).toBeGreaterThan(1);
    times.observe(1, 0.01);
    times.observe(5, 0.02);
    expect(times.ratio(5)).toBeCloseTo(2);
    expect(times.ratio(3)).toBeCloseTo(1.5);
    expect(times.ratio(9)).toBeGreaterThan(2);
    times.observe(5, 10);
    expect(times.ratio(5)).toBeLessThan(3);
  });
});

describe('the number of drafts', () => {
  const timesOf = (perToken: number) => {
    const times = new StepTimes();
    for (let tokens = 1; tokens <= MAX_DRAFTS + 1; tokens++) times.observe(tokens, 1 + perToken * (tokens - 1));
    return times;
  };

  it('grows with what is accepted, and falls with what steps cost', () => {
    const [cheap, dear] = [new DraftLength(timesOf(0.05)), new DraftLength(timesOf(0.9))];
    expect(cheap.choose(3, 15)).toBeGreaterThan(0);
    expect(dear.choose(3, 15)).toBe(0);
    const before = cheap.choose(3, 15);
    for (let i = 0; i < 30; i++) cheap.see(3, 4, 4);
    expect(cheap.choose(3, 15)).toBeGreaterThan(before);
    for (let i = 0; i < 200; i++) cheap.see(3, 4, 0);
    expect(cheap.choose(3, 15)).toBe(0);
  });

  it('is judged for long and short matches apart', () => {
    const length = new DraftLength(timesOf(0.2));
    for (let i = 0; i < 40; i++) length.see(2, 3, 0);
    expect(length.choose(2, 8)).toBe(0);
    expect(length.choose(8, 8)).toBeGreaterThan(0);
  });

  it('is tried again after a while without drafts', () => {
    const length = new DraftLength(timesOf(0.9));
    const tried = Array.from({ length: 200 }, () => {
      const count = length.choose(2, 8);
      if (count === 0) length.rest();
      else length.see(2, count, 0);
      return count;
    });
    expect(tried.filter((count) => count > 0)).toEqual([3, 3, 3]);
  });

  it('is at most what there is', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 40 }), (most, match) => {
        expect(new DraftLength(timesOf(0)).choose(match, most)).toBeLessThanOrEqual(Math.min(most, MAX_DRAFTS));
      }),
    );
  });
});
