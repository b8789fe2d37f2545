/**
 * Simulates a federation with many clients in one process: real rounds, without signatures and masks. Memory does not depend on the
 * number of clients.
 */
import { seededRandom } from '../core/random.ts';
import { encodeUpdate } from './client/compression.ts';
import { FederatedError } from './federatedError.ts';
import type { RoundConfig } from './round/roundConfig.ts';
import { Federation } from './server/federation.ts';
import { memoryJournal } from './server/journal.ts';
import type { ReportLine } from './server/reportLine.ts';
import type { FederationSettings } from './server/settings.ts';

export interface SimulationOptions {
  /** Number of clients. Each round samples `cohort` of them. */
  readonly clients: number;
  /** Starting weights. */
  readonly weights: Float32Array;
  /** Trains one client. @returns how far its weights moved [parameters]; undefined if the client drops out */
  readonly train: (client: number, weights: Float32Array, config: RoundConfig) => Promise<Float32Array | undefined>;
  /** Number of examples of a client. Default: 1. */
  readonly examples?: (client: number) => number;
  /** Seed of the sampling. Default: 1. */
  readonly seed?: number;
  readonly signal?: AbortSignal;
  /** Called after each round. */
  readonly onRound?: (line: ReportLine, weights: Float32Array) => void | Promise<void>;
}

export interface SimulationResult {
  readonly weights: Float32Array;
  readonly report: readonly ReportLine[];
}

/** @param settings of mode 'visible' @throws {FederatedError} if they are secure: masks need real clients */
export async function simulate(settings: FederationSettings, options: SimulationOptions): Promise<SimulationResult> {
  const { clients, train, examples = () => 1, seed = 1, signal, onRound, weights } = options;
  if (settings.mode !== 'visible')
    throw new FederatedError(
      'BAD_SETTINGS',
      'a simulation needs mode visible: it has no masks, so nothing would be secret',
    );
  let now = 0;
  const federation = await Federation.open(settings, { journal: memoryJournal(), weights, signed: false }, now);
  const random = seededRandom(seed);
  while (federation.round) {
    signal?.throwIfAborted();
    const round = federation.round;
    const { id, cohort } = round.config;
    const chosen = sample(clients, Math.min(cohort, clients), random.integer);
    const signed = { round: id, signature: '' };
    for (const client of chosen)
      await federation.receiveMessage(
        { kind: 'join', ...signed, client: nameOf(client), examples: examples(client) },
        now,
      );
    if (round.phase === 'open') await federation.tick((now = round.deadline));
    for (const client of chosen) {
      const update = await train(client, federation.weights, round.config);
      if (!update) continue;
      const body = encodeUpdate(update, {}, random);
      await federation.receiveMessage({ kind: 'update', ...signed, client: nameOf(client), body }, now);
    }
    if (federation.round === round) await federation.tick((now = round.deadline));
    await onRound?.(federation.report.at(-1)!, federation.weights);
  }
  return { weights: federation.weights, report: federation.report };
}

/** Name of a simulated client, as long as a real one. */
function nameOf(client: number): string {
  return client.toString(16).padStart(64, '0');
}

/** Returns different numbers below `total` (Floyd's algorithm). */
function sample(total: number, count: number, integer: (bound: number) => number): number[] {
  const chosen = new Set<number>();
  for (let i = total - count; i < total; i++) {
    const pick = integer(i + 1);
    chosen.add(chosen.has(pick) ? i : pick);
  }
  return [...chosen];
}
