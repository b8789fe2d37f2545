/** Measures training speed on this machine, see `about`. */
import { benchCommand } from './command.ts';
import { learningFigures } from './learningFigures.ts';

const about = `Training speed: matrix products and a whole training step compared with peak arithmetic, the
memory compared with the needs of the graph, and the same step in TensorFlow.js.

  npx tsx bench/learning.ts                 all figures, 5 rounds: about 40 minutes on 2 cores
  npx tsx bench/learning.ts products step   figures with these prefixes
`;

await benchCommand(about, learningFigures, '@tensorflow/tfjs');
