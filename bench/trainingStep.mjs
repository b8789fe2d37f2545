/**
 * Measures a whole training step: forward, backward, clipping and AdamW. `node trainingStep.mjs THREADS TASK`, TASK as in
 * learningTask.mjs, in JSON. Prints one JSON line.
 *
 * Flops are those of the mathematics: all matrix products and the causal pairs of attention forward, and twice as many
 * backward. Recomputation and all other work only costs time. The peak is that of a kernel that
 * only multiplies and adds, which alternates with the steps (see peak.mjs). Memory is the peak of the process
 * minus Node and the code; it includes compiled kernels and threads.
 */
import { Probe, wasm } from '../dist/backends/wasm/index.js';
import { buildModel } from '../dist/models/buildModel.js';
import { weightStore } from '../dist/models/weightStore.js';
import { deviceNotes } from '../dist/runtime/deviceNotes.js';
import { formatByName } from '../dist/tensor/formats.js';
import { Learner } from '../dist/train/learner.js';
import { addTrainingStep } from '../dist/train/trainingGraph.js';
import { batchOf, freshModel, median, optimizer } from './learningTask.mjs';
import { Peak } from './peak.mjs';

/** Memory of Node and the code. */
const memoryBefore = process.memoryUsage().rss;

const threads = Number(process.argv[2]);
const task = JSON.parse(process.argv[3]);
const { batch, sequence, runs } = task;
const count = batch * sequence;
const registers = { T: count, P: 0, R: count, S: sequence };

const model = buildModel(freshModel(task), sequence);
const { graph } = model;
const forwardFlops = graph
  .live([graph.outputs.get('logits')])
  .filter(({ op }) => op.name === 'linear' || op.name === 'attention')
  .reduce((sum, { op, inputs, attributes, shape }) => sum + op.cost(inputs, attributes, shape, registers).flops, 0);
const learned = addTrainingStep(graph, { clip: optimizer.clip, activationCheckpointing: false });

const limits = { maxTokens: count, maxRows: count, context: sequence, settings: { threads } };
const program = await wasm.compile(graph, { ...limits, weights: weightStore(model), notes: deviceNotes() });
if (program.description.settings.threads !== threads)
  throw new Error(`the engine uses ${program.description.settings.threads} threads`);
const weights = learned.map(({ attributes, shape }) => ({
  name: attributes.tensor,
  rows: shape[0],
  columns: shape[1],
}));
const learner = new Learner(program, weights, { sequence, optimizer, seed: 1 });
const { tokens, targets } = batchOf(task);
const given = [{ tokens, targets, learned: count }];
const probe = await Probe.start({ threads, bytes: 4096 });

const seconds = [];
const peak = new Peak(probe);
let loss = 0;
for (let run = 0; run <= runs; run++) {
  const began = performance.now();
  ({ loss } = await learner.update(given, run, optimizer.rate));
  if (run === 0) continue;
  seconds.push((performance.now() - began) / 1000);
  peak.measure(seconds.at(-1));
}
probe.dispose();
const peakMemoryBytes = process.resourceUsage().maxRSS * 1024;
const { weightBytes, activationBytes } = await wasm.memoryNeeds(graph, limits, formatByName('F32'), limits.settings);
const spent = median(seconds);
console.log(
  JSON.stringify({
    learnedTokensPerSecond: count / spent,
    stepFlopsPerSecond: (3 * forwardFlops) / spent,
    peakFlopsPerSecond: peak.flopsPerSecond,
    loss,
    peakMemoryBytes,
    learningMemoryBytes: peakMemoryBytes - memoryBefore,
    neededMemoryBytes: weightBytes + activationBytes,
    parameters: weights.reduce((sum, { rows, columns }) => sum + rows * columns, 0),
    threads,
  }),
);
program.dispose();
