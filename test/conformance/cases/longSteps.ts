/** Steps, matrices and sums that are larger than a backend's tiles. */
import { accumulate } from '../../../src/graph/ops/accumulate.ts';
import { add } from '../../../src/graph/ops/add.ts';
import { attention } from '../../../src/graph/ops/attention.ts';
import { attentionGradient } from '../../../src/graph/ops/attentionGradient.ts';
import { linear } from '../../../src/graph/ops/linear.ts';
import { linearInputGradient } from '../../../src/graph/ops/linearInputGradient.ts';
import { linearWeightGradient } from '../../../src/graph/ops/linearWeightGradient.ts';
import { squareSum } from '../../../src/graph/ops/squareSum.ts';
import { sumRows } from '../../../src/graph/ops/sumRows.ts';
import { formatByName } from '../../../src/tensor/formats.ts';
import type { Case } from '../case.ts';

export const longStepCases: readonly Case[] = [
  {
    name: 'products of many rows',
    arithmetic: 'sums',
    steps: [
      { T: 600, sequence: 100 },
      { T: 257, sequence: 257, rows: [0, 7, 256] },
    ],
    context: 600,
    build(test) {
      const [wide, narrow] = [test.rows(120), test.rows(20)];
      test.output('y', linear(wide, test.floats(20, 120)));
      test.output('narrow to wide', linearWeightGradient(wide, narrow));
      test.output('wide to narrow', linearWeightGradient(narrow, wide));
      test.output('added up', accumulate(test.state(20, 120), linearWeightGradient(narrow, wide)));
      test.output('bias', sumRows(wide));
      test.output('squares', squareSum([wide, narrow]));
    },
  },
  {
    name: 'linearInputGradient of many outputs',
    arithmetic: 'sums',
    steps: [
      { T: 13, sequence: 13 },
      { T: 1, sequence: 1 },
    ],
    build(test) {
      for (const format of ['F32', 'Q8_0']) {
        const dx = linearInputGradient(test.rows(2060), test.blocks(formatByName(format), 2060, 32));
        test.output(format, dx);
        test.output(
          `${format} and a sum`,
          add(test.rows(32), linearInputGradient(test.rows(2060), test.floats(2060, 32))),
        );
      }
    },
  },
  ...[
    { name: 'all of it', window: 0, softcap: 0 },
    { name: 'a window', window: 37, softcap: 0 },
    { name: 'a window and a softcap', window: 60, softcap: 2 },
  ].map(
    ({ name, ...shape }): Case => ({
      name: `attention over long sequences, ${name}`,
      arithmetic: 'functions',
      steps: [
        { T: 222, sequence: 111 },
        { T: 96, sequence: 96 },
      ],
      context: 128,
      build(test) {
        const attributes = { layer: 0, heads: 4, kvHeads: 2, headSize: 12, scale: 0.3, ...shape };
        const [q, k, v, dy] = [test.rows(48), test.rows(24), test.rows(24), test.rows(48)];
        test.output('y', attention(q, k, v, attributes));
        test.output('gradients', attentionGradient(q, k, v, dy, attributes));
      },
    }),
  ),
];
