import { describe, expect, it } from 'vitest';
import { ExitCosts } from './exitCosts.ts';
import { ExitGain } from './exitGain.ts';

/** Share of tokens that are drafted at the exit, when a token takes so long either way. */
function shareOf(whole: number, early: (token: number) => number, tokens: number): number {
  const gain = new ExitGain();
  let drafted = 0;
  for (let token = 0; token < tokens; token++) {
    const { isEarly } = gain;
    gain.see(isEarly, 1, isEarly ? early(token) : whole);
    if (isEarly) drafted++;
  }
  return drafted / tokens;
}

describe('drafting at an exit', () => {
  it('goes on where it is faster, and is left where it is not', () => {
    expect(shareOf(1, () => 0.8, 4000)).toBeGreaterThan(0.9);
    expect(shareOf(1, () => 1.3, 4000)).toBeLessThan(0.1);
    // equal times are no gain
    expect(shareOf(1, () => 1, 4000)).toBeLessThan(0.1);
  });

  it('is tried again when the text changes', () => {
    expect(shareOf(1, (token) => (token < 3000 ? 1.4 : 0.6), 12_000)).toBeGreaterThan(0.5);
  });

  it('goes on as far as a further draft pays', () => {
    const drafts = (shallow: number, acceptance: number) => {
      const costs = new ExitCosts();
      for (let i = 0; i < 200; i++)
        for (const tokens of [1, 2, 3, 4, 6, 8]) costs.observe(tokens, shallow * tokens, 1 + 0.15 * (tokens - 1));
      let [count, share] = [0, acceptance];
      while (count < 16 && costs.isWorth(share, count + 1)) {
        count++;
        share *= acceptance;
      }
      return count;
    };
    expect(drafts(0.3, 0.3)).toBe(0);
    expect(drafts(0.3, 0.9)).toBeGreaterThan(2);
    expect(drafts(0.3, 0.9)).toBeGreaterThan(drafts(0.8, 0.9));
  });

  it('learns acceptance by margin', () => {
    const costs = new ExitCosts();
    for (let i = 0; i < 100; i++) {
      costs.see(0.1, false);
      costs.see(5, true);
    }
    expect(costs.acceptance(0.1)).toBeLessThan(0.1);
    expect(costs.acceptance(5)).toBeGreaterThan(0.95);
  });
});
