/** What every engine of a training contest is given: the same weights, batch and settings. From Espalier's build in dist/. */
import { freshArchitecture, freshCheckpoint } from '../dist/models/freshModel.js';

/**
 * @typedef {object} LearningTask
 * @property {string} architecture
 * @property {import('../src/models/architecture.ts').FreshSizes} sizes
 * @property {number} batch sequences of a step
 * @property {number} sequence tokens of each
 * @property {number} runs updates that are timed, behind one that warms up
 */

/** AdamW's, and the greatest norm of the gradients. */
export const optimizer = { rate: 1e-3, betas: [0.9, 0.99], epsilon: 1e-8, weightDecay: 0.1, clip: 1 };

/** The model that learns, as it begins. @param {LearningTask} task */
export function freshModel({ architecture, sizes }) {
  return freshCheckpoint(freshArchitecture(architecture), sizes, 1);
}

/** Token ids and, behind each, what it is to be followed by. The same batch for every update. @param {LearningTask} task */
export function batchOf({ batch, sequence, sizes: { vocabulary } }) {
  const id = (i) => (i * i * 31 + i * 7) % vocabulary;
  const ids = (from) => Int32Array.from({ length: batch * sequence }, (_, i) => id(i + from));
  return { tokens: ids(0), targets: ids(1) };
}

/** @param {readonly number[]} numbers */
export function median(numbers) {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1];
}
