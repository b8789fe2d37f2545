/**
 * How fast Espalier learns, on this machine: its matrix products and a whole training step beside what the arithmetic
 * allows, and beside TensorFlow.js at the same step.
 *
 *   npx tsx bench/learning.ts                 every figure, 5 rounds: about 25 minutes on 2 cores
 *   npx tsx bench/learning.ts products step   the figures whose names begin so
 *
 * Options, rounds and report are those of compare.ts.
 */
import { benchCommand } from './command.ts';
import { learningFigures } from './learningFigures.ts';

await benchCommand(learningFigures, '@tensorflow/tfjs');
