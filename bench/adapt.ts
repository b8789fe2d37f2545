/**
 * What adapting to the device reaches. `tsx bench/adapt.ts [--only meter] [--formats Q4_0,Q8_0] [--threads 1,2]
 * [--rounds 15] [--plot phone.svg] [--model model.gguf]
 * [--prompts 1000] [--exit exit.gguf]
 * [--small small.gguf] [--shapes 135m,1b] [--steps 60] [--seconds 420]`. Phones are simulated; the meter needs an idle machine.
 * Prints tables and, as the last line, one JSON object with the figures of each part.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { threadCounts } from '../src/search/measureCosts.ts';
import { benchCascade } from './adapt/cascade.ts';
import { benchDrafts } from './adapt/drafts.ts';
import { benchElastic } from './adapt/elastic.ts';
import { benchExits } from './adapt/exits.ts';
import { benchIdentity } from './adapt/identity.ts';
import { benchLive } from './adapt/live.ts';
import { benchMeter } from './adapt/meter.ts';
import { benchPhone } from './adapt/phone.ts';
import { benchPhoneEngine } from './adapt/phoneEngine.ts';
import { benchWidths } from './adapt/widths.ts';

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    formats: { type: 'string', default: 'Q4_0' },
    threads: { type: 'string' },
    model: { type: 'string', default: 'models/sapling.gguf' },
    prompts: { type: 'string', default: '1000' },
    exit: { type: 'string', default: 'runs/exits/exit.gguf' },
    small: { type: 'string', default: 'runs/exits/small.gguf' },
    plot: { type: 'string' },
    rounds: { type: 'string', default: '15' },
    shapes: { type: 'string', default: '135m,1b' },
    steps: { type: 'string', default: '60' },
    seconds: { type: 'string', default: '420' },
  },
});
const formats = values.formats.split(',');
const threads = values.threads?.split(',').map(Number) ?? threadCounts(availableParallelism());
const rounds = Number(values.rounds);

/** Parts by name. */
const parts: Readonly<Record<string, () => Promise<object>>> = {
  meter: () => benchMeter({ formats, threads, rounds }),
  phone: () => benchPhone(values.plot),
  phoneEngine: () => benchPhoneEngine(values.model),
  live: () => benchLive({ threads: threads.at(-1)! }),
  drafts: () =>
    benchDrafts(values.model, { rounds: Math.min(rounds, 5), threads: values.threads ? threads.at(-1) : undefined }),
  elastic: () =>
    benchElastic(values.model, {
      shapes: values.shapes.split(',') as ('135m' | '1b')[],
      rounds,
      threads: values.threads ? threads.at(-1) : undefined,
    }),
  widths: () =>
    benchWidths(values.model, {
      steps: Number(values.steps),
      seconds: Number(values.seconds),
      rounds,
      threads: values.threads ? threads.at(-1) : undefined,
    }),
  exits: () =>
    benchExits(values.model, {
      exit: values.exit,
      prompts: Number(values.prompts),
      rounds: Math.min(rounds, 5),
      threads: values.threads ? threads.at(-1) : undefined,
    }),
  cascade: () =>
    benchCascade(values.model, {
      small: values.small,
      prompts: Number(values.prompts),
      threads: values.threads ? threads.at(-1) : undefined,
    }),
  identity: () => benchIdentity(values.model, Number(values.prompts)),
};

const report: Record<string, object> = {};
for (const [name, run] of Object.entries(parts)) {
  if (values.only !== undefined && values.only !== name) continue;
  console.log(`\n${name}`);
  report[name] = await run();
}
console.log(JSON.stringify(report));
