import { describe, expect, it } from 'vitest';
import { type Cache, stepRegisters } from './step.ts';

const cache: Cache = { context: 8, sequences: 1, bytes: 0, copyFrom: async () => undefined, free: () => undefined };
const tokens = [1, 2, 3, 4, 5, 6];

describe('stepRegisters', () => {
  it('describe one sequence that continues a cache', () => {
    expect(stepRegisters({ cache, tokens, position: 2, rows: [5] })).toEqual({ T: 6, P: 2, R: 1, S: 6 });
  });

  it('describe sequences that start at 0 without a cache; one by default', () => {
    expect(stepRegisters({ tokens, rows: [5] })).toEqual({ T: 6, P: 0, R: 1, S: 6 });
    expect(stepRegisters({ tokens, rows: tokens, sequence: 2 })).toEqual({ T: 6, P: 0, R: 6, S: 2 });
  });

  it.each([
    ['sequences of a cache', { cache, sequence: 3 }, 'sequence is 3, expected no value'],
    ['a position without a cache', { position: 1 }, 'position is 1, expected 0'],
    [
      'sequences that do not divide the tokens',
      { sequence: 4 },
      "sequence is 4, expected a divisor of the step's 6 tokens",
    ],
    ['sequences of 0 tokens', { sequence: 0 }, 'sequence is 0'],
    ['sequences of half a token', { sequence: 0.5 }, 'sequence is 0.5'],
  ])('throws for %s', (_, step, message) => {
    expect(() => stepRegisters({ tokens, rows: [], ...step })).toThrow(message);
  });
});
