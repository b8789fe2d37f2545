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
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { figures } from './figures.ts';
import { machineFacts } from './machine.ts';
import { measure } from './measure.ts';
import { jsonOf, judge, tableOf } from './report.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string' },
    quick: { type: 'boolean', default: false },
    node: { type: 'string', default: process.execPath },
    list: { type: 'boolean' },
  },
});
const rounds = Number(values.rounds ?? (values.quick ? 1 : 5));
const unknown = positionals.find((start) => !figures.some(({ name }) => name.startsWith(start)));
if (!Number.isInteger(rounds) || rounds < 1) fail(`--rounds ${values.rounds}: expected a whole number from 1`);
if (unknown) fail(`no figure begins with ${unknown}; --list names them`);

if (values.list) {
  for (const { name, title } of figures) console.log(`${name.padEnd(28)} ${title}`);
} else {
  const { quick, node } = values;
  const starts = positionals.length > 0 ? positionals : [''];
  const chosen = figures.filter(({ name }) => starts.some((start) => name.startsWith(start)));
  run(process.execPath, ['--import', 'tsx', 'scripts/build.ts', '--if-stale'], root);
  if (!existsSync(`${root}bench/peers/node_modules/node-llama-cpp`)) run('npm', ['ci'], `${root}bench/peers`);
  const machine = await machineFacts(node);
  console.log(
    Object.entries(machine)
      .map(([name, value]) => `${name}: ${value}`)
      .join('\n'),
  );
  const outcomes = await measure(chosen, { rounds, quick, node });
  const verdicts = chosen.map((figure) => judge(figure, outcomes));
  console.log(`\n${tableOf(verdicts)}\n`);
  console.log(jsonOf(verdicts, { machine, rounds, quick }));
}

/** A step of preparation; what it says is progress. */
function run(command: string, args: readonly string[], cwd: string): void {
  const { status } = spawnSync(command, args, { cwd, stdio: ['ignore', process.stderr.fd, process.stderr.fd] });
  if (status !== 0) fail(`${command} ${args.join(' ')} failed: nothing was measured`);
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}
