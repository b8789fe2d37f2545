/**
 * Espalier beside the runtimes it is compared with, on this machine.
 *
 *   npx tsx bench/compare.ts                          every figure, 5 rounds: about half an hour on 2 cores
 *   npx tsx bench/compare.ts decode-1b prefill-135m   the figures whose names begin so
 *   npx tsx bench/compare.ts --list
 *   npx tsx bench/compare.ts --quick                  a smoke test: one round of few tokens, no verdict worth having
 *   npx tsx bench/compare.ts --node /path/to/node     our side under another Node
 *
 * Builds what is stale, installs the peers and makes the models where they are missing. Every run is a process of its own
 * (for pages: a browser of its own). Figures of one contest, the same work on the same model, are measured together: their
 * engines in turn, round after round, so that a slow minute of the machine strikes all of them. Medians over the rounds;
 * where an engine is measured with several thread counts, its best counts. Progress on stderr; on stdout a table, and one
 * JSON object as the last line.
 */
import { benchCommand } from './command.ts';
import { figures } from './figures.ts';

await benchCommand(figures, 'node-llama-cpp');
