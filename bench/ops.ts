/**
 * The time of every conformance case on the WebAssembly backend, so that a change of kernels shows what it costs and saves:
 *
 *     npx tsx bench/ops.ts [--only TEXT] [--variant V] [--threads N] [--against FILE.json]
 *
 * A case's steps are run until 50 ms have passed, and the fastest run counts. `--against` prints ratios to an earlier run's
 * last line. Cases are small: results show the work of one op and what it costs to start it, not the bandwidth of memory.
 * Prints a table, and as the last line JSON: microseconds by name.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { wasm } from '../src/backends/wasm/index.ts';
import { type Case, prepare, runner } from '../test/conformance/case.ts';
import { cases } from '../test/conformance/cases.ts';

const MILLISECONDS = 50;

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    variant: { type: 'string' },
    threads: { type: 'string', default: '1' },
    against: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
});

async function microseconds(plan: Case): Promise<number> {
  const settings = { threads: Number(values.threads), variant: values.variant };
  const { run, dispose } = await runner(prepare(plan), wasm, { settings });
  try {
    await run();
    let least = Number.POSITIVE_INFINITY;
    for (const end = performance.now() + MILLISECONDS; performance.now() < end; ) {
      const began = performance.now();
      await run();
      least = Math.min(least, performance.now() - began);
    }
    return 1000 * least;
  } finally {
    dispose();
  }
}

async function main(): Promise<void> {
  const chosen = cases.filter(({ name }) => name.includes(values.only));
  if (chosen.length === 0) throw new Error(`no case has ${JSON.stringify(values.only)} in its name`);
  const before: Record<string, number> = values.against
    ? JSON.parse(readFileSync(values.against, 'utf8').trim().split('\n').at(-1)!)
    : {};
  const found: Record<string, number> = {};
  for (const plan of chosen) {
    const time = await microseconds(plan);
    found[plan.name] = Math.round(10 * time) / 10;
    const old = before[plan.name];
    const ratio = old === undefined ? '' : `  ${(time / old).toFixed(2)} ×`;
    console.log(`${time.toFixed(1).padStart(10)} µs${ratio}  ${plan.name}`);
  }
  console.log(JSON.stringify(found));
}

if (values.help) console.log('see the comment at the top of bench/ops.ts for the options');
else await main();
