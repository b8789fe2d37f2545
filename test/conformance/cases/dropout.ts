/** Dropout drops the same elements as the reference for any seed, salt and rate, and none with a negative seed. */
import { dropout } from '../../../src/graph/ops/dropout.ts';
import { selectRows } from '../../../src/graph/ops/selectRows.ts';
import { type Case, sequences } from '../case.ts';

export const dropoutCases: readonly Case[] = [
  {
    name: 'dropout',
    arithmetic: 'single',
    steps: sequences,
    build(test) {
      const seed = test.input(1, 1, 'i32', () => test.random.integer(2 ** 31));
      const off = test.input(1, 1, 'i32', () => -1);
      for (const [i, width] of [1, 3, 4, 64, 257].entries()) {
        for (const rate of [0, 0.1, 0.5, 0.9]) {
          const attributes = { rate, salt: i + 1e9 * rate };
          test.output(`${rate} of ${width}`, dropout(test.rows(width), seed, attributes));
        }
        test.output(`off, ${width}`, dropout(test.rows(width), off, { rate: 0.5, salt: i }));
        test.output(`selected rows, ${width}`, dropout(selectRows(test.rows(width)), seed, { rate: 0.3, salt: i }));
      }
    },
  },
];
