/** Weights, batch and settings of a training contest, the same for all engines. Uses Espalier's build in dist/. */
import { freshArchitecture, freshCheckpoint } from '../dist/models/freshModel.js';

/**
 * @typedef {object} LearningTask
 * @property {string} architecture
 * @property {import('../src/models/architecture.ts').FreshSizes} sizes
 * @property {number} batch sequences per step
 * @property {number} sequence tokens per sequence
 * @property {number} runs timed updates, after one warm-up
 */

/** Settings of AdamW, and the maximum gradient norm. */
export const optimizer = { rate: 1e-3, betas: [0.9, 0.99], epsilon: 1e-8, weightDecay: 0.1, clip: 1 };

/** The model before training. @param {LearningTask} task */
export function freshModel({ architecture, sizes }) {
  return freshCheckpoint(freshArchitecture(architecture), sizes, 1);
}

/** Token ids and their targets. All updates use the same batch. @param {LearningTask} task */
export function batchOf({ batch, sequence, sizes: { vocabulary } }) {
  const id = (i) => (i * i * 31 + i * 7) % vocabulary;
  const ids = (from) => Int32Array.from({ length: batch * sequence }, (_, i) => id(i + from));
  return { tokens: ids(0), targets: ids(1) };
}

/** @param {readonly number[]} numbers */
export function median(numbers) {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1];
}
