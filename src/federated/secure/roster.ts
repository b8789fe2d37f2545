/** The roster of a secure round: its members' signed keys, its hash, and who shares masks with whom. */

import { hashOf } from '../../formats/packages/hash.ts';
import { canonicalHash } from '../canonicalHash.ts';
import { FederatedError } from '../federatedError.ts';
import { hasValidSignature, type MessageOf } from '../round/messages.ts';
import { configHash, type RoundConfig } from '../round/roundConfig.ts';

export type Member = MessageOf<'join'> & { readonly keys: { readonly seal: string; readonly mask: string } };

export interface Roster {
  readonly hash: string;
  /** Members by name, in the order of names. */
  readonly members: ReadonlyMap<string, Member>;
  /** Names of the members that share masks and secrets with a member. The relation is symmetric. */
  readonly neighbours: ReadonlyMap<string, readonly string[]>;
  /** Number of neighbours that must remain to remove a member's masks. */
  readonly threshold: number;
  /** Number of members that must confirm the sum before anyone sends shares. */
  readonly quorum: number;
}

/** @param joins of all members */
export function rosterOf(joins: Iterable<MessageOf<'join'>>, { secure }: RoundConfig): Roster {
  const sorted = [...joins].sort((a, b) => (a.client < b.client ? -1 : 1)) as Member[];
  const hash = canonicalHash(sorted);
  // members stand on a ring in an order that depends on all their keys
  const ring = sorted
    .map(({ client }) => ({ client, place: hashOf(new TextEncoder().encode(`${hash} ${client}`)) }))
    .sort((a, b) => (a.place < b.place ? -1 : 1))
    .map(({ client }) => client);
  const count = Math.min(secure?.neighbours ?? 0, ring.length - 1);
  const neighbours = new Map<string, readonly string[]>();
  for (const [i, client] of ring.entries()) {
    const others: string[] = [];
    if (count === ring.length - 1) others.push(...ring.filter((other) => other !== client));
    else
      for (let distance = 1; distance <= count / 2; distance++)
        others.push(ring[(i + distance) % ring.length], ring[(i - distance + ring.length) % ring.length]);
    neighbours.set(client, others);
  }
  const members = new Map(sorted.map((member) => [member.client, member]));
  const threshold = thresholdFor(count, secure);
  // the same fraction of all members as `threshold` is of the neighbours: with more than half, two quorums share a member
  const quorum = Math.ceil((threshold * ring.length) / Math.max(1, count));
  return { hash, members, neighbours, threshold, quorum };
}

/** Hash of the members of a sum, which its survivors confirm. */
export function sumHash({ hash }: Roster, survivors: readonly string[], dropped: readonly string[]): string {
  const members = { roster: hash, survivors: [...survivors].sort(), dropped: [...dropped].sort() };
  return canonicalHash(members);
}

/** A cohort below its target has fewer neighbours; the threshold shrinks in proportion, rounded up, and is at least 2. */
function thresholdFor(neighbours: number, secure: RoundConfig['secure']): number {
  if (!secure) return 0;
  return Math.max(2, Math.ceil((secure.threshold * neighbours) / secure.neighbours));
}

/**
 * Checks a roster that the server sent, as a member.
 * @param own the message with which this client joined
 * @param trusted names of the other clients that may be members. Without it, a dishonest server can invent members.
 * @throws {FederatedError} BAD_ROSTER
 */
export function checkRoster(
  joins: readonly MessageOf<'join'>[],
  config: RoundConfig,
  own: MessageOf<'join'>,
  trusted?: ReadonlySet<string>,
): Roster {
  const bad = (problem: string) => new FederatedError('BAD_ROSTER', `round ${config.id}: the roster ${problem}`, {});
  if (joins.length < config.minimumCohort)
    throw bad(`has ${joins.length} members, expected at least ${config.minimumCohort}`);
  if (joins.length > config.cohort) throw bad(`has ${joins.length} members, expected at most ${config.cohort}`);
  if (new Set(joins.map(({ client }) => client)).size !== joins.length) throw bad('names a member twice');
  const keys = joins.flatMap((join) => [join.keys?.seal, join.keys?.mask]);
  if (new Set(keys).size !== keys.length) throw bad('uses a key twice');
  const hash = configHash(config);
  for (const join of joins) {
    if (join.round !== config.id || !join.keys) throw bad(`has a member without keys for this round: ${join.client}`);
    if (!hasValidSignature(join, hash)) throw bad(`has a member with a wrong signature: ${join.client}`);
    if (trusted && join.client !== own.client && !trusted.has(join.client))
      throw bad(`has a member that is not trusted: ${join.client}`);
  }
  const mine = joins.find(({ client }) => client === own.client);
  if (!mine || mine.signature !== own.signature) throw bad('lacks this client, or has other keys for it');
  return rosterOf(joins, config);
}
