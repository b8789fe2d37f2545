/**
 * The speed of TensorFlow.js at training the models of ../learning.ts, without native binaries.
 *
 *   node tensorFlow.mjs wasm stock '{"architecture":"llama","sizes":{…},"batch":8,"sequence":256,"runs":3}'
 *
 * Backend wasm or cpu; products `stock` or `rewritten`, see below. Prints one JSON line: tokens per second (median), the loss
 * before the last update, peak memory. Forward, cross-entropy, backward, clipping and AdamW are those of Espalier's graph
 * in TensorFlow's ops and gradients; that of the embedding, for which its WebAssembly lacks a kernel, and that of the
 * cross-entropy, which is simple, are written out. Weights have GGUF's names and layouts.
 */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { batchOf, freshModel, median, optimizer } from '../learningTask.mjs';

const {
  add,
  addN,
  div,
  matMul,
  mean,
  mul,
  reshape,
  rsqrt,
  sigmoid,
  softmax,
  split,
  sqrt,
  square,
  sub,
  sum,
  tanh,
  transpose,
} = tf;

const [backend, products, taskText] = process.argv.slice(2);
const task = JSON.parse(taskText);
const { architecture, sizes, batch, sequence, runs } = task;
const { layers, width, heads, kvHeads, headSize, vocabulary, normEpsilon, ropeBase } = sizes;
const isLlama = architecture === 'llama';

await tf.setBackend(backend);
await tf.ready();

const weights = await variables();
const moments = Object.fromEntries(
  Object.entries(weights).map(([name, { shape }]) => [name, [0, 1].map(() => tf.variable(tf.zeros(shape)))]),
);
const { tokens, targets } = batchOf(task);
const ids = tf.tensor1d(tokens, 'int32');
const labels = tf.cast(tf.oneHot(tf.tensor1d(targets, 'int32'), vocabulary), 'float32');
/** 0 where a token sees another, next to −∞ where that comes later. */
const mask = tf.tensor2d(
  Float32Array.from({ length: sequence ** 2 }, (_, i) => (i % sequence > Math.floor(i / sequence) ? -1e9 : 0)),
  [sequence, sequence],
);
const rotation = isLlama && rotations();

async function variables() {
  const made = {};
  for (const [name, tensor] of freshModel(task).tensors) {
    const bytes = new Uint8Array(tensor.byteLength);
    await tensor.read(0, bytes);
    made[name] = tf.variable(tf.tensor(new Float32Array(bytes.buffer), [...tensor.shape]), true, name);
  }
  return made;
}

/**
 * a·b, of matrices or of batches of them, in two ways: as TensorFlow has it; and rewritten, as its WebAssembly is ten times
 * faster at products of two matrices of which neither is to be transposed, which neither its gradients nor its batches are.
 */
const product = { stock: (a, b) => matMul(a, b), rewritten: tf.customGrad(rewrittenProduct) }[products];

function rewrittenProduct(a, b, save) {
  save([a, b]);
  const turned = (x) => transpose(x, x.rank === 2 ? [1, 0] : [0, 2, 1]);
  return { value: multiply(a, b), gradFunc: (dy, [a, b]) => [multiply(dy, turned(b)), multiply(turned(a), dy)] };
}

function multiply(a, b) {
  if (a.rank === 2) return matMul(a, b);
  const seconds = matrices(b);
  return tf.stack(matrices(a).map((first, i) => matMul(first, seconds[i])));
}

/** The matrices of a batch; its own ops for that copy the whole batch for each. */
function matrices(x) {
  const values = x.dataSync();
  const [count, rows, columns] = x.shape;
  const size = rows * columns;
  return Array.from({ length: count }, (_, i) =>
    tf.tensor2d(values.subarray(i * size, (i + 1) * size), [rows, columns]),
  );
}

/** x·Wᵀ + bias. */
function project(x, name) {
  const y = product(x, transpose(weights[`${name}.weight`]));
  const bias = weights[`${name}.bias`];
  return bias ? add(y, bias) : y;
}

/** Rows of a table; gradients are added up where they came from. */
const embed = tf.customGrad((table) => ({
  value: tf.gather(table, ids),
  gradFunc: (dy) => tf.scatterND(tf.expandDims(ids, 1), dy, table.shape),
}));

function norm(x, name) {
  const gain = weights[`${name}.weight`];
  const scaled = (values) => mul(mul(values, rsqrt(add(mean(square(values), -1, true), normEpsilon))), gain);
  return isLlama ? scaled(x) : add(scaled(sub(x, mean(x, -1, true))), weights[`${name}.bias`]);
}

const silu = (x) => mul(x, sigmoid(x));
const gelu = (x) => {
  const inner = mul(add(x, mul(mul(square(x), x), 0.044715)), Math.sqrt(2 / Math.PI));
  return mul(mul(x, 0.5), add(tanh(inner), 1));
};

/** Cosines and sines of the places of a sequence, [1, S, 1, K], and the matrix that makes (a, b) of each pair (−b, a). */
function rotations() {
  const pair = (i) => Math.floor((i % headSize) / 2);
  const angle = (i) => Math.floor(i / headSize) * ropeBase ** ((-2 * pair(i)) / headSize);
  const table = (f) => Float32Array.from({ length: sequence * headSize }, (_, i) => f(angle(i)));
  const [cos, sin] = [Math.cos, Math.sin].map((f) => tf.tensor(table(f), [1, sequence, 1, headSize]));
  const turn = tf.buffer([headSize, headSize]);
  for (let i = 0; i < headSize; i += 2) {
    turn.set(-1, i + 1, i);
    turn.set(1, i, i + 1);
  }
  return { cos, sin, turn: turn.toTensor() };
}

/** x [B·S, count·K], each pair of columns turned. */
function rotate(x, count) {
  const { cos, sin, turn } = rotation;
  const heads = (rows) => reshape(rows, [batch, sequence, count, headSize]);
  const turned = product(reshape(x, [-1, headSize]), turn);
  return reshape(add(mul(heads(x), cos), mul(heads(turned), sin)), x.shape);
}

/** [B·S, count·K] → [B·kvHeads, count/kvHeads · S, K]: queries that share a key head lie one behind another. */
function byHead(x, count) {
  const turned = transpose(reshape(x, [batch, sequence, count, headSize]), [0, 2, 1, 3]);
  return reshape(turned, [batch * kvHeads, (count / kvHeads) * sequence, headSize]);
}

function attention(x, block) {
  let [q, k, v] = isLlama
    ? ['attn_q', 'attn_k', 'attn_v'].map((name) => project(x, `${block}.${name}`))
    : split(project(x, `${block}.attn_qkv`), 3, 1);
  if (rotation) [q, k] = [rotate(q, heads), rotate(k, kvHeads)];
  const scores = mul(product(byHead(q, heads), transpose(byHead(k, kvHeads), [0, 2, 1])), 1 / Math.sqrt(headSize));
  const masked = add(reshape(scores, [batch, heads, sequence, sequence]), mask);
  const mixed = product(reshape(softmax(masked), scores.shape), byHead(v, kvHeads));
  const rows = transpose(reshape(mixed, [batch, heads, sequence, headSize]), [0, 2, 1, 3]);
  return project(reshape(rows, [-1, heads * headSize]), `${block}.attn_output`);
}

function feedForward(x, block) {
  const up = project(x, `${block}.ffn_up`);
  return project(isLlama ? mul(silu(project(x, `${block}.ffn_gate`)), up) : gelu(up), `${block}.ffn_down`);
}

/** Mean over rows; its gradient is (softmax − labels) / rows. */
const crossEntropy = tf.customGrad((logits, save) => {
  const shares = softmax(logits);
  save([shares]);
  const value = mean(tf.neg(tf.log(sum(mul(shares, labels), -1))));
  return { value, gradFunc: (dy, [saved]) => mul(sub(saved, labels), div(dy, saved.shape[0])) };
});

function loss() {
  const table = weights['token_embd.weight'];
  let x = embed(table);
  if (!isLlama) x = reshape(add(reshape(x, [batch, sequence, width]), weights['position_embd.weight']), [-1, width]);
  for (let layer = 0; layer < layers; layer++) {
    const block = `blk.${layer}`;
    x = add(x, attention(norm(x, `${block}.attn_norm`), block));
    x = add(x, feedForward(norm(x, `${block}.ffn_norm`), block));
  }
  return crossEntropy(product(norm(x, 'output_norm'), transpose(table)));
}

/** @param step from 1 @returns the loss before */
function update(step) {
  const { rate, betas, epsilon, weightDecay, clip } = optimizer;
  const [beta1, beta2] = betas;
  return tf.tidy(() => {
    const { value, grads } = tf.variableGrads(loss);
    const norm = sqrt(addN(Object.values(grads).map((gradient) => sum(square(gradient)))));
    const factor = tf.minimum(1, div(clip, norm));
    for (const [name, weight] of Object.entries(weights)) {
      const gradient = mul(grads[name], factor);
      const [m, v] = moments[name];
      m.assign(add(mul(m, beta1), mul(gradient, 1 - beta1)));
      v.assign(add(mul(v, beta2), mul(square(gradient), 1 - beta2)));
      const kept = weight.shape.length > 1 ? mul(weight, 1 - rate * weightDecay) : weight;
      const size = add(sqrt(mul(v, 1 / (1 - beta2 ** step))), epsilon);
      weight.assign(sub(kept, div(mul(m, rate / (1 - beta1 ** step)), size)));
    }
    return value.dataSync()[0];
  });
}

let last = update(1);
const seconds = [];
for (let run = 1; run <= runs; run++) {
  const began = performance.now();
  last = update(run + 1);
  seconds.push((performance.now() - began) / 1000);
}
console.log(
  JSON.stringify({
    learnedTokensPerSecond: (batch * sequence) / median(seconds),
    loss: last,
    peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
    backend: tf.getBackend(),
  }),
);
