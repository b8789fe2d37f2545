/**
 * Simulates a federation with many clients in one process: real rounds, without signatures and masks. Time is simulated: it passes by what
 * clients are said to take. Memory does not depend on the number of clients.
 */
import { seededRandom } from '../core/random.ts';
import type { TrainedUpdate } from './client/trainedUpdate.ts';
import { bytesToHex } from './encoding.ts';
import { FederatedError } from './federatedError.ts';
import type { RoundConfig } from './round/roundConfig.ts';
import { Federation } from './server/federation.ts';
import { memoryJournal } from './server/journal.ts';
import type { ReportLine } from './server/reportLine.ts';
import type { FederationSettings } from './server/settings.ts';
import { simulatedRounds } from './simulation/rounds.ts';
import { simulatedVersions } from './simulation/versions.ts';

export interface SimulationOptions {
  /** Number of clients. Each round samples `cohort` of them; with asynchronous rounds, `concurrency` of them train at a time. */
  readonly clients: number;
  /** Starting weights. */
  readonly weights: Float32Array;
  /**
   * Trains one client.
   * @returns how far its weights moved [parameters], with the training loss if the report shall have it; undefined if the client drops out
   */
  readonly train: (
    client: number,
    weights: Float32Array,
    config: RoundConfig,
  ) => Promise<Float32Array | TrainedUpdate | undefined>;
  /** Returns one held-out client's loss, or undefined if it drops out. Needed if the settings have `evaluation`. */
  readonly evaluate?: (client: number, weights: Float32Array, config: RoundConfig) => Promise<number | undefined>;
  /** Number of examples of a client. Default: 1. */
  readonly examples?: (client: number) => number;
  /**
   * Simulated milliseconds between a client's start and the arrival of its update. An update after the deadline of a synchronous round is
   * lost. Default: 0; with asynchronous rounds 1.
   */
  readonly duration?: (client: number, config: RoundConfig) => number;
  /** Seed of the sampling. Default: 1. */
  readonly seed?: number;
  /** Number of aborted rounds in a row after which the simulation fails. Default: 10. */
  readonly maximumAborts?: number;
  readonly signal?: AbortSignal;
  /** Called after each round. `line.milliseconds` is its simulated time. */
  readonly onRound?: (line: ReportLine, weights: Float32Array) => void | Promise<void>;
}

export interface SimulationResult {
  readonly weights: Float32Array;
  readonly report: readonly ReportLine[];
}

/**
 * @param settings of mode 'visible'
 * @throws {FederatedError} BAD_SETTINGS if they are secure: masks need real clients
 * @throws {FederatedError} ABORTED if too many rounds in a row were aborted, e.g. because there are too few clients
 */
export async function simulate(settings: FederationSettings, options: SimulationOptions): Promise<SimulationResult> {
  const { clients, evaluate, seed = 1, maximumAborts = 10, signal, onRound, weights } = options;
  if (settings.mode !== 'visible')
    throw new FederatedError(
      'BAD_SETTINGS',
      'a simulation needs mode visible: it has no masks, so nothing would be secret',
    );
  if (settings.evaluation && !evaluate)
    throw new FederatedError('BAD_SETTINGS', 'the settings have an evaluation: the simulation needs `evaluate`');
  const random = seededRandom(seed);
  const samplingKey = bytesToHex(Uint8Array.from({ length: 32 }, () => random.integer(256)));
  const federation = await Federation.open(
    settings,
    { journal: memoryJournal(), weights, signed: false, samplingKey },
    0,
  );
  const playRound = (settings.asynchronous ? simulatedVersions : simulatedRounds)(federation, options, random);
  let aborts = 0;
  while (federation.round) {
    // a turn of the event loop, so that timers and abort signals fire
    await new Promise((resolve) => setTimeout(resolve, 0));
    signal?.throwIfAborted();
    await playRound(federation.round);
    const line = federation.report.at(-1)!;
    await onRound?.(line, federation.weights);
    aborts = line.outcome === 'aborted' ? aborts + 1 : 0;
    if (aborts === maximumAborts)
      throw new FederatedError('ABORTED', `${aborts} rounds in a row were aborted, the last one: ${line.reason}`, {
        clients,
        reason: line.reason,
      });
  }
  return { weights: federation.weights, report: federation.report };
}
