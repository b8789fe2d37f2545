/** Checks of messages that need more than the message's own schema. */
import { hashOf } from '../../formats/packages/hash.ts';
import { decodeUpdate } from '../client/compression.ts';
import { fromBase64 } from '../encoding.ts';
import { isUsableKey } from '../secure/agreement.ts';
import type { Roster } from '../secure/roster.ts';
import type { MessageOf } from './messages.ts';

/**
 * Returns what is wrong with the keys of a client that wants to join, or undefined. One bad key would end the round for its
 * neighbours, who cannot agree on a secret with it.
 * @param joins of the clients that have joined
 */
export function keysProblem(
  { client, keys }: MessageOf<'join'>,
  joins: ReadonlyMap<string, MessageOf<'join'>>,
): string | undefined {
  if (!keys) return undefined;
  const { seal, mask } = keys;
  if (seal === mask) return `${client} has one key for both purposes, expected two`;
  for (const key of [seal, mask])
    if (!isUsableKey(key))
      return `the key ${key} of ${client} is no usable X25519 key: its order is low, or its last bit is set`;
  for (const { client: other, keys: known } of joins.values())
    if (known && [known.seal, known.mask].some((key) => key === seal || key === mask))
      return `${client} has a key of ${other}`;
  return undefined;
}

type Shares = ReadonlyMap<string, MessageOf<'shares'>>;

/**
 * Returns what is wrong with shares of secrets, or undefined.
 * @param updates members whose update was summed: their seeds are asked for, of all others the keys
 */
export function shareProblem(
  message: MessageOf<'shares' | 'unmask'>,
  roster: Roster,
  shares: Shares,
  updates: ReadonlyMap<string, unknown>,
): string | undefined {
  const { client } = message;
  const neighbours = roster.neighbours.get(client)!;
  if (message.kind === 'shares') {
    for (const field of ['sealed', 'commitments'] as const) {
      const found = Object.keys(message[field]);
      if (found.length === neighbours.length && found.every((other) => neighbours.includes(other))) continue;
      return `${field} of ${client} names ${found.length} members, expected its ${neighbours.length} neighbours`;
    }
    return undefined;
  }
  const expected = neighbours.filter((other) => shares.has(other));
  const parts = [
    { field: 'seeds', index: 0, asked: expected.filter((other) => updates.has(other)) },
    { field: 'keys', index: 1, asked: expected.filter((other) => !updates.has(other)) },
  ] as const;
  for (const { field, index, asked } of parts) {
    const found = Object.keys(message[field]);
    if (found.length !== asked.length)
      return `${field} of ${client} has ${found.length} shares, expected ${asked.length}`;
    for (const other of asked) {
      const share = message[field][other];
      if (share === undefined) return `${field} of ${client} lacks the share of ${other}`;
      if (hashOfBase64(share) !== shares.get(other)!.commitments[client][index])
        return `${field} of ${client} has a share of ${other} that differs from the one it was sent`;
    }
  }
  return undefined;
}

/** Returns what is wrong with a visible update, or undefined. */
export function updateProblem(body: Uint8Array, parameters: number): string | undefined {
  try {
    decodeUpdate(body, parameters);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function hashOfBase64(text: string): string | undefined {
  try {
    return hashOf(fromBase64(text));
  } catch {
    return undefined;
  }
}
