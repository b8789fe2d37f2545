import { describe, expect, it } from 'vitest';
import { seededRandom } from '../core/random.ts';
import { PieceSize } from './pieceSize.ts';

/** Steps that take 10 ms and some more for each token of a prompt, give or take. */
function simulate(perToken: number, noise: number): number[] {
  const random = seededRandom(1);
  const pieces = new PieceSize();
  const took = (prompt: number) => (10 + perToken * prompt) * (1 + noise * (random.uniform() - 0.5));
  for (let i = 0; i < 10; i++) pieces.observe(0, took(0));
  return Array.from({ length: 200 }, () => {
    const tokens = pieces.beside(1);
    pieces.observe(tokens, took(tokens));
    return 10 + perToken * tokens;
  });
}

describe('pieces of prompts', () => {
  it.each([0.02, 0.1, 0.5, 2])('leave every next token in time, at %f ms a token', (perToken) => {
    const times = simulate(perToken, 0);
    expect(Math.max(...times)).toBeLessThan(32);
    expect(times.at(-1)).toBeGreaterThan(17);
  });

  it('are not thrown off by steps that took longer or shorter', () => {
    const times = simulate(0.5, 0.6).toSorted((a, b) => a - b);
    expect(times[180]).toBeLessThan(35);
    expect(times[100]).toBeGreaterThan(14);
  });

  it.each([1, 2, 3, 4, 7])('fill tiles of four together with %i tokens of streams', (others) => {
    const tokens = new PieceSize().beside(others);
    expect(tokens).toBeGreaterThan(0);
    expect((tokens + others) % 4).toBe(0);
  });
});
