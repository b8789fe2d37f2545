/** Engines of the training benchmarks, in Node. */
import { fileURLToPath } from 'node:url';
import type { FreshSizes } from '../src/models/architecture.ts';
import type { Contest, Engine, Readings } from './contest.ts';
import { threadsOf } from './engines.ts';
import { lastLineOf } from './process.ts';

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** Training a new model, always with the same batch. */
export interface Learning extends Contest {
  readonly architecture: string;
  readonly sizes: FreshSizes;
  readonly work: LearningWork & Contest['work'];
}

export interface LearningWork {
  /** Sequences per step. */
  readonly batch: number;
  /** Tokens per sequence. */
  readonly sequence: number;
  /** Timed updates in one process, after one warm-up; the median counts. */
  readonly runs: number;
}

/** Matrix products with a matrix [outputs, inputs]. */
export interface Products extends Contest {
  readonly work: ProductsWork & Contest['work'];
}

export interface ProductsWork {
  readonly rows: number;
  readonly outputs: number;
  readonly inputs: number;
  /** Repetitions in one process, after one warm-up. */
  readonly runs: number;
}

export function learning(title: string, architecture: string, sizes: FreshSizes, work: LearningWork): Learning {
  return { title, architecture, sizes, work: { ...work }, quickWork: { ...work, runs: 1 } };
}

export function products(work: ProductsWork): Products {
  const { outputs, inputs } = work;
  return { title: `products of ${outputs} × ${inputs}`, work: { ...work }, quickWork: { ...work, runs: 2 } };
}

/** The task as JSON for learningTask.mjs. */
function taskOf({ architecture, sizes, work }: Learning): string {
  return JSON.stringify({ architecture, sizes, ...work });
}

export function trainingStep(threads: number): Engine<Learning> {
  return {
    name: `espalier, ${threadsOf(threads)}`,
    run: (contest, { node }) => lastLineOf<Readings>(node, [path('./trainingStep.mjs'), `${threads}`, taskOf(contest)]),
  };
}

/**
 * TensorFlow.js on WebAssembly with SIMD. It has no threads in Node (tensorflow/tfjs#3830). Its other backend without a native binary,
 * 'cpu' in plain JavaScript, takes several times as long.
 * @param products 'rewritten' replaces its matrix products by faster equivalents
 */
export function tensorFlow(products: 'stock' | 'rewritten'): Engine<Learning> {
  const program = path('./peers/tensorFlow.mjs');
  return {
    name: products === 'stock' ? 'TensorFlow.js' : 'TensorFlow.js, products rewritten',
    run: (contest) => lastLineOf<Readings>(process.execPath, [program, 'wasm', products, taskOf(contest)]),
  };
}

/** Measures each product alone, alternating with the FMA peak. */
export function productSpeed(threads: number): Engine<Products> {
  return {
    name: `espalier, ${threadsOf(threads)}`,
    run: ({ work: { rows, outputs, inputs, runs } }, { node }) => {
      const args = [rows, outputs, inputs, threads, runs].map(String);
      return lastLineOf<Readings>(node, [path('./products.mjs'), ...args]);
    },
  };
}
