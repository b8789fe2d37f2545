/** How fast Espalier learns, on this machine: see `about`. */
import { benchCommand } from './command.ts';
import { learningFigures } from './learningFigures.ts';

const about = `How fast Espalier learns: its matrix products and a whole training step beside what the arithmetic allows, its
memory beside what the graph needs, and the same step beside TensorFlow.js.

  npx tsx bench/learning.ts                 every figure, 5 rounds: about 40 minutes on 2 cores
  npx tsx bench/learning.ts products step   the figures whose names begin so
`;

await benchCommand(about, learningFigures, '@tensorflow/tfjs');
