/** Losses, their gradients and sums: certain and uncertain rows, rows without a target, students close to and far from the teacher. */
import { crossEntropy } from '../../../src/graph/ops/crossEntropy.ts';
import { crossEntropyGradient } from '../../../src/graph/ops/crossEntropyGradient.ts';
import { klDivergence } from '../../../src/graph/ops/klDivergence.ts';
import { klDivergenceGradient } from '../../../src/graph/ops/klDivergenceGradient.ts';
import { selectRows } from '../../../src/graph/ops/selectRows.ts';
import { weightedSum } from '../../../src/graph/ops/weightedSum.ts';
import { weightedSumGradient } from '../../../src/graph/ops/weightedSumGradient.ts';
import { type Case, sequences } from '../case.ts';

const widths = [2, 3, 7, 64, 257];

export const lossCases: readonly Case[] = [
  {
    name: 'crossEntropy',
    arithmetic: 'functions',
    steps: sequences,
    build(test) {
      for (const width of widths) {
        // one of width + 1 rows has no target
        const targets = test.input('R', 1, 'i32', () => test.random.integer(width + 1) - 1);
        for (const deviation of [0.01, 1, 30]) {
          const logits = selectRows(test.rows(width, deviation));
          test.output(`${width} of ±${deviation}`, crossEntropy(logits, targets));
          test.output(`gradient, ${width} of ±${deviation}`, crossEntropyGradient(logits, targets, test.input('R', 1)));
        }
        const all = test.input('T', 1, 'i32', () => test.random.integer(width));
        test.output(`all rows, ${width}`, crossEntropy(test.rows(width), all));
      }
    },
  },
  {
    name: 'klDivergence',
    arithmetic: 'layers',
    steps: sequences,
    build(test) {
      for (const width of widths) {
        for (const [temperature, reverse] of [
          [1, 0],
          [1, 1],
          [2, 0.3],
          [0.5, 0.5],
        ] as const) {
          for (const deviation of [1, 10]) {
            const [student, teacher] = [selectRows(test.rows(width, deviation)), test.input('R', width)];
            const name = `${width} of ±${deviation}, temperature ${temperature}, reverse ${reverse}`;
            test.output(name, klDivergence(student, teacher, { temperature, reverse }));
            const dy = test.input('R', 1);
            test.output(`gradient, ${name}`, klDivergenceGradient(student, teacher, dy, { temperature, reverse }));
          }
        }
      }
    },
  },
  {
    name: 'weightedSum',
    arithmetic: 'functions',
    steps: sequences,
    build(test) {
      const weights = test.input('R', 1);
      test.output('sum', weightedSum(selectRows(test.rows(1)), weights));
      test.output('sum of all rows', weightedSum(test.rows(1), test.input('T', 1)));
      test.output('gradient', weightedSumGradient(weights, test.input(1, 1)));
    },
  },
];
