import { describe, expect, it } from 'vitest';
import { type Page, type Step, stepRows } from './step.ts';

const page: Page = {
  store: {
    pageBytes: 1,
    stateBytes: 0,
    allocate: () => page,
    copy: async () => undefined,
    addState: () => undefined,
    dropState: () => undefined,
    release: () => undefined,
  },
};
const tokens = [1, 2, 3, 4, 5, 6];

describe('the rows of a step', () => {
  it('are those of sequences at positions of their own', () => {
    const sequences = [
      { tokens: [7, 8], position: 14, pages: [page] },
      { tokens: [9], position: 40, pages: [page, page, page] },
    ];
    const rows = stepRows({ sequences, rows: [1, 2] });
    expect(Array.from(rows.positions)).toEqual([14, 15, 40]);
    expect(Array.from(rows.tokens)).toEqual([7, 8, 9]);
    expect(rows.registers).toEqual({ T: 3, P: 14, R: 2, S: 3 });
  });

  it('are those of sequences that begin at 0 without a past, of one by default', () => {
    expect(Array.from(stepRows({ tokens, rows: [5] }).positions)).toEqual([0, 1, 2, 3, 4, 5]);
    const rows = stepRows({ tokens, rows: tokens, sequence: 2 });
    expect(Array.from(rows.positions)).toEqual([0, 1, 0, 1, 0, 1]);
    expect(rows.registers).toEqual({ T: 6, P: 0, R: 6, S: 2 });
  });

  it.each<[string, Partial<Step>, string]>([
    [
      'sequences that do not divide the tokens',
      { sequence: 4 },
      "sequence is 4, expected a divisor of the step's 6 tokens",
    ],
    ['sequences of 0 tokens', { sequence: 0 }, 'sequence is 0'],
    ['sequences of half a token', { sequence: 0.5 }, 'sequence is 0.5'],
    [
      'a position outside',
      { sequences: [{ tokens, position: 11, pages: [page] }] },
      'position is 11, expected room for 6 tokens',
    ],
    ['half a position', { sequences: [{ tokens, position: 0.5, pages: [page] }] }, 'position is 0.5'],
    [
      'a sequence without tokens',
      { sequences: [{ tokens: [], position: 0, pages: [page] }] },
      'tokens of a sequence is 0',
    ],
  ])('throws for %s', (_, step, message) => {
    expect(() => stepRows({ tokens, rows: [], ...step } as Step)).toThrow(message);
  });
});
