/** Clients of the tests: each pulls the weights towards its own point. Their updates are exact integers, so sums are exact. */

import type { Connection } from '../../src/federated/client/connection.ts';
import {
  type ClientStore,
  checkSettings,
  Federation,
  identity,
  type Journal,
  localConnection,
  memoryJournal,
  Participant,
  type ParticipantOptions,
  type RoundConfig,
  type Trainer,
} from '../../src/federated/index.ts';

export const PARAMETERS = 20;
export const weights = new Float32Array(PARAMETERS);
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

/** Decides which clients are held out, and in which group each one is: without it, a group may be smaller than a cohort. */
export const samplingKey = '00'.repeat(32);

/** The point that a client pulls to. */
export const pointOf = (client: number) =>
  Float32Array.from({ length: PARAMETERS }, (_, i) => ((client * 7 + i) % 11) - 5);

/** A trainer that knows no loss. */
interface PullingTrainer extends Trainer {
  train(weights: Float32Array, config: RoundConfig, signal?: AbortSignal): Promise<Float32Array>;
}

export function trainerOf(client: number): PullingTrainer {
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

/** Lets all clients take steps in turn until the federation ends; time passes when nobody can act. */
export async function play(federation: Federation, clients: { step(): Promise<string> }[], start = 0): Promise<number> {
  let now = start;
  for (let turn = 0; !federation.finished; turn++) {
    if (turn > 1000) throw new Error(`stuck: ${federation.round?.phase}`);
    let acted = false;
    for (const client of clients) if ((await client.step()) === 'acted') acted = true;
    if (!acted && federation.round) await federation.tick((now = federation.round.deadline));
  }
  return now;
}

export async function run(changes: object = {}, clients = 5, journal: Journal = memoryJournal()): Promise<Federation> {
  const federation = await Federation.open(checkSettings({ ...settings, ...changes }), { journal, weights }, 0);
  const connection = localConnection(federation, () => 0);
  await play(
    federation,
    Array.from({ length: clients }, (_, i) => participant(connection, i, { allowVisible: true })),
  );
  return federation;
}

/** A journal that fails after so many operations, as if the process were killed there. */
export function failing(journal: Journal, after: number): Journal {
  let left = after;
  const spend = () => {
    if (left-- <= 0) throw new Error('killed');
  };
  return {
    ...journal,
    append: async (...parts) => {
      spend();
      return journal.append(...parts);
    },
    replace: async (snapshot) => {
      spend();
      return journal.replace(snapshot);
    },
  };
}
