/** Messages of Flower's Fleet API and its records, package flwr.proto of 1.42. */
import type { Field, Schema } from './protobuf.ts';

const scalar = (no: number, type: Field['type'], more: Partial<Field> = {}): Field => ({ no, type, ...more });
const list = (type: Field['type']): Schema => ({ vals: scalar(1, type, { repeated: true }) });

export const node: Schema = { nodeId: scalar(1, 'uint64') };
export const objectTree: Schema = {
  objectId: scalar(1, 'string'),
  children: scalar(2, () => objectTree, { repeated: true }),
};
export const metadata: Schema = {
  runId: scalar(1, 'uint64'),
  messageId: scalar(2, 'string'),
  srcNodeId: scalar(3, 'uint64'),
  dstNodeId: scalar(4, 'uint64'),
  replyToMessageId: scalar(5, 'string'),
  groupId: scalar(6, 'string'),
  ttl: scalar(7, 'double'),
  messageType: scalar(8, 'string'),
  createdAt: scalar(9, 'double'),
  srcTaskId: scalar(10, 'uint64', { explicit: true }),
  dstTaskId: scalar(11, 'uint64', { explicit: true }),
};
const empty: Schema = {};
const error: Schema = { code: scalar(1, 'sint64'), reason: scalar(2, 'string') };
export const message: Schema = {
  metadata: scalar(1, () => metadata),
  content: scalar(2, () => empty),
  error: scalar(3, () => error),
};

const value: Schema = {
  double: scalar(1, 'double', { explicit: true }),
  sint64: scalar(2, 'sint64', { explicit: true }),
  uint64: scalar(3, 'uint64', { explicit: true }),
  bool: scalar(4, 'bool', { explicit: true }),
  string: scalar(5, 'string', { explicit: true }),
  bytes: scalar(6, 'bytes', { explicit: true }),
  doubles: scalar(21, () => list('double')),
  sint64s: scalar(22, () => list('sint64')),
  uint64s: scalar(23, () => list('uint64')),
  bools: scalar(24, () => list('bool')),
  strings: scalar(25, () => list('string')),
  byteses: scalar(26, () => list('bytes')),
};
const item: Schema = { key: scalar(1, 'string'), value: scalar(2, () => value) };
/** MetricRecord and ConfigRecord. */
export const record: Schema = { items: scalar(1, () => item, { repeated: true }) };

const nodeField = scalar(1, () => node);
const runId = scalar(2, 'uint64');

/** Requests and answers by method. */
export const methods = {
  'register-node': { request: { publicKey: scalar(1, 'bytes') }, answer: { nodeId: scalar(1, 'uint64') } },
  'activate-node': {
    request: { publicKey: scalar(1, 'bytes'), heartbeatInterval: scalar(2, 'double') },
    answer: { nodeId: scalar(1, 'uint64') },
  },
  'send-node-heartbeat': {
    request: { node: nodeField, heartbeatInterval: scalar(2, 'double') },
    answer: { success: scalar(1, 'bool') },
  },
  'pull-messages': {
    request: { node: nodeField },
    answer: {
      messages: scalar(2, () => message, { repeated: true }),
      trees: scalar(3, () => objectTree, { repeated: true }),
    },
  },
  'pull-object': {
    request: { node: nodeField, runId, objectId: scalar(3, 'string') },
    answer: { found: scalar(1, 'bool'), available: scalar(2, 'bool'), content: scalar(3, 'bytes') },
  },
  'confirm-message-received': { request: { node: nodeField, runId, messageId: scalar(3, 'string') }, answer: {} },
  'push-messages': {
    request: {
      node: nodeField,
      messages: scalar(2, () => message, { repeated: true }),
      trees: scalar(3, () => objectTree, { repeated: true }),
      runtimes: scalar(4, 'double', { repeated: true }),
    },
    answer: { objectsToPush: scalar(3, 'string', { repeated: true }), sessionId: scalar(4, 'string') },
  },
  'push-object': {
    request: {
      node: nodeField,
      runId,
      objectId: scalar(3, 'string'),
      content: scalar(4, 'bytes'),
      sessionId: scalar(5, 'string'),
    },
    answer: { stored: scalar(1, 'bool') },
  },
  'deactivate-node': { request: { nodeId: scalar(1, 'uint64') }, answer: {} },
  'unregister-node': { request: { nodeId: scalar(1, 'uint64') }, answer: {} },
} satisfies Readonly<Record<string, { request: Schema; answer: Schema }>>;

export type Method = keyof typeof methods;
