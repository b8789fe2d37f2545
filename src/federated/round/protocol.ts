/** What a round takes in and gives out: events, receipts, and the next step of a client. */
import type { MessageOf, RoundMessage } from './messages.ts';

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
