/** What the programs of figures share: their options, what is made before, the runs, the report. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Contest, Figure } from './contest.ts';
import { machineFacts } from './machine.ts';
import { measure } from './measure.ts';
import { jsonOf, judge, tableOf } from './report.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

const optionsHelp = `
  --rounds N          runs of every engine, in turn; medians count (default: 5)
  --list              the names of the figures and what they are
  --quick             a smoke test: one round of little work, no verdict worth having
  --node PATH         our side under another Node
  -h, --help

Builds what is stale and installs the peers where they are missing. Progress goes to stderr; stdout gets a table and, as
the last line, one JSON object.`;

/**
 * @param about what the program does and how it is called, for --help
 * @param peer a package of bench/peers that the figures need
 */
export async function benchCommand(about: string, figures: readonly Figure[], peer: string): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      node: { type: 'string', default: process.execPath },
      list: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    console.log(`${about}\n${optionsHelp}`);
    return;
  }
  const rounds = Number(values.rounds ?? (values.quick ? 1 : 5));
  const unknown = positionals.find((start) => !figures.some(({ name }) => name.startsWith(start)));
  if (!Number.isInteger(rounds) || rounds < 1) fail(`--rounds ${values.rounds}: expected a whole number from 1`);
  if (unknown) fail(`no figure begins with ${unknown}; --list names them`);

  if (values.list) {
    for (const { name, title } of figures) console.log(`${name.padEnd(28)} ${title}`);
    return;
  }
  const { quick, node } = values;
  const starts = positionals.length > 0 ? positionals : [''];
  const named = figures.filter(({ name }) => starts.some((start) => name.startsWith(start)));
  const chosen = quick ? quickly(named) : named;
  run(process.execPath, ['--import', 'tsx', 'scripts/build.ts', '--if-stale'], root);
  if (!existsSync(`${root}bench/peers/node_modules/${peer}`)) run('npm', ['ci'], `${root}bench/peers`);
  const machine = await machineFacts(node);
  console.log(
    Object.entries(machine)
      .map(([name, value]) => `${name}: ${value}`)
      .join('\n'),
  );
  const outcomes = await measure(chosen, rounds, { node });
  const verdicts = chosen.map((figure) => judge(figure, outcomes));
  console.log(`\n${tableOf(verdicts)}\n`);
  console.log(jsonOf(verdicts, { machine, rounds, quick }));
}

/** The figures with less work, those of one contest still sharing it. */
function quickly(figures: readonly Figure[]): Figure[] {
  const smaller = new Map<Contest, Contest>();
  for (const { contest } of figures) smaller.set(contest, { ...contest, work: contest.quickWork });
  return figures.map((figure) => ({ ...figure, contest: smaller.get(figure.contest)! }));
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
