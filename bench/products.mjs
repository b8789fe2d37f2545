/**
 * Measures the f32 matrix products of a training step, forward and backward: `node products.mjs ROWS OUTPUTS
 * INPUTS THREADS RUNS`. Prints one JSON line of flops per second: of several runs of each product, including packing,
 * and of a kernel that only multiplies and adds, which alternates with them (see peak.mjs).
 */
import { Probe, wasm } from '../dist/backends/wasm/index.js';
import { Graph } from '../dist/graph/graph.js';
import { input } from '../dist/graph/ops/input.js';
import { linear } from '../dist/graph/ops/linear.js';
import { linearInputGradient } from '../dist/graph/ops/linearInputGradient.js';
import { linearWeightGradient } from '../dist/graph/ops/linearWeightGradient.js';
import { weight } from '../dist/graph/ops/weight.js';
import { formatByName } from '../dist/tensor/formats.js';
import { Peak } from './peak.mjs';

const [rows, outputs, inputs, threads, runs] = process.argv.slice(2).map(Number);

const products = {
  forward: ({ x, w }) => linear(x(), w()),
  inputGradient: ({ dy, w }) => linearInputGradient(dy(), w()),
  weightGradient: ({ x, dy }) => linearWeightGradient(dy(), x()),
};

/** Random numbers of ordinary magnitude. */
const numbers = (count) => Float32Array.from({ length: count }, (_, i) => Math.sin(i));

/** Compiles one product. @returns a function that runs it and returns the seconds of its commands */
async function compile(product) {
  const graph = new Graph();
  const given = {};
  const matrix = (name, width) => {
    given[name] = numbers(rows * width);
    return input(graph, name, rows, width, 'f32');
  };
  const values = {
    x: () => matrix('x', inputs),
    dy: () => matrix('dy', outputs),
    w: () => weight(graph, 'w', formatByName('F32'), outputs, inputs),
  };
  graph.outputs.set('product', product(values));
  const weights = {
    async readRows(_, __, into) {
      const values = numbers(into.length / 4);
      into.set(new Uint8Array(values.buffer));
    },
  };
  const limits = { maxTokens: 1, maxRows: 1, context: 1 };
  const program = await wasm.compile(graph, { weights, ...limits, settings: { threads }, trace: true });
  const spent = () => program.timings().reduce((sum, { seconds }) => sum + seconds, 0);
  if (program.description.settings.threads !== threads)
    throw new Error(`the engine uses ${program.description.settings.threads} threads`);
  return {
    async run() {
      const before = spent();
      await program.run({ tokens: [0], rows: [0], inputs: given }).finished();
      return spent() - before;
    },
    dispose: () => program.dispose(),
  };
}

const flops = 2 * rows * outputs * inputs;
const programs = Object.entries(products).map(async ([name, product]) => [name, await compile(product)]);
const probe = await Probe.start({ threads, bytes: 4096 });
const peak = new Peak(probe);
const seconds = { forward: 0, inputGradient: 0, weightGradient: 0 };
for (let run = 0; run <= runs; run++) {
  for (const [name, program] of await Promise.all(programs)) {
    const spent = await program.run();
    // the first run is a warm-up
    if (run === 0) continue;
    seconds[name] += spent;
    peak.measure(spent);
  }
}
const speed = (name) => (runs * flops) / seconds[name];
console.log(
  JSON.stringify({
    forwardFlopsPerSecond: speed('forward'),
    inputGradientFlopsPerSecond: speed('inputGradient'),
    weightGradientFlopsPerSecond: speed('weightGradient'),
    peakFlopsPerSecond: peak.flopsPerSecond,
    threads,
  }),
);
probe.dispose();
for (const [, program] of await Promise.all(programs)) program.dispose();
