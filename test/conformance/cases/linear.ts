/** Matrix products in every format. */
import type { Value } from '../../../src/graph/graph.ts';
import { add } from '../../../src/graph/ops/add.ts';
import { linear } from '../../../src/graph/ops/linear.ts';
import { linearInputGradient } from '../../../src/graph/ops/linearInputGradient.ts';
import { linearWeightGradient } from '../../../src/graph/ops/linearWeightGradient.ts';
import { selectRows } from '../../../src/graph/ops/selectRows.ts';
import { sumRows } from '../../../src/graph/ops/sumRows.ts';
import { type BlockFormat, bytesOf } from '../../../src/tensor/blockFormat.ts';
import { blockFormats } from '../../../src/tensor/formats.ts';
import { type Arithmetic, type Case, everyLength, sequences } from '../case.ts';
import { writeRandomBlock } from '../randomBlocks.ts';
import type { TestGraph } from '../testGraph.ts';

const INT16_FORMATS = ['Q8_0', 'IQ4_NL', 'IQ4_XS', 'IQ3_XXS', 'IQ2_S', 'IQ2_XS', 'IQ2_XXS'];

/** Integer range that a backend may round activations to for a format: ±127 or ±32767. */
function mostOf({ name, blockSize }: BlockFormat): number | undefined {
  if (blockSize === 1) return undefined;
  return INT16_FORMATS.includes(name) ? 32767 : 127;
}

function arithmeticOf(format: BlockFormat): Arithmetic {
  const most = mostOf(format);
  return most === undefined ? 'sums' : most === 127 ? 'int8' : 'int16';
}

const widths: Readonly<Record<number, readonly number[]>> = {
  1: [1, 5, 80],
  32: [32, 352],
  64: [64, 320],
  128: [128, 640],
  256: [256, 768],
};

/** Matrix products of all shapes: with and without bias and residual, before and after row selection. */
function products(test: TestGraph, format: BlockFormat, input: (width: number) => Value): void {
  for (const width of widths[format.blockSize]) {
    const x = input(width);
    for (const rows of [1, 13, 40]) {
      const name = `${rows} × ${width}`;
      const product = (from: Value, bias?: Value) => linear(from, test.blocks(format, rows, width), bias);
      test.output(name, product(x));
      test.output(`${name} with bias and residual`, add(product(x, test.floats(1, rows)), test.rows(rows)));
      test.output(`${name} of selected rows with bias`, product(selectRows(x), test.floats(1, rows)));
    }
  }
}

const random = blockFormats.map(
  (format): Case => ({
    name: `linear ${format.name}`,
    arithmetic: arithmeticOf(format),
    steps: everyLength,
    build: (test) => products(test, format, (width) => test.rows(width)),
  }),
);

const blocked = blockFormats.filter((format) => mostOf(format) !== undefined);

const whole = blocked.map(
  (format): Case => ({
    name: `linear ${format.name}, activations that rounding leaves as they are`,
    arithmetic: 'sums',
    steps: everyLength,
    build: (test) => products(test, format, (width) => test.wholeRows(width, mostOf(format)!)),
  }),
);

/** The largest possible sums: all codes have the same byte, and all activations the same magnitude. */
const extreme = blocked.map(
  (format): Case => ({
    name: `linear ${format.name}, extremes`,
    arithmetic: 'sums',
    steps: everyLength,
    build(test) {
      const width = 2 * Math.max(256, format.blockSize);
      const fills = [0xff, 0x00, 0x80, 0x7f, 0x88, 0x77, 0x3f, 0xf0];
      const bytes = new Uint8Array(bytesOf(format, fills.length * width));
      for (let at = 0; at < bytes.length; at += format.blockBytes) {
        const fill = fills[Math.floor((at / bytes.length) * fills.length)];
        writeRandomBlock(format, bytes, at, test.random, () => fill);
      }
      const matrix = test.stored(format, fills.length, width, bytes);
      const most = mostOf(format)!;
      const signs = [() => 1, () => -1, (column: number) => (column % 2) * 2 - 1, (column: number) => 1 - (column & 2)];
      const table = test.floats(64, width, (row, column) => (row < 60 ? signs[row & 3](column) * most : 0) / 128);
      test.output('y', linear(test.embedded(table), matrix));
    },
  }),
);

/** Input gradients of wide and narrow matrices. */
const inputGradients = blockFormats.map(
  (format): Case => ({
    name: `linearInputGradient ${format.name}`,
    arithmetic: 'sums',
    steps: sequences,
    build(test) {
      for (const width of widths[format.blockSize]) {
        for (const rows of [1, 13, 40]) {
          const dx = (dy: Value) => linearInputGradient(dy, test.blocks(format, rows, width));
          test.output(`${rows} × ${width}`, dx(test.rows(rows)));
          test.output(`${rows} × ${width} of selected rows`, dx(selectRows(test.rows(rows))));
        }
      }
    },
  }),
);

const weightGradients: Case = {
  name: 'linearWeightGradient and sumRows',
  arithmetic: 'sums',
  steps: sequences,
  build(test) {
    for (const outputs of [1, 8, 13, 40]) {
      const dy = test.rows(outputs);
      test.output(`bias of ${outputs}`, sumRows(dy));
      test.output(`bias of ${outputs}, selected rows`, sumRows(selectRows(dy)));
      test.output(`${outputs}, symmetric`, linearWeightGradient(dy, dy));
      test.output(`${outputs}, symmetric, selected rows`, linearWeightGradient(selectRows(dy), selectRows(dy)));
      for (const inputs of [1, 4, 5, 80]) {
        const x = test.rows(inputs);
        test.output(`${outputs} × ${inputs}`, linearWeightGradient(dy, x));
        test.output(
          `${outputs} × ${inputs}, two of them`,
          add(linearWeightGradient(dy, x), linearWeightGradient(test.rows(outputs), x)),
        );
        test.output(`${outputs} × ${inputs}, selected rows`, linearWeightGradient(selectRows(dy), selectRows(x)));
      }
    }
  },
};

export const linearCases: readonly Case[] = [
  ...random,
  ...whole,
  ...extreme,
  ...inputGradients,
  weightGradients,
  {
    name: 'linear, a matrix that is read in pieces',
    arithmetic: 'sums',
    steps: [{ T: 1 }, { T: 2 }],
    build(test) {
      const matrix = test.floats(1301, 1024, (row, column) => ((row * 7919 + column * 104729) % 127) / 64 - 1);
      test.output('y', linear(test.rows(1024), matrix));
    },
  },
  {
    name: 'linear, one input for formats that take it differently',
    arithmetic: 'int8',
    steps: everyLength,
    build(test) {
      const x = test.rows(256);
      for (const format of blockFormats) test.output(format.name, linear(x, test.blocks(format, 9, 256)));
    },
  },
];
