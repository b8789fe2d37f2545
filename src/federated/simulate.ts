/**
 * Simulates a federation with many clients in one process: real rounds, without signatures and masks. Memory does not depend on the
 * number of clients.
 */
import { type Random, seededRandom } from '../core/random.ts';
import { encodeUpdate } from './client/compression.ts';
import { bytesToHex } from './encoding.ts';
import { FederatedError } from './federatedError.ts';
import type { Round } from './round/round.ts';
import { isEvaluation, type RoundConfig } from './round/roundConfig.ts';
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
  /** Returns one held-out client's loss, or undefined if it drops out. Needed if the settings have `evaluation`. */
  readonly evaluate?: (client: number, weights: Float32Array, config: RoundConfig) => Promise<number | undefined>;
  /** Number of examples of a client. Default: 1. */
  readonly examples?: (client: number) => number;
  /** Seed of the sampling. Default: 1. */
  readonly seed?: number;
  /** Number of aborted rounds in a row after which the simulation fails. Default: 10. */
  readonly maximumAborts?: number;
  readonly signal?: AbortSignal;
  /** Called after each round. */
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
  let aborts = 0;
  for (let now = 0; federation.round; ) {
    // a turn of the event loop, so that timers and abort signals fire
    await new Promise((resolve) => setTimeout(resolve, 0));
    signal?.throwIfAborted();
    now = await playRound(federation, federation.round, options, random, now);
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

/** @param now simulated time in milliseconds @returns the time after the round */
async function playRound(
  federation: Federation,
  round: Round,
  { clients, train, evaluate, examples = () => 1, signal }: SimulationOptions,
  random: Random,
  now: number,
): Promise<number> {
  const { config } = round;
  const members: number[] = [];
  const head = (client: number) => ({ round: config.id, signature: '', client: nameOf(client) });
  for (const client of shuffled(clients, random.integer)) {
    if (round.phase !== 'open') break;
    const { status } = await federation.receiveMessage(
      { kind: 'join', ...head(client), examples: Math.min(examples(client), config.maximumExamples) },
      now,
    );
    if (status === 'accepted') members.push(client);
  }
  if (round.phase === 'open') await federation.tick((now = round.deadline));
  for (const client of round.phase === 'update' ? members : []) {
    signal?.throwIfAborted();
    let update: Float32Array | undefined;
    if (isEvaluation(config)) {
      const loss = await evaluate!(client, federation.weights, config);
      update = loss === undefined ? undefined : Float32Array.of(loss);
    } else update = await train(client, federation.weights, config);
    if (!update) continue;
    await federation.receiveMessage({ kind: 'update', ...head(client), body: encodeUpdate(update, {}, random) }, now);
  }
  if (federation.round === round) await federation.tick((now = round.deadline));
  return now;
}

/** Name of a simulated client, as long as a real one. */
function nameOf(client: number): string {
  return client.toString(16).padStart(64, '0');
}

/** Yields the numbers below `total` in random order (Fisher–Yates). Memory grows with the numbers taken. */
function* shuffled(total: number, integer: (bound: number) => number): Generator<number> {
  const swapped = new Map<number, number>();
  for (let i = 0; i < total; i++) {
    const pick = i + integer(total - i);
    yield swapped.get(pick) ?? pick;
    swapped.set(pick, swapped.get(i) ?? i);
  }
}
