/** Norms of odd widths, of heads, and of rows that are small, large or far from zero. */
import { add } from '../../../src/graph/ops/add.ts';
import { layerNorm } from '../../../src/graph/ops/layerNorm.ts';
import { rmsNorm } from '../../../src/graph/ops/rmsNorm.ts';
import { selectRows } from '../../../src/graph/ops/selectRows.ts';
import { type Case, everyLength } from '../case.ts';
import { VOCABULARY } from '../testGraph.ts';

const widths = [1, 2, 3, 4, 5, 7, 8, 64, 257];

export const normCases: readonly Case[] = [
  {
    name: 'rmsNorm',
    tolerance: 1e-12,
    steps: everyLength,
    build(test) {
      for (const width of widths) {
        const gain = test.floats(1, width);
        test.output(`${width}`, rmsNorm(test.rows(width), gain, 1e-5));
        test.output(`${width} of ±1e-3`, rmsNorm(test.rows(width, 1e-3), gain, 1e-6));
        test.output(`${width} of ±1000`, rmsNorm(test.rows(width, 1000), gain, 1e-5));
        test.output(`${width}, wanted rows`, rmsNorm(selectRows(test.rows(width)), gain, 1e-5));
        test.output(`3 heads of ${width}`, rmsNorm(test.rows(3 * width), gain, 1e-6));
      }
    },
  },
  {
    name: 'layerNorm',
    tolerance: 1e-12,
    steps: everyLength,
    build(test) {
      for (const width of widths) {
        const [gain, bias] = [test.floats(1, width), test.floats(1, width)];
        test.output(`${width}`, layerNorm(test.rows(width), gain, bias, 1e-5));
        test.output(`${width}, wanted rows`, layerNorm(selectRows(test.rows(width)), gain, bias, 1e-5));
        // the mean is what f32 can hold of it
        const far = test.embedded(test.floats(VOCABULARY, width, () => 8));
        test.output(`${width} around 8`, layerNorm(add(test.rows(width), far), gain, bias, 1e-5));
      }
    },
  },
];
