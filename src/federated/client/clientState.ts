/** The state that a client keeps over restarts. It contains secrets of the round. */
import { fromBase64, toBase64 } from '../encoding.ts';
import type { MemberState } from '../secure/secureMember.ts';
import type { Identity } from './identity.ts';
import type { OptimizerStore } from './modelTrainer.ts';
import type { ClientStore } from './participant.ts';

/** The identity and the stores of a client, in a folder that is locked until `close`. */
export interface ClientFolder {
  readonly identity: Identity;
  readonly store: ClientStore;
  readonly optimizerStore: OptimizerStore;
  /** Lets another process use the folder. */
  close(): Promise<void>;
}

export interface ClientState {
  /** Hash of the settings: of another federation, only `updates` counts. */
  readonly federation: string;
  /** Number of updates that were masked for the server, by hash of the settings; each one spends privacy. */
  readonly updates: Readonly<Record<string, number>>;
  /** Error of compression that the next update makes up for, as float32 in base64. */
  readonly residual?: string;
  readonly round?: RoundState;
}

/** The round that the client has joined. */
export interface RoundState {
  readonly id: string;
  /** Hash of the round's settings when the client joined. */
  readonly config: string;
  readonly member?: MemberState;
  /** The signed update, in base64. */
  readonly update?: string;
  /** The residual if the server accepts the update. */
  readonly residual?: string;
}

/** Returns the stored state of this federation, or a new one. @param text as `ClientStore` keeps it */
export function readClientState(text: string | undefined, federation: string): ClientState {
  const found = text === undefined ? undefined : (JSON.parse(text) as ClientState);
  return found?.federation === federation ? found : { federation, updates: found?.updates ?? {} };
}

/** Returns the number of updates that were masked in this federation. */
export function updatesOf({ federation, updates }: ClientState): number {
  return updates[federation] ?? 0;
}

export function valuesToText(values: Float32Array | undefined): string | undefined {
  return values && toBase64(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
}

export function valuesOfText(text: string | undefined): Float32Array | undefined {
  return text === undefined ? undefined : new Float32Array(fromBase64(text).buffer);
}
