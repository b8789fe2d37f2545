/**
 * Updates as bytes for rounds that are 'visible': one byte with the bits per value, then the values. 32: float32. 8 and 4: blocks of
 * 64 values, each a float32 scale and signed integers. 1: the largest values only, as a count, indices (uint32) and values (float32).
 * If the first byte has LOSS added, the member's training loss follows as a float32.
 * The error of the compression is kept and added to the next update (error feedback, Karimireddy et al. 2019).
 */
import { OptionError } from '../../core/errors.ts';
import { FederatedError } from '../federatedError.ts';
import { notFinite } from '../privacy/quantize.ts';
import type { Uniform } from '../privacy/secureRandom.ts';

export interface CompressionOptions {
  /** Bits per value. Default: 32. */
  readonly bits?: 32 | 8 | 4;
  /** Sends only this fraction of the values, those with the largest magnitude. Excludes `bits`. */
  readonly top?: number;
}

const BLOCK = 64;
const TOP = 1;
const LOSS = 0x80;
/** Bytes of a loss that follows an update. */
export const LOSS_BYTES = 4;

/** Returns the bytes of an update. */
export function encodeUpdate(values: Float32Array, options: CompressionOptions, random: Uniform): Uint8Array {
  const { bits = 32, top } = options;
  if (top !== undefined) return encodeTop(values, top);
  if (bits === 32) {
    const bytes = new Uint8Array(1 + 4 * values.length);
    bytes[0] = bits;
    bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), 1);
    return bytes;
  }
  if (bits !== 8 && bits !== 4) throw new OptionError('compression.bits', bits, '32, 8 or 4');
  const bytes = new Uint8Array(bytesOf(bits, values.length));
  const view = new DataView(bytes.buffer);
  bytes[0] = bits;
  const largest = 2 ** (bits - 1) - 1;
  let at = 1;
  for (let start = 0; start < values.length; start += BLOCK) {
    const block = values.subarray(start, start + BLOCK);
    const scale = Math.fround(block.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / largest);
    view.setFloat32(at, scale, true);
    at += 4;
    for (const [i, value] of block.entries()) {
      const scaled = scale > 0 ? value / scale : 0;
      const low = Math.floor(scaled);
      const code = Math.max(-largest, Math.min(largest, random.uniform() < scaled - low ? low + 1 : low));
      if (bits === 8) view.setInt8(at + i, code);
      else bytes[at + (i >> 1)] |= (code & 15) << (4 * (i & 1));
    }
    at += Math.ceil((block.length * bits) / 8);
  }
  return bytes;
}

function encodeTop(values: Float32Array, top: number): Uint8Array {
  if (!(top > 0 && top <= 1)) throw new OptionError('compression.top', top, 'above 0, at most 1');
  const count = topCount(top, values.length);
  const order = Uint32Array.from(values.keys()).sort((a, b) => Math.abs(values[b]) - Math.abs(values[a]));
  const kept = order.subarray(0, count).sort();
  const bytes = new Uint8Array(5 + 8 * count);
  const view = new DataView(bytes.buffer);
  bytes[0] = TOP;
  view.setUint32(1, count, true);
  for (const [i, index] of kept.entries()) {
    view.setUint32(5 + 4 * i, index, true);
    view.setFloat32(5 + 4 * (count + i), values[index], true);
  }
  return bytes;
}

function topCount(top: number, parameters: number): number {
  return Math.max(1, Math.round(top * parameters));
}

/** @throws {OptionError} if `top` keeps so many values that the update would have more bytes than an uncompressed one: a server refuses it */
export function checkCompression({ top }: CompressionOptions, parameters: number): void {
  if (top === undefined) return;
  const most = Math.floor((parameters - 1) / 2);
  if (top > 0 && topCount(top, parameters) <= most) return;
  throw new OptionError('compression.top', top, `above 0, and at most ${most} of ${parameters} values`);
}

function bytesOf(bits: number, parameters: number): number {
  const whole = Math.floor(parameters / BLOCK);
  const rest = parameters - whole * BLOCK;
  const blockBytes = (length: number) => 4 + Math.ceil((length * bits) / 8);
  return 1 + whole * blockBytes(BLOCK) + (rest > 0 ? blockBytes(rest) : 0);
}

/** Returns an update with the member's training loss, in nats per token. */
export function withLoss(update: Uint8Array, loss: number): Uint8Array {
  const bytes = new Uint8Array(update.length + LOSS_BYTES);
  bytes.set(update);
  bytes[0] |= LOSS;
  new DataView(bytes.buffer).setFloat32(update.length, loss, true);
  return bytes;
}

/** Returns the training loss that follows an update, or undefined. */
export function lossOf(update: Uint8Array): number | undefined {
  if ((update[0] & LOSS) === 0 || update.length <= LOSS_BYTES) return undefined;
  return new DataView(update.buffer, update.byteOffset).getFloat32(update.length - LOSS_BYTES, true);
}

/**
 * Returns the values of an update, without its loss.
 * @param parameters expected number of values
 * @throws {FederatedError} BAD_UPDATE if the bytes are not an update of this size; NOT_FINITE if it contains NaN or infinity
 */
export function decodeUpdate(update: Uint8Array, parameters: number): Float32Array {
  const loss = lossOf(update);
  if (loss !== undefined && !(loss >= 0 && loss < Infinity)) throw bad(`has a training loss of ${loss}`);
  const bytes = loss === undefined ? update : update.subarray(0, -LOSS_BYTES);
  const bits = loss === undefined ? bytes[0] : bytes[0] ^ LOSS;
  const values = new Float32Array(parameters);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bits === TOP) decodeTop(bytes, view, values);
  else {
    if (bits !== 32 && bits !== 8 && bits !== 4)
      throw bad(`has ${bits ?? 'no'} bits per value, expected 32, 8, 4 or 1`);
    const expected = bits === 32 ? 1 + 4 * parameters : bytesOf(bits, parameters);
    if (bytes.length !== expected)
      throw bad(`has ${bytes.length} bytes, expected ${expected} for ${parameters} values`);
    if (bits === 32) for (let i = 0; i < parameters; i++) values[i] = view.getFloat32(1 + 4 * i, true);
    else decodeBlocks(bytes, view, bits, values);
  }
  for (let i = 0; i < parameters; i++) if (!Number.isFinite(values[i])) throw notFinite();
  return values;
}

function decodeBlocks(bytes: Uint8Array, view: DataView, bits: 8 | 4, values: Float32Array): void {
  let at = 1;
  for (let start = 0; start < values.length; start += BLOCK) {
    const length = Math.min(BLOCK, values.length - start);
    const scale = view.getFloat32(at, true);
    at += 4;
    for (let i = 0; i < length; i++) {
      const code = bits === 8 ? view.getInt8(at + i) : ((bytes[at + (i >> 1)] >> (4 * (i & 1))) << 28) >> 28;
      values[start + i] = scale * code;
    }
    at += Math.ceil((length * bits) / 8);
  }
}

function decodeTop(bytes: Uint8Array, view: DataView, values: Float32Array): void {
  const count = bytes.length >= 5 ? view.getUint32(1, true) : 0;
  if (count > values.length || bytes.length !== 5 + 8 * count)
    throw bad(`has ${count} largest values in ${bytes.length} bytes, expected ${5 + 8 * count} bytes`);
  let before = -1;
  for (let i = 0; i < count; i++) {
    const index = view.getUint32(5 + 4 * i, true);
    if (index <= before || index >= values.length) throw bad(`has the index ${index} after ${before}`);
    values[index] = view.getFloat32(5 + 4 * (count + i), true);
    before = index;
  }
}

function bad(problem: string): FederatedError {
  return new FederatedError('BAD_UPDATE', `the update ${problem}`);
}

/** Compresses a sequence of updates; what one loses is added to the next. */
export class UpdateCompressor {
  readonly #options: CompressionOptions;
  readonly #random: Uniform;
  /** Error of the updates so far, which the next one makes up for. Set it to continue after a restart. */
  residual: Float32Array | undefined;

  constructor(options: CompressionOptions, random: Uniform) {
    this.#options = options;
    this.#random = random;
  }

  encode(update: Float32Array): Uint8Array {
    const { residual } = this;
    const values = residual ? update.map((value, i) => value + residual[i]) : update;
    const bytes = encodeUpdate(values, this.#options, this.#random);
    const sent = decodeUpdate(bytes, values.length);
    this.residual = values.map((value, i) => value - sent[i]);
    return bytes;
  }
}
