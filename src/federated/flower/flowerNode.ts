/**
 * A node of a Flower federation: what a SuperNode with one client does, over the SuperLink's HTTP Fleet API. With a store, a message is
 * kept until its reply is complete, over crashes too. A reply is built once, and what Flower refuses silently is reported.
 */

import { SourceError } from '../../core/errors.ts';
import { hashOf } from '../../formats/packages/hash.ts';
import type { ClientStore } from '../client/participant.ts';
import { FederatedError } from '../federatedError.ts';
import { FleetApi, type FleetApiOptions, type FlowerKey } from './fleetApi.ts';
import { decodeState, encodeState, type NodeState, type Pending, type Reply, type Tree } from './nodeState.ts';
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
  /** Keeps the node's id, and the message under way until its reply is complete. Default: none, so a crash loses both. */
  readonly store?: ClientStore;
  readonly onEvent?: (event: FlowerEvent) => void;
}

export interface FlowerEvent {
  /** 'lost': Flower took no reply any more, because the message had expired or was answered. */
  readonly kind: 'online' | 'received' | 'replied' | 'failed' | 'lost';
  readonly messageType?: string;
  readonly problem?: string;
}

const SERVER = 1n;
const APP_RAISED = 2n;
const ALREADY_ONLINE = 2004;
const RUN_IS_OVER = 2007;

export class FlowerNode {
  readonly #api: FleetApi;
  readonly #options: FlowerNodeOptions;
  #state: NodeState = {};
  #heartbeat: ReturnType<typeof setInterval> | undefined;
  readonly #done = new Set<string>();

  /** @param url of the SuperLink */
  constructor(url: string | URL, key: FlowerKey, options: FlowerNodeOptions) {
    this.#api = new FleetApi(url, key, options);
    this.#options = options;
  }

  get nodeId(): bigint | undefined {
    return this.#state.nodeId;
  }

  /**
   * Registers the key and goes online; continues from the store after a crash.
   * @param isRegistered true if the operator has registered the key. Default: true if the store knows the node
   */
  async start({ isRegistered }: { readonly isRegistered?: boolean } = {}): Promise<void> {
    const { heartbeatInterval = 30, store } = this.#options;
    const { publicKey } = this.#api;
    const text = await store?.load();
    if (text !== undefined) this.#state = decodeState(text);
    if (!(isRegistered ?? this.nodeId !== undefined)) {
      const { nodeId } = await this.#api.call('register-node', { publicKey });
      await this.#save({ nodeId: nodeId as bigint });
    }
    try {
      const { nodeId } = await this.#api.call('activate-node', { publicKey, heartbeatInterval });
      await this.#save({ ...this.#state, nodeId: nodeId as bigint });
    } catch (error) {
      // this node before a crash: Flower counts it as online until two heartbeats are missing
      const isOnline = error instanceof FederatedError && error.data.flowerCode === ALREADY_ONLINE;
      if (!isOnline || this.nodeId === undefined) throw error;
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
    if (!this.#state.pending) {
      const { messages = [], trees = [] } = (await this.#api.call('pull-messages', { node: this.#node() })) as {
        messages?: Pick<Pending, 'metadata'>[];
        trees?: Tree[];
      };
      if (messages.length === 0) return false;
      const { metadata } = messages[0];
      if (this.#done.has(metadata.messageId)) {
        await this.#confirm(metadata.runId, metadata.messageId);
        return true;
      }
      await this.#save({ ...this.#state, pending: { metadata, tree: trees[0] } });
    }
    const pending = this.#state.pending!;
    try {
      await this.#answer(pending);
    } catch (error) {
      // Flower is away: the next step goes on with this message
      if (error instanceof SourceError) throw error;
      await this.#save({ nodeId: this.nodeId });
      // the run has ended meanwhile: its message needs no answer
      if (!(error instanceof FederatedError) || error.data.flowerCode !== RUN_IS_OVER) throw error;
      const { messageType } = pending.metadata;
      this.#options.onEvent?.({ kind: 'lost', messageType, problem: error.message });
    }
    return true;
  }

  /**
   * Goes offline. By default it also forgets the node; a key that registered itself cannot be used again. Without `unregister`, the
   * store keeps the node's id and its message under way.
   */
  async stop({ unregister = true } = {}): Promise<void> {
    clearInterval(this.#heartbeat);
    const { nodeId } = this;
    if (nodeId === undefined) return;
    await this.#api.call('deactivate-node', { nodeId });
    if (unregister) await this.#api.call('unregister-node', { nodeId });
    await this.#save(unregister ? {} : this.#state);
  }

  async #answer(pending: Pending): Promise<void> {
    const { metadata, tree } = pending;
    const { messageId, runId, messageType } = metadata;
    const { onEvent } = this.#options;
    if (!pending.reply) {
      if (!pending.objects) {
        const objects: Record<string, Uint8Array> = {};
        for (const id of idsOf(tree)) objects[id] = await this.#pull(runId, id);
        pending.objects = objects;
        await this.#save(this.#state);
      }
      await this.#confirm(runId, messageId);
      this.#done.add(messageId);
      onEvent?.({ kind: 'received', messageType });
      pending.reply = await this.#handle(pending, pending.objects);
      await this.#save(this.#state);
    }
    const isTaken = await this.#push(runId, pending.reply);
    const { problem } = pending.reply;
    await this.#save({ nodeId: this.nodeId });
    onEvent?.({ kind: isTaken ? (problem === undefined ? 'replied' : 'failed') : 'lost', messageType, problem });
  }

  async #handle({ metadata: to, tree }: Pending, objects: Record<string, Uint8Array>): Promise<Reply> {
    const { messageType: type, runId } = to;
    const find = (id: string) => {
      if (!Object.hasOwn(objects, id)) throw new FederatedError('BAD_ANSWER', `the message lacks the object ${id}`);
      return objects[id];
    };
    const started = performance.now();
    let content: FlowerObject | undefined;
    let problem: string | undefined;
    try {
      const [child] = parse(find(tree.objectId ?? '')).children;
      content = recordDictObject(await this.#options.handle({ type, runId, content: readRecordDict(child, find) }));
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error);
    }
    const seconds = (performance.now() - started) / 1000;
    const createdAt = this.#api.now();
    const metadata: Message = {
      runId,
      srcNodeId: this.nodeId,
      dstNodeId: SERVER,
      replyToMessageId: to.messageId,
      groupId: to.groupId,
      ttl: to.createdAt + to.ttl - createdAt,
      messageType: type,
      createdAt,
      srcTaskId: to.dstTaskId,
      dstTaskId: to.srcTaskId,
    };
    const error = content ? undefined : { code: APP_RAISED, reason: problem };
    const root = flowerObject('Message', content ? [content] : [], encodeProto(messageSchema, { metadata, error }));
    const message = { metadata: { ...metadata, messageId: root.id }, content: content && {}, error };
    const replied = Object.fromEntries(flat(root).map(({ id, bytes }) => [id, bytes]));
    return { message, tree: treeOf(root), objects: replied, seconds, problem };
  }

  /** @returns false if Flower does not take the reply */
  async #push(runId: bigint, { message, tree, objects, seconds }: Reply): Promise<boolean> {
    const node = this.#node();
    const { objectsToPush = [], sessionId } = (await this.#api.call('push-messages', {
      ...{ node, messages: [message], trees: [tree], runtimes: [seconds] },
    })) as { objectsToPush?: string[]; sessionId?: string };
    // Flower answers 200 to a reply that it does not take; only this list tells
    if (objectsToPush.length === 0) return false;
    for (const objectId of objectsToPush) {
      if (!Object.hasOwn(objects, objectId))
        throw new FederatedError('BAD_ANSWER', `Flower asks for an object that is not in the reply: ${objectId}`);
      await this.#api.call('push-object', { node, runId, objectId, content: objects[objectId], sessionId });
    }
    return true;
  }

  async #save(state: NodeState): Promise<void> {
    this.#state = state;
    await this.#options.store?.save(encodeState(state));
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
    if (this.nodeId === undefined) throw new FederatedError('NOT_STARTED', 'the Flower node has not been started');
    return { nodeId: this.nodeId };
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
