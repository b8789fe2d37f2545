/** Interface between a client and its server. */

import { FederatedError } from '../federatedError.ts';
import type { Receipt } from '../round/protocol.ts';
import type { Federation, Status } from '../server/federation.ts';
import type { FederationSettings } from '../server/settings.ts';

export interface Connection {
  /** @param client name of the client */
  status(client: string, signal?: AbortSignal): Promise<Status>;
  settings(signal?: AbortSignal): Promise<FederationSettings>;
  /** @param hash SHA-256 of the weights @param parameters maximum number of values */
  weights(hash: string, parameters: number, signal?: AbortSignal): Promise<Float32Array>;
  /** @param message as `encodeMessage` makes it */
  send(message: Uint8Array, signal?: AbortSignal): Promise<Receipt>;
}

/** A connection within one process. @param now server's time in milliseconds */
export function localConnection(federation: Federation, now: () => number = Date.now): Connection {
  return {
    async status(client) {
      const status = federation.status(client);
      await federation.durable;
      return status;
    },
    settings: async () => federation.settings,
    async weights(hash) {
      if (hash === federation.weightsHash) return federation.weights.slice();
      throw new FederatedError('WRONG_ROUND', `the server has no weights ${hash} any more`);
    },
    send: (message) => federation.receive(message, now()),
  };
}
