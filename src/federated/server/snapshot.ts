/** The state of a federation between two rounds, as bytes: a JSON header, then weights and the optimizer's moments (float32). */
import type { OptimizerState } from '../aggregation/serverOptimizer.ts';
import { FederatedError } from '../federatedError.ts';
import type { Carried } from '../round/bufferedRound.ts';
import type { ReportLine } from './reportLine.ts';

export interface FederationState {
  /** Hash of the settings: a journal belongs to one federation. */
  readonly settings: string;
  /** Key that decides who is sampled, in hexadecimal. */
  readonly samplingKey: string;
  /** Number of rounds that were begun. */
  readonly begun: number;
  readonly weights: Float32Array;
  readonly optimizer?: OptimizerState;
  readonly report: readonly ReportLine[];
  /** Clients that still train, and the versions that they train from. Of asynchronous rounds. */
  readonly carried?: Carried;
}

export function encodeSnapshot({ weights, optimizer, ...header }: FederationState): Uint8Array {
  const arrays = [weights, ...(optimizer ? [optimizer.first, optimizer.second] : [])];
  const text = new TextEncoder().encode(
    JSON.stringify({ ...header, parameters: weights.length, arrays: arrays.length }),
  );
  const bytes = new Uint8Array(4 + text.length + arrays.length * 4 * weights.length);
  new DataView(bytes.buffer).setUint32(0, text.length, true);
  bytes.set(text, 4);
  for (const [i, { buffer, byteOffset, byteLength }] of arrays.entries())
    bytes.set(new Uint8Array(buffer, byteOffset, byteLength), 4 + text.length + i * byteLength);
  return bytes;
}

/** @throws {FederatedError} BAD_JOURNAL */
export function decodeSnapshot(bytes: Uint8Array): FederationState {
  try {
    const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
    const { parameters, arrays, ...header } = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
    const array = (i: number) => {
      const start = 4 + length + 4 * i * parameters;
      return new Float32Array(new Uint8Array(bytes.subarray(start, start + 4 * parameters)).buffer);
    };
    const optimizer = arrays === 3 ? { first: array(1), second: array(2) } : undefined;
    return { ...header, weights: array(0), optimizer };
  } catch (cause) {
    throw new FederatedError('BAD_JOURNAL', 'the snapshot of the federation is damaged', {}, { cause });
  }
}
