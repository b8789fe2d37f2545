/**
 * Asynchronous aggregation (FedBuff, Nguyen et al. 2022): clients send whenever they are done, and every `size` updates make a new
 * version of the weights. A pure state machine.
 */
import { FederatedError } from '../federatedError.ts';
import { mean } from './mean.ts';
import type { WeightedUpdate } from './update.ts';

export interface BufferedUpdate extends WeightedUpdate {
  /** Version of the weights that the client started from. */
  readonly version: number;
}

export interface UpdateBufferOptions {
  /** Number of updates per version. */
  readonly size: number;
  /** Updates from older versions are refused. Default: 20 versions. */
  readonly maximumStaleness?: number;
}

export class UpdateBuffer {
  readonly #size: number;
  readonly #maximumStaleness: number;
  #version: number;
  #updates: BufferedUpdate[] = [];
  /** Clients and the last version that they have sent an update from. */
  readonly #sent = new Map<string, number>();

  constructor({ size, maximumStaleness = 20 }: UpdateBufferOptions, version = 0) {
    this.#size = size;
    this.#maximumStaleness = maximumStaleness;
    this.#version = version;
  }

  get version(): number {
    return this.#version;
  }

  /** @returns false for a duplicate, which changes nothing @throws {FederatedError} if the update is too old, or of the future */
  add(update: BufferedUpdate): boolean {
    const { client, version } = update;
    if ((this.#sent.get(client) ?? -1) >= version) return false;
    const staleness = this.#version - version;
    if (staleness < 0 || staleness > this.#maximumStaleness) {
      const message = `${client} sent an update from version ${version}, expected ${Math.max(0, this.#version - this.#maximumStaleness)} to ${this.#version}`;
      throw new FederatedError('TOO_LATE', message, { client, version, current: this.#version });
    }
    this.#sent.set(client, version);
    this.#updates.push(update);
    return true;
  }

  /** Returns the mean of a full buffer and begins the next version, or returns undefined. */
  take(): Float32Array | undefined {
    if (this.#updates.length < this.#size) return undefined;
    const taken = this.#updates.splice(0, this.#size);
    const discounted = taken.map((update) => ({
      ...update,
      weight: update.weight / Math.sqrt(1 + this.#version - update.version),
    }));
    // stale updates count less; what they lack is lost, not given to the others
    const factor = totalWeight(discounted) / totalWeight(taken);
    this.#version++;
    return mean(discounted).map((value) => factor * value);
  }
}

function totalWeight(updates: readonly WeightedUpdate[]): number {
  return updates.reduce((sum, { weight }) => sum + weight, 0);
}
