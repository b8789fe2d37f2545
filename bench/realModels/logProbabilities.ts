/** Next-token distributions, clipped as in the files of llama-perplexity, so that all engines are treated alike. */
import { closeSync, openSync, readSync } from 'node:fs';

/** Logits more than this below the largest one count as this far below. */
const CLIP = 16;

/** Log-probabilities of clipped logits. */
export function clippedLogProbabilities(logits: ArrayLike<number>): Float64Array {
  let top = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++) if (logits[i] > top) top = logits[i];
  const result = new Float64Array(logits.length);
  let sum = 0;
  for (let i = 0; i < logits.length; i++) {
    const value = Math.max(-CLIP, logits[i] - top);
    result[i] = value;
    sum += Math.exp(value);
  }
  const log = Math.log(sum);
  for (let i = 0; i < result.length; i++) result[i] -= log;
  return result;
}

/** KL(p ‖ q) in nats. @param logP and @param logQ logarithms */
export function divergence(p: Float64Array, logP: Float64Array, logQ: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < p.length; i++) sum += p[i] * (logP[i] - logQ[i]);
  return sum;
}

export function largest(values: Float64Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}

const MAGIC_BYTES = 8;

/**
 * A file of `llama-perplexity --kl-divergence-base`: context, vocabulary and chunks as i32, the tokens, then for each scored token
 * a scale and a minimum (f32) and a u16 per token of the vocabulary. The second half of each chunk is scored.
 */
export class LogitsFile {
  readonly context: number;
  readonly chunks: number;
  readonly tokens: Int32Array;
  readonly #file: number;
  readonly #vocabulary: number;
  readonly #start: number;

  constructor(path: string) {
    this.#file = openSync(path, 'r');
    const header = new Int32Array(3);
    readSync(this.#file, header, 0, 12, MAGIC_BYTES);
    [this.context, this.#vocabulary, this.chunks] = header as unknown as [number, number, number];
    this.tokens = new Int32Array(this.context * this.chunks);
    readSync(this.#file, this.tokens, 0, this.tokens.byteLength, MAGIC_BYTES + 12);
    this.#start = MAGIC_BYTES + 12 + this.tokens.byteLength;
  }

  /** Number of scored tokens of a chunk. */
  get scored(): number {
    return this.context - 1 - this.context / 2;
  }

  logProbabilities(chunk: number, row: number): Float64Array {
    const words = 2 * Math.ceil(this.#vocabulary / 2) + 4;
    const bytes = new Uint8Array(2 * words);
    readSync(this.#file, bytes, 0, bytes.length, this.#start + (chunk * this.scored + row) * bytes.length);
    const [scale, least] = new Float32Array(bytes.buffer, 0, 2) as unknown as [number, number];
    const steps = new Uint16Array(bytes.buffer, 8, this.#vocabulary);
    return clippedLogProbabilities(Float64Array.from(steps, (step) => least + scale * step));
  }

  close(): void {
    closeSync(this.#file);
  }
}
