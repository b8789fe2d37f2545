/** What is measured of learning, in Node. */
import { fileURLToPath } from 'node:url';
import type { FreshSizes } from '../src/models/architecture.ts';
import type { Contest, Engine, Readings } from './contest.ts';
import { threadsOf } from './engines.ts';
import { lastLineOf } from './process.ts';

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** Updates of a new model, always with the same batch. */
export interface Learning extends Contest {
  readonly architecture: string;
  readonly sizes: FreshSizes;
  readonly work: LearningWork & Contest['work'];
}

export interface LearningWork {
  /** Sequences of a step. */
  readonly batch: number;
  /** Tokens of each. */
  readonly sequence: number;
  /** Updates in one process, of which the median counts, behind one that warms up. */
  readonly runs: number;
}

/** Products of a matrix [outputs, inputs]. */
export interface Products extends Contest {
  readonly work: ProductsWork & Contest['work'];
}

export interface ProductsWork {
  readonly rows: number;
  readonly outputs: number;
  readonly inputs: number;
  /** Repetitions in one process, behind one that warms up. */
  readonly runs: number;
}

export function learning(title: string, architecture: string, sizes: FreshSizes, work: LearningWork): Learning {
  return { title, architecture, sizes, work: { ...work }, quickWork: { ...work, runs: 1 } };
}

export function products(work: ProductsWork): Products {
  const { outputs, inputs } = work;
  return { title: `products of ${outputs} × ${inputs}`, work: { ...work }, quickWork: { ...work, runs: 2 } };
}

/** As learningTask.mjs takes it. */
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
 * In WebAssembly with SIMD. It has no threads in Node (tensorflow/tfjs#3830); its other backend that needs no native binary,
 * 'cpu' in plain JavaScript, takes several times as long.
 * @param products its own, or rewritten by us to avoid what is slow there
 */
export function tensorFlow(products: 'stock' | 'rewritten'): Engine<Learning> {
  const program = path('./peers/tensorFlow.mjs');
  return {
    name: products === 'stock' ? 'TensorFlow.js' : 'TensorFlow.js, products rewritten',
    run: (contest) => lastLineOf<Readings>(process.execPath, [program, 'wasm', products, taskOf(contest)]),
  };
}

/** Each product alone, and the FMA peak between them. */
export function productSpeed(threads: number): Engine<Products> {
  return {
    name: `espalier, ${threadsOf(threads)}`,
    run: ({ work: { rows, outputs, inputs, runs } }, { node }) => {
      const args = [rows, outputs, inputs, threads, runs].map(String);
      return lastLineOf<Readings>(node, [path('./products.mjs'), ...args]);
    },
  };
}
