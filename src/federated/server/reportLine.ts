import type { Contribution, Dropouts } from '../round/protocol.ts';

export interface Staleness {
  readonly mean: number;
  readonly maximum: number;
}

/** A line of a federation's report (JSON Lines): one per round. */
export interface ReportLine {
  readonly round: string;
  readonly kind: 'train' | 'evaluate';
  readonly outcome: 'closed' | 'aborted';
  /** Reason of an aborted round. */
  readonly reason?: string;
  readonly joined: number;
  /** Clients whose update counts. */
  readonly contributors: number;
  /** Examples of the clients whose update counts. Only with weighting by examples: otherwise clients do not say theirs. */
  readonly examples?: number;
  /** Number of times that the weights moved while a contributor trained. Only of asynchronous versions that have contributors. */
  readonly staleness?: Staleness;
  /** Mean loss of the held-out devices in nats per token, weighted as updates are. Only of an evaluation. */
  readonly loss?: number;
  /**
   * Mean loss of the members while they trained, in nats per token, weighted as updates are. Only of training without privacy. In a
   * secure round all members must know theirs, in a visible one `minimumCohort`: the loss of a few would be told to everybody.
   */
  readonly trainingLoss?: number;
  /** Norm of the combined update. */
  readonly updateNorm?: number;
  readonly dropouts: Dropouts;
  /** Bytes of clients' messages, refused ones too, but not those that are larger than any message may be. 0 in `simulate`. */
  readonly bytesReceived: number;
  /** Bytes of the server's answers: weights, models, states, receipts. 0 within one process. */
  readonly bytesSent: number;
  /** Messages that were refused, by code. */
  readonly refused: Readonly<Record<string, number>>;
  /** ε spent so far. Only with a privacy budget. */
  readonly epsilon?: number;
  readonly delta?: number;
  /** Server's time of the round in milliseconds: from its opening to its end, and computing. */
  readonly milliseconds: number;
  readonly serverMilliseconds: number;
}

/** Returns undefined if nobody contributed, or if the round is synchronous. */
export function stalenessOf(contributors: readonly Contribution[]): Staleness | undefined {
  const values = contributors.flatMap(({ staleness }) => staleness ?? []);
  if (values.length === 0) return undefined;
  const sum = values.reduce((sum, value) => sum + value, 0);
  return { mean: sum / values.length, maximum: values.reduce((most, value) => Math.max(most, value)) };
}

export function sumOfExamples(contributors: readonly Contribution[]): number {
  return contributors.reduce((sum, { examples }) => sum + examples, 0);
}
