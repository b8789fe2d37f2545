/** Ops that only move values, and steps that compute only some outputs. */
import { add } from '../../../src/graph/ops/add.ts';
import { columns } from '../../../src/graph/ops/columns.ts';
import { embed } from '../../../src/graph/ops/embed.ts';
import { linear } from '../../../src/graph/ops/linear.ts';
import { positions } from '../../../src/graph/ops/positions.ts';
import { scale } from '../../../src/graph/ops/scale.ts';
import { scatterColumns } from '../../../src/graph/ops/scatterColumns.ts';
import { scatterRows } from '../../../src/graph/ops/scatterRows.ts';
import { selectRows } from '../../../src/graph/ops/selectRows.ts';
import { type Case, everyLength, sequences } from '../case.ts';

export const rowCases: readonly Case[] = [
  {
    name: 'columns',
    arithmetic: 'copies',
    steps: everyLength,
    build(test) {
      const x = test.rows(37);
      for (const [from, width] of [
        [0, 37],
        [0, 1],
        [36, 1],
        [5, 16],
        [21, 16],
      ] as const) {
        test.output(`${width} from ${from}`, columns(x, from, width));
        test.output(`${width} from ${from} of selected rows`, columns(selectRows(x), from, width));
      }
      for (const [from, width] of [
        [0, 6],
        [5, 1],
        [2, 4],
      ] as const)
        test.output(`${width} from ${from} of 5 groups`, columns(test.rows(30), from, width, 'columns', 5));
    },
  },
  {
    name: 'selectRows',
    arithmetic: 'copies',
    steps: [
      { T: 5, P: 0, rows: [] },
      { T: 5, P: 0, rows: [4] },
      { T: 5, P: 0, rows: [0, 2, 3] },
      { T: 5, P: 0 },
      { T: 1, P: 0, rows: [] },
      { T: 1, P: 0 },
      { T: 64, P: 0, rows: [0, 31, 32, 63] },
    ],
    build(test) {
      for (const width of [1, 3, 64]) test.output(`${width}`, selectRows(test.rows(width)));
      const x = test.rows(8);
      test.output('of an output', x);
      test.output('twice', add(selectRows(x), selectRows(x)));
    },
  },
  {
    name: 'scatterColumns and scatterRows',
    arithmetic: 'copies',
    steps: sequences,
    build(test) {
      for (const [width, from, whole] of [
        [37, 0, 37],
        [1, 0, 37],
        [1, 36, 37],
        [16, 5, 37],
        [16, 16, 64],
      ] as const) {
        const x = test.rows(width);
        test.output(`${width} from ${from} of ${whole}`, scatterColumns(x, from, whole));
        test.output(`${width} from ${from} of ${whole}, selected rows`, scatterColumns(selectRows(x), from, whole));
      }
      // all rows of the step are compared, not only the selected ones
      for (const width of [1, 3, 64]) test.rowsOutput(`${width}`, scatterRows(selectRows(test.rows(width))));
    },
  },
  {
    name: 'positions',
    arithmetic: 'copies',
    steps: [{ T: 1, P: 0 }, { T: 17, P: 0 }, { T: 4, P: 17 }, { T: 1, P: 127 }, ...sequences],
    build(test) {
      const table = test.floats(128, 24);
      test.output('alone', embed(table, positions(test.graph)));
      test.output('added', add(test.rows(24), embed(table, positions(test.graph))));
    },
  },
  {
    name: 'outputs, some of them',
    arithmetic: 'sums',
    steps: [
      { T: 3, P: 0, outputs: ['early'] },
      { T: 3, P: 0, outputs: ['middle', 'early'] },
      { T: 2, P: 0, outputs: ['late'] },
      { T: 5, P: 0 },
      { T: 1, P: 0, outputs: ['middle'] },
    ],
    build(test) {
      const early = linear(test.rows(24), test.floats(24, 24));
      const middle = add(early, linear(early, test.floats(24, 24)));
      test.output('early', early);
      test.output('middle', middle);
      test.output('late', scale(linear(selectRows(middle), test.floats(50, 24)), 0.5));
    },
  },
];
