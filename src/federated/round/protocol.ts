/** What a round takes in and gives out: events, receipts, and the next step of a client. */
import type { MessageOf, RoundMessage } from './messages.ts';
import type { RoundConfig } from './roundConfig.ts';

export type Phase = 'open' | 'keys' | 'update' | 'confirm' | 'unmask' | 'closed' | 'aborted';
/** A phase in which every member sends a message. */
export type AnsweredPhase = 'keys' | 'update' | 'confirm' | 'unmask';

export type RoundEvent =
  /** @param at server's time in milliseconds; clients' clocks are never read */
  | { readonly kind: 'message'; readonly at: number; readonly message: RoundMessage }
  | { readonly kind: 'time'; readonly at: number }
  /** Ends the round: the sum was unmasked, or updates were aggregated. */
  | { readonly kind: 'close'; readonly at: number }
  | { readonly kind: 'abort'; readonly at: number; readonly reason: string };

export interface Receipt {
  /** 'duplicate': the same message was accepted before; nothing changes. */
  readonly status: 'accepted' | 'duplicate' | 'refused';
  readonly code?: string;
  readonly reason?: string;
}

/** Members that sent nothing before the deadline of a phase, and those that withdrew. */
export interface Dropouts extends Readonly<Record<AnsweredPhase, number>> {
  readonly withdrawn: number;
}

/** A client's next step. */
export type Instruction =
  | { readonly phase: 'open' | 'closed' }
  | { readonly phase: 'wait'; readonly for: Phase }
  | { readonly phase: 'keys'; readonly roster: readonly MessageOf<'join'>[] }
  | {
      readonly phase: 'update';
      /** Members whose masks belong into the update, and their shares for this member. Mode 'secure'. */
      readonly senders?: readonly string[];
      readonly sealed?: Readonly<Record<string, string>>;
      /** SHA-256 of the share of the seed and of the share of the key in each of `sealed`, as their sender declared them. */
      readonly commitments?: Readonly<Record<string, readonly [string, string]>>;
    }
  | { readonly phase: 'confirm'; readonly survivors: readonly string[]; readonly dropped: readonly string[] }
  | {
      readonly phase: 'unmask';
      readonly survivors: readonly string[];
      readonly dropped: readonly string[];
      /** Signatures of the messages 'confirm', by member. */
      readonly confirmations: Readonly<Record<string, string>>;
    }
  | { readonly phase: 'aborted'; readonly reason: string };

/** A client whose update counts. */
export interface Contribution {
  readonly client: string;
  /** Examples that the client declared. */
  readonly examples: number;
  /** Number of times that the weights moved since the client joined. Only of an asynchronous version. */
  readonly staleness?: number;
}

export interface VisibleUpdate extends Contribution {
  readonly body: Uint8Array;
}

/** What `Round` and `BufferedRound` have in common: a state machine without I/O, a function of its settings and its events. */
export interface RoundMachine {
  readonly config: RoundConfig;
  /** Hash that messages sign. */
  readonly configHash: string;
  readonly phase: Phase;
  /** Time of the next transition if nobody else sends anything; Infinity at the end. */
  readonly deadline: number;
  /** Reason of an aborted round. */
  readonly reason: string;
  /** Clients that have joined so far. */
  readonly joined: number;
  /** Clients whose update counts, by name. */
  readonly contributors: readonly Contribution[];
  readonly dropouts: Dropouts;
  /** True if the result can be computed: then the server computes it and applies 'close', or 'abort'. */
  readonly isComplete: boolean;
  /** Updates by client, in the order of names. Mode 'visible'. @throws {FederatedError} if the round is not complete */
  readonly visibleUpdates: readonly VisibleUpdate[];
  /** Applies an event. Refused events change nothing. */
  apply(event: RoundEvent): Receipt;
  /** Returns a client's next step; the same one until the client has taken it. */
  instructionFor(client: string): Instruction;
  /** Settings of the round that `instructionFor` is about. */
  configFor(client: string): RoundConfig;
  /** Returns the hash that messages for a round sign, or undefined if this machine takes no messages for it. @param round its id */
  hashOf(round: string): string | undefined;
  /** Refuses a message for a round whose hash is not known. @param round its id */
  refusalOf(round: string): Receipt;
}
