/**
 * Masks of secure sums: a 256-bit seed becomes a ChaCha20 keystream (RFC 8439, nonce 0), read as integers mod 2³². Few masks are
 * added here, with the WebAssembly kernel (kernels/masks.ts); many are spread over threads where there are threads.
 */
import { inflate } from '#leaf/backends/wasm/inflate';
import { addMasksOnThreads } from '#leaf/federated/secure/maskThreads';

export interface Mask {
  /** 32 bytes. A seed must be used for one mask only. */
  readonly seed: Uint8Array;
  readonly sign: 1 | -1;
}

export interface MaskKernel {
  readonly memory: WebAssembly.Memory;
  heapBase(): number;
  addKeystream(sum: number, state: number, blocks: number, counter: number, sign: number): void;
  addWords(sum: number, from: number, words: number, sign: number): void;
}

const BLOCK = 16;
/** Number of integers that are masked at once: 64 KiB, so that they stay in the processor's cache. */
const PIECE = 1 << 14;
const PAGE = 65536;
/** 'expand 32-byte k'. */
const CONSTANTS = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574];
/** Below this number of integers to expand, starting threads takes longer than the work. */
const MANY = 1 << 24;

let compiled: Promise<WebAssembly.Module> | undefined;

async function compile(): Promise<WebAssembly.Module> {
  const { module } = await import('./built/masks.ts');
  return WebAssembly.compile(await inflate(Uint8Array.from(atob(module), (character) => character.charCodeAt(0))));
}

/** Adds masks to a vector of integers mod 2³², in place. */
export async function addMasks(vector: Int32Array, masks: readonly Mask[]): Promise<void> {
  compiled ??= compile();
  const module = await compiled;
  if (vector.length * masks.length >= MANY && (await addMasksOnThreads(module, vector, masks))) return;
  const { exports } = await WebAssembly.instantiate(module);
  addMasksHere(exports as unknown as MaskKernel, vector, masks);
}

function addMasksHere(kernel: MaskKernel, vector: Int32Array, masks: readonly Mask[]): void {
  const state = kernel.heapBase();
  const sum = state + 64;
  kernel.memory.grow(Math.ceil((sum + 4 * PIECE) / PAGE));
  const words = new Uint32Array(kernel.memory.buffer, state, 16);
  const piece = new Int32Array(kernel.memory.buffer, sum, PIECE);
  words.set(CONSTANTS);
  for (let from = 0; from < vector.length; from += PIECE) {
    const part = vector.subarray(from, from + PIECE);
    piece.set(part);
    // the kernel computes four blocks at once
    const blocks = 4 * Math.ceil(part.length / (4 * BLOCK));
    for (const { seed, sign } of masks) {
      new Uint8Array(words.buffer, words.byteOffset + 16, 32).set(seed);
      kernel.addKeystream(sum, state, blocks, from / BLOCK, sign);
    }
    part.set(piece.subarray(0, part.length));
  }
}

/** Adds integers mod 2³² in place. @param bytes little-endian integers, as many as `sum` has */
export function addIntegers(sum: Int32Array, bytes: Uint8Array): void {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
  const values = new Int32Array(aligned.buffer, aligned.byteOffset, sum.length);
  let i = 0;
  // four at a time take half as long
  for (; i + 4 <= sum.length; i += 4) {
    sum[i] += values[i];
    sum[i + 1] += values[i + 1];
    sum[i + 2] += values[i + 2];
    sum[i + 3] += values[i + 3];
  }
  for (; i < sum.length; i++) sum[i] += values[i];
}
