/**
 * The time of a step of T tokens divided by that of a step of one token: what speculation, several sessions at once and
 * short prompts cost. `tsx bench/smallSteps.ts [--model FILE] [--threads N] [--variant V] [--streams 1|4] [--rounds N] [--steps 2,4,8]`.
 * The default model is the 135M shape in Q4_0, which is made where it is missing. Step sizes alternate in one process, and
 * medians over the rounds count. Prints a table and, as the last line, one JSON object.
 */
import { parseArgs } from 'node:util';
import { wasm } from '../src/backends/wasm/index.ts';
import { openCheckpoint } from '../src/formats/open.ts';
import { PAGE_POSITIONS } from '../src/graph/step.ts';
import { buildModel } from '../src/models/buildModel.ts';
import { weightStore } from '../src/models/weightStore.ts';
import { formatByName } from '../src/tensor/formats.ts';
import { randomModel, warmPageCache } from './models.ts';

/** Tokens that are in the cache before every step. */
const PAST = 64;
const CONTEXT = 256;

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    threads: { type: 'string', default: '1' },
    variant: { type: 'string' },
    streams: { type: 'string' },
    rounds: { type: 'string', default: '15' },
    steps: { type: 'string', default: '2,3,4,5,8,16,64' },
    kv: { type: 'string', default: 'F16' },
    help: { type: 'boolean', short: 'h' },
  },
});

async function main(): Promise<void> {
  const file = values.model ?? randomModel('135m', 'Q4_0').file();
  const rounds = Number(values.rounds);
  const sizes = [1, ...values.steps.split(',').map(Number)];
  await warmPageCache(file);
  const checkpoint = await openCheckpoint(file);
  const model = buildModel(checkpoint, CONTEXT);
  const most = Math.max(...sizes, PAST);
  const program = await wasm.compile(model.graph, {
    weights: weightStore(model),
    maxTokens: most,
    maxRows: most,
    context: CONTEXT,
    settings: {
      threads: Number(values.threads),
      variant: values.variant,
      streams: values.streams === undefined ? undefined : Number(values.streams),
    },
  });
  const ids = (count: number) => Array.from({ length: count }, (_, i) => (i * 7919) % 256);
  const store = program.openPages(formatByName(values.kv));
  const pages = Array.from({ length: CONTEXT / PAGE_POSITIONS }, () => store.allocate());
  const submit = (count: number, position: number, rows: number) =>
    program.run({
      sequences: [{ tokens: ids(count), position, pages }],
      rows: Array.from({ length: rows }, (_, i) => i),
    });
  await submit(PAST, 0, 0).finished();
  const time = async (T: number): Promise<number> => {
    const began = performance.now();
    const step = submit(T, PAST, T);
    await step.finished();
    const spent = performance.now() - began;
    step.release();
    return spent;
  };
  const times = new Map(sizes.map((T) => [T, [] as number[]]));
  // the first rounds warm up: the engine compiles kernels anew when they are hot
  for (let round = -3; round < rounds; round++) {
    for (const T of sizes) {
      const spent = await time(T);
      if (round >= 0) times.get(T)!.push(spent);
    }
  }
  program.dispose();
  await checkpoint.close();
  const one = times.get(1)!;
  const rows = sizes.map((T) => {
    const spent = times.get(T)!;
    // ratios within a round see the same machine
    return { tokens: T, milliseconds: median(spent), ratio: median(spent.map((value, i) => value / one[i])) };
  });
  for (const { tokens, milliseconds, ratio } of rows)
    console.log(`T = ${String(tokens).padStart(3)}  ${milliseconds.toFixed(2).padStart(9)} ms  ${ratio.toFixed(2)} ×`);
  const { description } = program;
  console.log(JSON.stringify({ model: file, ...description.settings, kv: values.kv, rounds, steps: rows }));
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

if (values.help) console.log('see the comment at the top of bench/smallSteps.ts for the options');
else await main();
