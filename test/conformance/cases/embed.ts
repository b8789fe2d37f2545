/** Embedding lookups in every format: packed rows are decoded like in the reference. */
import { embed } from '../../../src/graph/ops/embed.ts';
import { embedWeightGradient } from '../../../src/graph/ops/embedWeightGradient.ts';
import { positions } from '../../../src/graph/ops/positions.ts';
import { blockFormats } from '../../../src/tensor/formats.ts';
import { type Case, sequences } from '../case.ts';
import { VOCABULARY } from '../testGraph.ts';

const widths: Readonly<Record<number, readonly number[]>> = {
  1: [1, 5, 80],
  32: [32, 96],
  64: [64, 192],
  128: [128, 384],
  256: [256, 512],
};

const tables = blockFormats.map(
  (format): Case => ({
    name: `embed ${format.name}`,
    arithmetic: 'single',
    // enough tokens for every row, and one
    steps: [
      { T: 256, P: 0 },
      { T: 1, P: 0 },
      { T: 7, P: 30 },
    ],
    context: 256,
    build(test) {
      for (const width of widths[format.blockSize]) {
        test.output(`by token, ${width}`, embed(test.blocks(format, VOCABULARY, width), test.tokens));
        test.output(`by position, ${width}`, embed(test.blocks(format, 261, width), positions(test.graph)));
      }
    },
  }),
);

const gradients: Case = {
  name: 'embedWeightGradient',
  // rows are added in the order of the tokens
  arithmetic: 'single',
  steps: [...sequences, { T: 256, sequence: 32 }],
  build(test) {
    for (const width of [1, 5, 80]) {
      const dy = test.rows(width);
      test.output(`by token, ${width}`, embedWeightGradient(dy, test.tokens, VOCABULARY));
      test.output(`by position, ${width}`, embedWeightGradient(dy, positions(test.graph), 64));
    }
  },
};

export const embedCases: readonly Case[] = [...tables, gradients];
