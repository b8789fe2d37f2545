/** Generates without end with node-llama-cpp and prints the milliseconds of every token, see bench/adapt/live.ts. */
import { startLlama } from './oracle.mjs';

const [file, threads] = process.argv.slice(2);
const wanted = { generateNext: { token: true, options: { temperature: 1 } } };
const llama = await startLlama();
const model = await llama.loadModel({ modelPath: file, gpuLayers: 0 });
const context = await model.createContext({ contextSize: 1024, threads: Number(threads) });
const sequence = context.getSequence();
const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
print({ kind: 'ready' });
for (;;) {
  await sequence.clearHistory();
  let [answer] = (await sequence.controlledEvaluate([1, 2, [3, wanted]])).slice(-1);
  let last = performance.now();
  for (let i = 0; i < 400; i++) {
    [answer] = await sequence.controlledEvaluate([[answer.next.token, wanted]]);
    const now = performance.now();
    print({ kind: 'token', ms: now - last });
    last = now;
  }
}
