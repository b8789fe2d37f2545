/** What a Flower node keeps, so that it goes on after a crash: its id, the message under way, and the reply once it is built. */
import { fromBase64, toBase64 } from '../encoding.ts';
import type { Message } from './protobuf.ts';

export interface Tree {
  readonly objectId?: string;
  readonly children?: readonly Tree[];
}

interface Metadata {
  readonly runId: bigint;
  readonly messageId: string;
  readonly ttl: number;
  readonly createdAt: number;
  readonly groupId?: string;
  readonly messageType: string;
  readonly srcTaskId?: bigint;
  readonly dstTaskId?: bigint;
}

/** A message that has no complete answer yet. */
export interface Pending {
  readonly metadata: Metadata;
  readonly tree: Tree;
  /** The message's objects by id. Flower deletes them once the message is confirmed. */
  objects?: Record<string, Uint8Array>;
  /** Built once: Flower takes one reply per message. */
  reply?: Reply;
}

export interface Reply {
  readonly message: Message;
  readonly tree: Message;
  readonly objects: Record<string, Uint8Array>;
  /** Duration of the handler. */
  readonly seconds: number;
  /** Error of the handler. */
  readonly problem?: string;
}

export interface NodeState {
  readonly nodeId?: bigint;
  readonly pending?: Pending;
}

export function encodeState(state: NodeState): string {
  return JSON.stringify(state, (_, value) => {
    if (typeof value === 'bigint') return { $integer: String(value) };
    return value instanceof Uint8Array ? { $bytes: toBase64(value) } : value;
  });
}

export function decodeState(text: string): NodeState {
  return JSON.parse(text, (_, value) => {
    if (typeof value?.$integer === 'string') return BigInt(value.$integer);
    return typeof value?.$bytes === 'string' ? fromBase64(value.$bytes) : value;
  });
}
