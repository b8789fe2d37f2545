/** Norms of odd widths, of heads, and of rows that are small, large or far from zero. */
import { add } from '../../../src/graph/ops/add.ts';
import { layerNorm } from '../../../src/graph/ops/layerNorm.ts';
import { layerNormGainGradient } from '../../../src/graph/ops/layerNormGainGradient.ts';
import { layerNormInputGradient } from '../../../src/graph/ops/layerNormInputGradient.ts';
import { rmsNorm } from '../../../src/graph/ops/rmsNorm.ts';
import { rmsNormGainGradient } from '../../../src/graph/ops/rmsNormGainGradient.ts';
import { rmsNormInputGradient } from '../../../src/graph/ops/rmsNormInputGradient.ts';
import { selectRows } from '../../../src/graph/ops/selectRows.ts';
import { type Case, everyLength, sequences } from '../case.ts';
import { VOCABULARY } from '../testGraph.ts';

const widths = [1, 2, 3, 4, 5, 7, 8, 64, 257];

export const normCases: readonly Case[] = [
  {
    name: 'rmsNorm',
    arithmetic: 'sums',
    steps: everyLength,
    build(test) {
      for (const width of widths) {
        const gain = test.floats(1, width);
        test.output(`${width}`, rmsNorm(test.rows(width), gain, 1e-5));
        test.output(`${width} of ±1e-3`, rmsNorm(test.rows(width, 1e-3), gain, 1e-6));
        test.output(`${width} of ±1000`, rmsNorm(test.rows(width, 1000), gain, 1e-5));
        test.output(`${width}, selected rows`, rmsNorm(selectRows(test.rows(width)), gain, 1e-5));
        test.output(`3 heads of ${width}`, rmsNorm(test.rows(3 * width), gain, 1e-6));
      }
    },
  },
  {
    name: 'layerNorm',
    arithmetic: 'sums',
    steps: everyLength,
    build(test) {
      for (const width of widths) {
        const [gain, bias] = [test.floats(1, width), test.floats(1, width)];
        test.output(`${width}`, layerNorm(test.rows(width), gain, bias, 1e-5));
        test.output(`${width}, selected rows`, layerNorm(selectRows(test.rows(width)), gain, bias, 1e-5));
        test.output(`3 heads of ${width}`, layerNorm(test.rows(3 * width), gain, bias, 1e-5));
        // the mean has f32 precision only
        const far = test.embedded(test.floats(VOCABULARY, width, () => 8));
        test.output(`${width} around 8`, layerNorm(add(test.rows(width), far), gain, bias, 1e-5));
      }
    },
  },
  {
    name: 'gradients of rmsNorm',
    arithmetic: 'functions',
    steps: sequences,
    build(test) {
      for (const width of widths) {
        const gain = test.floats(1, width);
        for (const [name, deviation, epsilon] of [
          ['', 1, 1e-5],
          [' of ±1e-3', 1e-3, 1e-6],
          [' of ±1000', 1000, 1e-5],
        ] as const) {
          // the gradient of a single column is almost zero
          if (width > 1)
            test.output(
              `${width}${name}`,
              rmsNormInputGradient(test.rows(width, deviation), gain, test.rows(width), epsilon),
            );
          const attributes = { epsilon, size: width };
          test.output(
            `gain ${width}${name}`,
            rmsNormGainGradient(test.rows(width, deviation), test.rows(width), attributes),
          );
        }
        const [x, dy] = [selectRows(test.rows(3 * width)), selectRows(test.rows(3 * width))];
        if (width > 1) test.output(`3 heads of ${width}, selected rows`, rmsNormInputGradient(x, gain, dy, 1e-5));
        test.output(
          `gain of 3 heads of ${width}, selected rows`,
          rmsNormGainGradient(x, dy, { epsilon: 1e-5, size: width }),
        );
      }
    },
  },
  {
    name: 'gradients of layerNorm',
    arithmetic: 'functions',
    steps: sequences,
    build(test) {
      // one column has no variance, and two normalized columns have almost no gradient
      for (const width of widths.filter((width) => width > 2)) {
        const gain = test.floats(1, width);
        const [x, dy] = [test.rows(width), test.rows(width)];
        test.output(`${width}`, layerNormInputGradient(x, gain, dy, 1e-5));
        test.output(`gain ${width}`, layerNormGainGradient(x, dy, 1e-5));
        test.output(`${width}, selected rows`, layerNormInputGradient(selectRows(x), gain, selectRows(dy), 1e-5));
        test.output(`gain ${width}, selected rows`, layerNormGainGradient(selectRows(x), selectRows(dy), 1e-5));
        const far = add(x, test.embedded(test.floats(VOCABULARY, width, () => 8)));
        test.output(`${width} around 8`, layerNormInputGradient(far, gain, dy, 1e-5));
        test.output(`gain ${width} around 8`, layerNormGainGradient(far, dy, 1e-5));
      }
    },
  },
];
