/** Clients of the tests: each pulls the weights towards its own point. Their updates are exact integers, so sums are exact. */

import type { Connection } from '../../src/federated/client/connection.ts';
import {
  type ClientStore,
  identity,
  Participant,
  type ParticipantOptions,
  type Trainer,
} from '../../src/federated/index.ts';

export const PARAMETERS = 20;
const SCALE = 1024;

export const settings = {
  name: 'test',
  rounds: 3,
  cohort: 5,
  weighting: 'uniform',
  deadlines: { open: 10, keys: 10, update: 10, unmask: 10 },
  secure: { clip: 1000, scale: SCALE },
  training: { model: 'none' },
} as const;

/** The point that a client pulls to. */
export const pointOf = (client: number) =>
  Float32Array.from({ length: PARAMETERS }, (_, i) => ((client * 7 + i) % 11) - 5);

export function trainerOf(client: number): Trainer {
  const point = pointOf(client);
  return {
    examples: 10 * (client + 1),
    parameters: PARAMETERS,
    train: async (weights) => weights.map((weight, i) => Math.round(((point[i] - weight) / 2) * SCALE) / SCALE),
  };
}

export function memoryStore(): ClientStore & { text?: string } {
  const store: ClientStore & { text?: string } = {
    load: async () => store.text,
    save: async (text) => {
      store.text = text;
    },
  };
  return store;
}

export const identityOf = (client: number) => identity(new Uint8Array(32).fill(client + 1));

export function participant(
  connection: Connection,
  client: number,
  options: Partial<ParticipantOptions> = {},
): Participant {
  return new Participant(connection, { identity: identityOf(client), trainer: trainerOf(client), ...options });
}
