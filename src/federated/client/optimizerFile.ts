/** A client's optimizer as bytes, so that it survives a restart of the client. */
import type { ClientOptimizer } from './localTraining.ts';

/** Bytes of the number of steps. */
const HEAD = 8;

export function encodeOptimizer({ steps, moments }: ClientOptimizer): Uint8Array {
  const { first, second } = moments;
  const bytes = new Uint8Array(HEAD + 4 * (first.length + second.length));
  new DataView(bytes.buffer).setFloat64(0, steps, true);
  const values = new Float32Array(bytes.buffer, HEAD);
  values.set(first);
  values.set(second, first.length);
  return bytes;
}

/** @returns undefined if the bytes belong to a model of another size, or are damaged: then the optimizer starts fresh */
export function decodeOptimizer(bytes: Uint8Array, parameters: number): ClientOptimizer | undefined {
  if (bytes.length !== HEAD + 8 * parameters) return undefined;
  const copy = bytes.slice();
  const steps = new DataView(copy.buffer, copy.byteOffset).getFloat64(0, true);
  const values = new Float32Array(copy.buffer.slice(copy.byteOffset + HEAD, copy.byteOffset + copy.length));
  const moments = { first: values.subarray(0, parameters), second: values.subarray(parameters) };
  const isSound = Number.isSafeInteger(steps) && steps >= 0 && values.every(Number.isFinite);
  return isSound && moments.second.every((value) => value >= 0) ? { steps, moments } : undefined;
}
