/**
 * A client's optimizer as bytes. It holds the state before and after its last round: a client that was killed before it stored its
 * update trains that round again, from the same state.
 */
import { bytesToHex, hexToBytes } from '../encoding.ts';
import type { ClientOptimizer } from './localTraining.ts';

export interface KeptOptimizer {
  /** Hash of the federation's settings, 64 hexadecimal digits. */
  readonly federation: string;
  /** Hash of the settings of the last round, 64 hexadecimal digits. */
  readonly round: string;
  /** Undefined if the last round began with a fresh optimizer. */
  readonly before?: ClientOptimizer;
  readonly after: ClientOptimizer;
}

const HASH = 32;
/** Bytes of both hashes and of both numbers of steps. */
const HEAD = 2 * HASH + 16;
/** Number of steps that stands for a fresh optimizer. */
const FRESH = -1;

export function encodeOptimizer({ federation, round, before, after }: KeptOptimizer): Uint8Array {
  const parts = [before, after].flatMap((state) => (state ? [state.moments.first, state.moments.second] : []));
  const bytes = new Uint8Array(HEAD + parts.reduce((sum, { byteLength }) => sum + byteLength, 0));
  bytes.set(hexToBytes(federation));
  bytes.set(hexToBytes(round), HASH);
  const view = new DataView(bytes.buffer);
  view.setFloat64(2 * HASH, before?.steps ?? FRESH, true);
  view.setFloat64(2 * HASH + 8, after.steps, true);
  let at = HEAD;
  for (const part of parts) {
    bytes.set(new Uint8Array(part.buffer, part.byteOffset, part.byteLength), at);
    at += part.byteLength;
  }
  return bytes;
}

/** @returns undefined if the bytes belong to a model of another size, or are damaged: then the optimizer starts fresh */
export function decodeOptimizer(bytes: Uint8Array, parameters: number): KeptOptimizer | undefined {
  if (bytes.length < HEAD) return undefined;
  const copy = bytes.slice();
  const view = new DataView(copy.buffer);
  const [stepsBefore, steps] = [view.getFloat64(2 * HASH, true), view.getFloat64(2 * HASH + 8, true)];
  const isFresh = stepsBefore === FRESH;
  if (copy.length !== HEAD + (isFresh ? 8 : 16) * parameters) return undefined;
  const values = new Float32Array(copy.buffer, HEAD);
  const stateAt = (index: number, steps: number): ClientOptimizer => {
    const start = 2 * index * parameters;
    const first = values.slice(start, start + parameters);
    return { steps, moments: { first, second: values.slice(start + parameters, start + 2 * parameters) } };
  };
  const before = isFresh ? undefined : stateAt(0, stepsBefore);
  const after = stateAt(isFresh ? 0 : 1, steps);
  if (!isSound(after) || (before && !isSound(before))) return undefined;
  const hashes = [copy.subarray(0, HASH), copy.subarray(HASH, 2 * HASH)].map(bytesToHex);
  return { federation: hashes[0], round: hashes[1], before, after };
}

function isSound({ steps, moments: { first, second } }: ClientOptimizer): boolean {
  if (!Number.isSafeInteger(steps) || steps < 0) return false;
  return first.every(Number.isFinite) && second.every((value) => Number.isFinite(value) && value >= 0);
}
