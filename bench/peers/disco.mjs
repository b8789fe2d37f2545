/**
 * DISCO (EPFL) at training its GPT, and at secure aggregation: time, bytes, and a member that leaves.
 *
 *   git clone https://github.com/epfml/disco FOLDER && npm ci --ignore-scripts -w discojs --prefix FOLDER
 *   node bench/peers/disco.mjs FOLDER '{"text": "shakespeare.txt", "layers": 4, "width": 128, "sequence": 64, "batch": 12, "steps": 5, "members": 5}'
 *
 * The current discojs is not on npm, so its source is run. In Node, DISCO trains with tfjs-node, whose native library is not on npm either; without it
 * TensorFlow.js computes in JavaScript, or in WebAssembly if FOLDER has @tensorflow/tfjs-backend-wasm. A page with a GPU is faster. Prints one JSON line.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const [folder, taskText] = process.argv.slice(2);
const { text: path, layers, width, sequence, batch, steps, members } = JSON.parse(taskText);
const discojs = resolve(folder, 'discojs');
const outfile = resolve(discojs, 'bundle.mjs');
const contents = `
export { aggregator, serialization, WeightsContainer } from './src/index.ts';
export { GPTForCausalLM } from './src/models/gpt/model.ts';
export { Set } from 'immutable';
export * as tf from '@tensorflow/tfjs';`;
/** WebRTC has a native library; members exchange messages within this process. */
const withoutNetwork = {
  name: 'without network',
  setup(plugins) {
    plugins.onResolve({ filter: /^(isomorphic-wrtc|simple-peer|@xenova\/transformers)$/ }, ({ path }) => ({
      path,
      namespace: 'empty',
    }));
    plugins.onLoad({ filter: /.*/, namespace: 'empty' }, () => ({ contents: 'module.exports = {}', loader: 'js' }));
  },
};
await build({
  stdin: { contents, resolveDir: discojs },
  ...{ outfile, bundle: true, packages: 'external', platform: 'node', format: 'esm', logLevel: 'error' },
  plugins: [withoutNetwork],
});
const {
  aggregator,
  serialization,
  WeightsContainer,
  GPTForCausalLM,
  Set: ImmutableSet,
  tf,
} = await import(pathToFileURL(outfile).href);
try {
  createRequire(resolve(discojs, 'package.json'))('@tensorflow/tfjs-backend-wasm');
  await tf.setBackend('wasm');
} catch {
  await tf.setBackend('cpu');
}
await tf.ready();

const text = readFileSync(path, 'utf8');
const characters = [...new Set(text)].sort();
const codes = new Map(characters.map((character, i) => [character, i]));
const ids = Int32Array.from(text, (character) => codes.get(character));

const sizes = { '4 128': 'gpt-micro', '3 48': 'gpt-nano', '6 192': 'gpt-mini' };
const modelType = sizes[`${layers} ${width}`];
if (!modelType) throw new Error(`DISCO has no model of ${layers} layers and width ${width}: ${Object.keys(sizes)}`);
const model = new GPTForCausalLM({
  ...{ modelType, blockSize: sequence, vocabSize: characters.length, lr: 2e-3, weightDecay: 0.1, maxIter: steps },
  ...{ dropout: 0, residDrop: 0, embdDrop: 0 },
});
model.compile();

const seconds = [];
let step = 0;
let started;
const batches = {
  async next() {
    if (started !== undefined) seconds.push((performance.now() - started) / 1000);
    if (step === steps) return { done: true };
    const at = Array.from({ length: batch }, (_, i) => (7919 * (step * batch + i)) % (ids.length - sequence - 1));
    const piece = (from) => [...ids.subarray(from, from + sequence)];
    const ys = tf.stack(at.map((from) => tf.oneHot(tf.tensor1d(piece(from + 1), 'int32'), characters.length)));
    const xs = tf.tensor2d(at.map(piece), [batch, sequence], 'int32');
    step++;
    started = performance.now();
    return { done: false, value: { xs, ys } };
  },
};
let loss;
const callbacks = {
  onEpochEnd: (_, logs) => {
    loss = logs.loss;
  },
};
await model.fitDataset({ iterator: async () => batches }, { epochs: 1, callbacks });
seconds.sort((a, b) => a - b);

/** A round of secure aggregation. @param silent member that sends nothing @returns whether all others have a result, and a member's bytes */
async function secureRound(weights, silent) {
  const names = Array.from({ length: members }, (_, i) => `member ${i}`);
  const all = new Map(names.map((name) => [name, new aggregator.SecureAggregator()]));
  for (const one of all.values()) one.setNodes(ImmutableSet(names));
  const results = new Map(names.map((name) => [name, weights]));
  let bytes = 0;
  for (let communication = 0; communication < 2; communication++) {
    const sums = [...all].map(([name, one]) => [name, one.getPromiseForAggregation()]);
    for (const [name, one] of [...all]) {
      if (name === silent) continue;
      for (const [to, payload] of one.makePayloads(results.get(name))) {
        if (to !== name && name === names[0]) bytes += (await serialization.weights.encode(payload)).length;
        all.get(to).add(name, payload, 0, communication);
      }
    }
    const late = new Promise((resolve) => setTimeout(resolve, 1000));
    for (const [name, sum] of sums) {
      const result = await Promise.race([sum, late]);
      if (!result && name !== silent) return { isComplete: false, bytes };
      results.set(name, result);
    }
  }
  return { isComplete: true, bytes };
}

const weights = new WeightsContainer(model.weights.map((weight) => weight.read()));
const parameters = weights.weights.reduce((sum, { size }) => sum + size, 0);
const whole = await secureRound(weights);
const broken = await secureRound(weights, 'member 1');
console.log(
  JSON.stringify({
    ...{ backend: tf.getBackend(), parameters, loss },
    millisecondsPerToken: (1000 * seconds[seconds.length >> 1]) / (batch * sequence),
    plainBytes: (await serialization.weights.encode(weights)).length,
    secureBytes: whole.bytes,
    isComplete: whole.isComplete,
    survivesDropout: broken.isComplete,
  }),
);
process.exit();
