/** Rounds per minute and memory of a simulation with 10,000 clients. Clients' updates are made, not trained. */
import { seededRandom } from '../../src/core/random.ts';
import { checkSettings, simulate } from '../../src/federated/index.ts';

export interface SimulationFigures {
  readonly roundsPerMinute: number;
  /** Resident memory after a fifth of the rounds and at the end, in MB. */
  readonly memoryEarly: number;
  readonly memoryLate: number;
}

export async function simulateMany(
  clients: number,
  cohort: number,
  parameters: number,
  rounds: number,
): Promise<SimulationFigures> {
  const settings = checkSettings({ mode: 'visible', rounds, cohort, training: { model: 'none' } });
  const started = performance.now();
  const random = seededRandom(1);
  const noise = Float32Array.from({ length: 2 * parameters }, () => 0.01 * random.normal());
  let done = 0;
  let memoryEarly = 0;
  await simulate(settings, {
    clients,
    weights: new Float32Array(parameters),
    train: async (client) => noise.slice(client, client + parameters),
    onRound: () => {
      done++;
      if (done === Math.ceil(rounds / 5)) memoryEarly = process.memoryUsage().rss / 1e6;
    },
  });
  const seconds = (performance.now() - started) / 1000;
  return { roundsPerMinute: (60 * rounds) / seconds, memoryEarly, memoryLate: process.memoryUsage().rss / 1e6 };
}
