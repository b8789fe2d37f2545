/**
 * Generates without end and prints the milliseconds of every token, see live.ts: `liveEspalier.ts MODEL THREADS DEADLINE`. With a deadline the
 * model is the file with low planes beside it, which the governor reads at 8 or 4 bits; 0: ungoverned.
 */
import { load } from '../../src/index.ts';
import type { LiveLine } from './live.ts';
import { madeUp } from './madeUp.ts';

const [file, threads, deadline] = process.argv.slice(2) as [string, string, string];
const print = (line: LiveLine) => process.stdout.write(`${JSON.stringify(line)}\n`);
const deadlineMs = Number(deadline);
const options = { context: 1024, prefixCacheBytes: 0, threads: Number(threads) };
let plan: string | undefined;
const model =
  deadlineMs > 0
    ? await load(await madeUp('135m', 'nested'), {
        ...options,
        adapt: {
          deadlineMs,
          onChange: ({ plan: next }) => {
            if (plan !== undefined && plan !== next.name) print({ kind: 'plan', name: next.name });
            plan = next.name;
          },
        },
      })
    : await load(file, options);
print({ kind: 'ready' });
for (;;) {
  const session = model.session();
  let last = performance.now();
  for await (const _ of session.generate([1, 2, 3], { maxTokens: 400, draft: 'off', temperature: 1 })) {
    const now = performance.now();
    print({ kind: 'token', ms: now - last });
    last = now;
  }
  session.dispose();
}
