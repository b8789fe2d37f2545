/** Shared main program of the benchmarks: options, preparation, runs, report. */
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
  --rounds N          rounds; every engine runs once per round, medians count (default: 5)
  --list              list all figures
  --quick             smoke test: one round with little work; its verdicts mean nothing
  --node PATH         run Espalier with another Node
  -h, --help

Builds what is stale and installs missing peers. Progress goes to stderr. stdout gets a table and, on the last line, one
JSON object.`;

/**
 * @param about description and usage for --help
 * @param peer package of bench/peers that the figures need
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
  if (!Number.isInteger(rounds) || rounds < 1) fail(`--rounds ${values.rounds}: expected an integer of at least 1`);
  if (unknown) fail(`no figure has the prefix ${unknown}; --list shows all figures`);

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

/** Returns the figures with less work. Figures of one contest still share it. */
function quickly(figures: readonly Figure[]): Figure[] {
  const smaller = new Map<Contest, Contest>();
  for (const { contest } of figures) smaller.set(contest, { ...contest, work: contest.quickWork });
  return figures.map((figure) => ({ ...figure, contest: smaller.get(figure.contest)! }));
}

/** Runs a preparation step. Its output goes to stderr. */
function run(command: string, args: readonly string[], cwd: string): void {
  const { status } = spawnSync(command, args, { cwd, stdio: ['ignore', process.stderr.fd, process.stderr.fd] });
  if (status !== 0) fail(`${command} ${args.join(' ')} failed; nothing was measured`);
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}
