/**
 * A node of a Flower federation: what a SuperNode with one client does, over the SuperLink's HTTP Fleet API. A message is kept until its
 * reply is complete, a reply is built once, and what Flower refuses silently is reported.
 */

import { hashOf } from '../../formats/packages/hash.ts';
import { FederatedError } from '../federatedError.ts';
import { FleetApi, type FleetApiOptions, type FlowerKey } from './fleetApi.ts';
import { encodeProto, type Message } from './protobuf.ts';
import {
  type FlowerObject,
  flowerObject,
  parse,
  type RecordDict,
  readRecordDict,
  recordDictObject,
} from './records.ts';
import { message as messageSchema } from './schemas.ts';

export interface FlowerMessage {
  /** 'train', 'evaluate', 'query', or one of these with '.' and a name. */
  readonly type: string;
  readonly runId: bigint;
  readonly content: RecordDict;
}

export interface FlowerNodeOptions extends FleetApiOptions {
  /** Answers a message. An error that it throws is the reply; the run counts one failure. */
  readonly handle: (message: FlowerMessage) => Promise<RecordDict>;
  /** Seconds between heartbeats are two thirds of this. Default: 30. */
  readonly heartbeatInterval?: number;
  readonly onEvent?: (event: FlowerEvent) => void;
}

export interface FlowerEvent {
  /** 'lost': Flower took no reply any more, because the message had expired or was answered. */
  readonly kind: 'online' | 'received' | 'replied' | 'failed' | 'lost';
  readonly messageType?: string;
  readonly problem?: string;
}

interface Tree {
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

const SERVER = 1n;
const APP_RAISED = 2n;
const ALREADY_ONLINE = 2004;
const RUN_IS_OVER = 2007;

export class FlowerNode {
  readonly #api: FleetApi;
  readonly #options: FlowerNodeOptions;
  #nodeId: bigint | undefined;
  #heartbeat: ReturnType<typeof setInterval> | undefined;
  readonly #done = new Set<string>();

  /** @param url of the SuperLink */
  constructor(url: string | URL, key: FlowerKey, options: FlowerNodeOptions) {
    this.#api = new FleetApi(url, key, options);
    this.#options = options;
  }

  get nodeId(): bigint | undefined {
    return this.#nodeId;
  }

  /** Registers the key and goes online. @param isRegistered true if the operator, or an earlier start, has registered it */
  async start({ isRegistered = false } = {}): Promise<void> {
    const { heartbeatInterval = 30 } = this.#options;
    const { publicKey } = this.#api;
    if (!isRegistered) await this.#api.call('register-node', { publicKey });
    try {
      this.#nodeId = (await this.#api.call('activate-node', { publicKey, heartbeatInterval })).nodeId as bigint;
    } catch (error) {
      const isOnline = error instanceof FederatedError && error.data.flowerCode === ALREADY_ONLINE;
      if (!isOnline || this.#nodeId === undefined) throw error;
    }
    await this.#beat();
    // heartbeats go on while the handler trains; a handler that blocks this thread for minutes takes the node offline
    this.#heartbeat = setInterval(() => void this.#beat().catch(() => {}), (1000 * heartbeatInterval * 2) / 3);
    this.#options.onEvent?.({ kind: 'online' });
  }

  /** Answers messages until the signal aborts. @param interval milliseconds between two questions; default: 500 */
  async run({ interval = 500, signal }: { interval?: number; signal: AbortSignal }): Promise<void> {
    while (!signal.aborted) {
      if (!(await this.step())) await new Promise((resolve) => setTimeout(resolve, interval));
    }
  }

  /** Asks once and answers. @returns false if there was no message */
  async step(): Promise<boolean> {
    const { messages = [], trees = [] } = (await this.#api.call('pull-messages', { node: this.#node() })) as {
      messages?: { metadata: Metadata }[];
      trees?: Tree[];
    };
    if (messages.length === 0) return false;
    const { metadata } = messages[0];
    try {
      await this.#answer(metadata, trees[0]);
    } catch (error) {
      // the run has ended meanwhile: its message needs no answer
      if (!(error instanceof FederatedError) || error.data.flowerCode !== RUN_IS_OVER) throw error;
      this.#options.onEvent?.({ kind: 'lost', messageType: metadata.messageType, problem: error.message });
    }
    return true;
  }

  /** Goes offline and forgets the node. A key that registered itself cannot be used again. */
  async stop({ unregister = true } = {}): Promise<void> {
    clearInterval(this.#heartbeat);
    if (this.#nodeId === undefined) return;
    await this.#api.call('deactivate-node', { nodeId: this.#nodeId });
    if (unregister) await this.#api.call('unregister-node', { nodeId: this.#nodeId });
    this.#nodeId = undefined;
  }

  async #answer(metadata: Metadata, tree: Tree): Promise<void> {
    const { messageId, runId, messageType: type } = metadata;
    const { onEvent, handle } = this.#options;
    if (this.#done.has(messageId)) return this.#confirm(runId, messageId);
    const objects = new Map<string, Uint8Array>();
    for (const id of idsOf(tree)) objects.set(id, await this.#pull(runId, id));
    await this.#confirm(runId, messageId);
    this.#done.add(messageId);
    onEvent?.({ kind: 'received', messageType: type });
    const find = (id: string) => {
      const bytes = objects.get(id);
      if (!bytes) throw new FederatedError('BAD_ANSWER', `the message lacks the object ${id}`);
      return bytes;
    };
    const started = performance.now();
    let content: FlowerObject | undefined;
    let problem: string | undefined;
    try {
      const [child] = parse(find(tree.objectId ?? '')).children;
      content = recordDictObject(await handle({ type, runId, content: readRecordDict(child, find) }));
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error);
    }
    const seconds = (performance.now() - started) / 1000;
    const isTaken = await this.#push(metadata, content, problem, seconds);
    onEvent?.({ kind: isTaken ? (problem === undefined ? 'replied' : 'failed') : 'lost', messageType: type, problem });
  }

  async #push(
    to: Metadata,
    content: FlowerObject | undefined,
    problem: string | undefined,
    seconds: number,
  ): Promise<boolean> {
    const createdAt = this.#api.now();
    const metadata: Message = {
      runId: to.runId,
      srcNodeId: this.#nodeId,
      dstNodeId: SERVER,
      replyToMessageId: to.messageId,
      groupId: to.groupId,
      ttl: to.createdAt + to.ttl - createdAt,
      messageType: to.messageType,
      createdAt,
      srcTaskId: to.dstTaskId,
      dstTaskId: to.srcTaskId,
    };
    const error = content ? undefined : { code: APP_RAISED, reason: problem };
    const root = flowerObject('Message', content ? [content] : [], encodeProto(messageSchema, { metadata, error }));
    const message = { metadata: { ...metadata, messageId: root.id }, content: content && {}, error };
    const node = this.#node();
    const { objectsToPush = [], sessionId } = (await this.#api.call('push-messages', {
      ...{ node, messages: [message], trees: [treeOf(root)], runtimes: [seconds] },
    })) as { objectsToPush?: string[]; sessionId?: string };
    // Flower answers 200 to a reply that it does not take; only this list tells
    if (objectsToPush.length === 0) return false;
    const all = new Map(flat(root).map((object) => [object.id, object.bytes]));
    for (const objectId of objectsToPush) {
      const bytes = all.get(objectId);
      if (!bytes)
        throw new FederatedError('BAD_ANSWER', `Flower asks for an object that is not in the reply: ${objectId}`);
      await this.#api.call('push-object', { node, runId: to.runId, objectId, content: bytes, sessionId });
    }
    return true;
  }

  async #pull(runId: bigint, objectId: string): Promise<Uint8Array> {
    for (let pause = 1000; ; pause = Math.min(2 * pause, 10_000)) {
      const {
        found,
        available,
        content = new Uint8Array(),
      } = (await this.#api.call('pull-object', {
        ...{ node: this.#node(), runId, objectId },
      })) as { found?: boolean; available?: boolean; content?: Uint8Array };
      if (!found) throw new FederatedError('BAD_ANSWER', `Flower has no object ${objectId}`);
      if (available) {
        if (hashOf(content) !== objectId)
          throw new FederatedError('BAD_ANSWER', `the object ${objectId} has another hash`);
        return content;
      }
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }

  async #confirm(runId: bigint, messageId: string): Promise<void> {
    await this.#api.call('confirm-message-received', { node: this.#node(), runId, messageId });
  }

  async #beat(): Promise<void> {
    const { heartbeatInterval = 30 } = this.#options;
    await this.#api.call('send-node-heartbeat', { node: this.#node(), heartbeatInterval });
  }

  #node(): Message {
    if (this.#nodeId === undefined) throw new FederatedError('NOT_STARTED', 'the Flower node has not been started');
    return { nodeId: this.#nodeId };
  }
}

function* idsOf({ objectId = '', children = [] }: Tree, seen = new Set<string>()): Generator<string> {
  if (!seen.has(objectId)) yield objectId;
  seen.add(objectId);
  for (const child of children) yield* idsOf(child, seen);
}

function treeOf({ id, children }: FlowerObject): Message {
  return { objectId: id, children: children.map(treeOf) };
}

function flat(object: FlowerObject): FlowerObject[] {
  return [object, ...object.children.flatMap(flat)];
}
