/**
 * Espalier beside the runtimes it is compared with, on this machine: see `about`.
 *
 * Every run is a process of its own (for pages: a browser of its own). Figures of one contest, the same work on the same
 * model, are measured together: their engines in turn, round after round, so that a slow minute of the machine strikes
 * all of them. Medians over the rounds; where an engine is measured with several thread counts, its best counts.
 */
import { benchCommand } from './command.ts';
import { figures } from './figures.ts';

const about = `Espalier beside node-llama-cpp and, in Chromium, wllama: speed, loading and memory, each in a fresh process.
Models with random weights are made where they are missing.

  npx tsx bench/compare.ts                          every figure, 5 rounds: about an hour and a half on 2 cores
  npx tsx bench/compare.ts decode-1b prefill-135m   the figures whose names begin so
`;

await benchCommand(about, figures, 'node-llama-cpp');
