/**
 * Compares Espalier with other runtimes on this machine, see `about`.
 *
 * Every run is a fresh process (in Chromium: a fresh browser). Figures of one contest, the same work on the same
 * model, are measured together: the engines alternate, round after round, so that a slow minute of the machine affects
 * all of them. Results are medians over the rounds. If an engine runs with several thread counts, its best counts.
 */
import { benchCommand } from './command.ts';
import { figures } from './figures.ts';

const about = `Compares Espalier with node-llama-cpp and, in Chromium, wllama: speed, loading and memory, each in a fresh process.
Missing models are generated with random weights.

  npx tsx bench/compare.ts                          all figures, 5 rounds: about an hour and a half on 2 cores
  npx tsx bench/compare.ts decode-1b prefill-135m   figures with these prefixes
`;

await benchCommand(about, figures, 'node-llama-cpp');
