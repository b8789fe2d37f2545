/**
 * Adds many masks on all processors: each thread takes a range of the vector. Threads take the keystream from OpenSSL, which is
 * twice as fast as the kernel because it uses wider vectors, and add it with the kernel. Each piece of keystream comes in a buffer
 * of its own; eight at a time are handed to a closed port, which frees their memory at once, so that the next pieces take the same
 * pages: fresh ones cost more than the keystream.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Mask } from './mask.ts';

/** Number of integers that a thread masks at once: 32 KiB, which the allocator takes from its heap. 128 KiB are mapped anew each time. */
const PIECE = 1 << 13;

/** A script instead of a file: bundlers and loaders of TypeScript leave it as it is. */
const script = `
const { workerData } = require('node:worker_threads');
const { createCipheriv } = require('node:crypto');
const { module, shared, from, to, seeds, signs, pieceWords } = workerData;
const { memory, heapBase, addWords } = new WebAssembly.Instance(module).exports;
const sum = heapBase();
const stream = sum + 4 * pieceWords;
memory.grow(Math.ceil((stream + 4 * pieceWords) / 65536));
const sums = new Int32Array(memory.buffer, sum, pieceWords);
const streams = new Uint8Array(memory.buffer, stream, 4 * pieceWords);
const start = new Uint8Array(16);
new DataView(start.buffer).setUint32(0, from / 16, true);
const ciphers = Array.from(signs, (_, i) => createCipheriv('chacha20', seeds.subarray(32 * i, 32 * i + 32), start));
const { port1: nowhere } = new MessageChannel();
nowhere.close();
const zeros = new Uint8Array(4 * pieceWords);
let used = [];
for (let at = from; at < to; at += pieceWords) {
  const words = Math.min(pieceWords, to - at);
  const part = new Int32Array(shared, 4 * at, words);
  sums.set(part);
  for (let i = 0; i < ciphers.length; i++) {
    const bytes = ciphers[i].update(zeros);
    streams.set(bytes);
    used.push(bytes.buffer);
    if (used.length === 8) {
      nowhere.postMessage(null, used);
      used = [];
    }
    addWords(sum, stream, pieceWords, signs[i]);
  }
  part.set(sums.subarray(0, words));
}
`;

/** @returns true if the masks were added to the vector, false if there is one processor only */
export async function addMasksOnThreads(
  module: WebAssembly.Module,
  vector: Int32Array,
  masks: readonly Mask[],
): Promise<boolean> {
  const threads = Math.min(availableParallelism(), Math.ceil(vector.length / PIECE));
  if (threads < 2) return false;
  const shared = new SharedArrayBuffer(vector.byteLength);
  new Int32Array(shared).set(vector);
  const seeds = new Uint8Array(32 * masks.length);
  for (const [i, { seed }] of masks.entries()) seeds.set(seed, 32 * i);
  const signs = Int8Array.from(masks, ({ sign }) => sign);
  const share = PIECE * Math.ceil(vector.length / threads / PIECE);
  const run = async (from: number) => {
    const to = Math.min(from + share, vector.length);
    const workerData = { module, shared, from, to, seeds, signs, pieceWords: PIECE };
    // without the process's flags: --input-type would treat the script as a module
    const worker = new Worker(script, { eval: true, execArgv: [], workerData });
    await new Promise<void>((resolve, reject) => {
      worker.once('error', reject);
      worker.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`a thread ended with code ${code}`))));
    });
  };
  await Promise.all(Array.from({ length: Math.ceil(vector.length / share) }, (_, i) => run(i * share)));
  vector.set(new Int32Array(shared));
  return true;
}
