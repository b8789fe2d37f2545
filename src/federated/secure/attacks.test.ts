/** A server that lies to the members of a secure round in order to see the update of one of them. */
import { describe, expect, it } from 'vitest';
import { fromBase64 } from '../encoding.ts';
import { FederatedError } from '../federatedError.ts';
import type { MessageOf } from '../round/messages.ts';
import type { RoundConfig } from '../round/roundConfig.ts';
import { identities, integersOf, roundConfig } from '../round/testRounds.ts';
import { pairSeed } from './agreement.ts';
import { addMasks, type Mask } from './mask.ts';
import { type Roster, rosterOf } from './roster.ts';
import { SecureMember } from './secureMember.ts';
import { combineShares } from './shares.ts';

const PARAMETERS = 50;
const COHORT = 10;
const VICTIM = 9;
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

/** What the server tells each member. @param neighbours of the victim */
type Lie = (neighbours: readonly number[]) => {
  /** Members whose masks belong into the update. */
  readonly senders: (member: number) => readonly number[];
  /** Members whose update is said to have arrived; the other senders are said to have dropped out. */
  readonly survivors: (member: number) => readonly number[];
};

interface Outcome {
  /** The victim's update without masks, if the server can compute it. */
  readonly bare?: Int32Array;
  readonly refusals: string[];
  /** Members of whose mask keys the server has shares. */
  readonly exposed: string[];
}

/** Plays a round with a lying server. */
async function attack(tell: Lie, config: RoundConfig): Promise<Outcome> {
  const clients = identities(config.cohort);
  const names = clients.map(({ name }) => name);
  const named = (members: readonly number[]) => members.map((member) => names[member]).sort();
  const members = clients.map((client) => SecureMember.join(config, client, 1));
  const joins = members.map(({ joinMessage }) => joinMessage);
  const roster = rosterOf(joins, config);
  const lie = tell(roster.neighbours.get(names[VICTIM])!.map((name) => names.indexOf(name)));
  const shares = new Map<string, MessageOf<'shares'>>();
  for (const [i, member] of members.entries())
    shares.set(names[i], await member.shares({ phase: 'keys', roster: joins }));

  const refusals: string[] = [];
  const refusing = async <T>(work: () => T | Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof FederatedError)) throw error;
      refusals.push(error.message);
      return undefined;
    }
  };
  let masked: Int32Array | undefined;
  for (const [i, member] of members.entries()) {
    const delivered = roster.neighbours.get(names[i])!;
    const commitments = Object.fromEntries(delivered.map((other) => [other, shares.get(other)!.commitments[names[i]]]));
    const sealed = Object.fromEntries(delivered.map((other) => [other, shares.get(other)!.sealed[names[i]]]));
    const update = await refusing(() =>
      member.update(
        { phase: 'update', senders: named(lie.senders(i)), sealed, commitments },
        integersOf(i, PARAMETERS),
      ),
    );
    if (update && i === VICTIM) masked = new Int32Array(update.body.slice().buffer);
  }
  const stories = range(0, config.cohort).map((i) => ({
    survivors: named(lie.survivors(i)),
    dropped: named(lie.senders(i).filter((member) => !lie.survivors(i).includes(member))),
  }));
  const confirmations = new Map<string, Record<string, string>>();
  for (const [i, member] of members.entries()) {
    const message = await refusing(() => member.confirm(stories[i]));
    if (message) confirmations.set(message.sum, { ...confirmations.get(message.sum), [names[i]]: message.signature });
  }
  const found = { seeds: new Map<string, Uint8Array[]>(), keys: new Map<string, Uint8Array[]>() };
  for (const [i, member] of members.entries()) {
    const own = [...confirmations.values()].find((signatures) => names[i] in signatures) ?? {};
    const message = await refusing(() => member.unmask({ phase: 'unmask', ...stories[i], confirmations: own }));
    for (const field of ['seeds', 'keys'] as const)
      for (const [other, share] of Object.entries(message?.[field] ?? {}))
        found[field].set(other, [...(found[field].get(other) ?? []), fromBase64(share)]);
  }
  return {
    bare:
      masked &&
      (await unmasked(
        masked,
        lie.senders(VICTIM).map((i) => names[i]),
        names[VICTIM],
        roster,
        found,
      )),
    refusals,
    exposed: [...found.keys.keys()],
  };
}

/** Removes the masks from one update, as far as the server has their secrets. */
async function unmasked(
  masked: Int32Array,
  senders: readonly string[],
  victim: string,
  roster: Roster,
  found: { readonly seeds: Map<string, Uint8Array[]>; readonly keys: Map<string, Uint8Array[]> },
): Promise<Int32Array | undefined> {
  const secretOf = async (shares: readonly Uint8Array[] | undefined) =>
    shares && shares.length >= roster.threshold ? combineShares(shares) : undefined;
  const seed = await secretOf(found.seeds.get(victim));
  if (!seed) return undefined;
  const masks: Mask[] = [{ seed, sign: -1 }];
  for (const other of roster.neighbours.get(victim)!) {
    if (!senders.includes(other)) continue;
    const key = await secretOf(found.keys.get(other));
    if (!key) return undefined;
    const shared = pairSeed(key, roster.members.get(victim)!.keys.mask, roster.hash, victim, other);
    masks.push({ seed: shared, sign: victim < other ? -1 : 1 });
  }
  await addMasks(masked, masks);
  return masked;
}

const everyone = range(0, COHORT);

describe('a lying server does not see one update', () => {
  const config = roundConfig(COHORT, { minimumCohort: 5 });

  it('if it names to the victim fewer senders than to the others', async () => {
    const few = [0, 1, 2, 3, VICTIM];
    const { bare, refusals } = await attack(
      () => ({
        senders: (member) => (member === VICTIM ? few : everyone),
        survivors: (member) => (member === VICTIM ? few : range(4, COHORT)),
      }),
      config,
    );
    expect(bare).toBeUndefined();
    expect(refusals.join()).toMatch(/4 neighbours of this client, expected at least 5/);
  });

  it('if it names to the victim just enough senders, and says that all of those dropped out', async () => {
    const gone = range(0, 5);
    const { bare, refusals } = await attack(
      () => ({
        senders: (member) => (member === VICTIM ? [...gone, VICTIM] : everyone),
        survivors: (member) => {
          if (member === VICTIM) return [...gone, VICTIM];
          // each of those is told that the others dropped out
          return gone.includes(member) ? [member, 5, 6, 7, VICTIM] : range(5, COHORT);
        },
      }),
      config,
    );
    expect(bare).toBeUndefined();
    expect(refusals.join()).toMatch(/confirmations of the sum, expected at least 6/);
  });

  it('nor shares of a neighbour that nobody confirmed as dropped', async () => {
    const named = range(1, COHORT);
    const { exposed, refusals } = await attack(() => ({ senders: () => named, survivors: () => named }), config);
    expect(exposed).toEqual([]);
    // the member that was left out
    expect(refusals).toHaveLength(3);
  });

  it('if it tells each member of other dropouts', async () => {
    const { bare, refusals } = await attack(
      () => ({
        senders: () => everyone,
        // each of the nine others is said to be lost to five members
        survivors: (member) =>
          member === VICTIM ? [0, 1, 2, 3, VICTIM] : [VICTIM, member, ...[6, 7, 8].map((i) => (member + i) % 9)],
      }),
      config,
    );
    expect(bare).toBeUndefined();
    expect(refusals).toHaveLength(COHORT);
  });

  it('if the graph is sparse, and it names to the victim none of its neighbours', async () => {
    const sparse = roundConfig(16, {
      minimumCohort: 3,
      secure: { neighbours: 6, threshold: 4, clip: 1, scale: 1000, noise: 0 },
    });
    const { bare } = await attack((neighbours) => {
      const others = range(0, 16).filter((member) => member !== VICTIM && !neighbours.includes(member));
      const few = [...others.slice(0, 3), VICTIM];
      return {
        senders: (member) => (member === VICTIM ? few : range(0, 16)),
        survivors: (member) => (member === VICTIM ? few : range(0, 16)),
      };
    }, sparse);
    expect(bare).toBeUndefined();
  });
});
