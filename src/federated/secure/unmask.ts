/** The server's last step of a secure round: removes all masks from the sum. */
import { hashOf } from '../../formats/packages/hash.ts';
import { fromBase64 } from '../encoding.ts';
import { FederatedError } from '../federatedError.ts';
import type { MessageOf } from '../round/messages.ts';
import { agreementKeys, pairSeed } from './agreement.ts';
import { addMask } from './mask.ts';
import type { Roster } from './roster.ts';
import { combineShares } from './shares.ts';

export interface SecureSum {
  readonly roster: Roster;
  readonly shares: ReadonlyMap<string, MessageOf<'shares'>>;
  readonly unmasks: ReadonlyMap<string, MessageOf<'unmask'>>;
  /** Members whose update is in the sum. */
  readonly survivors: ReadonlySet<string>;
  /** Sum of the masked updates mod 2³². */
  readonly sum: Int32Array;
}

/**
 * Returns the sum of the updates.
 * @throws {FederatedError} BAD_SHARES if a member shared something else than its secrets; `data.client` names it
 */
export async function unmask({ roster, shares, unmasks, survivors, sum }: SecureSum): Promise<Int32Array> {
  const result = sum.slice();
  for (const [client, { seed: commitment }] of shares) {
    const isSurvivor = survivors.has(client);
    const found: Uint8Array[] = [];
    for (const other of [...roster.neighbours.get(client)!].sort()) {
      const share = unmasks.get(other)?.[isSurvivor ? 'seeds' : 'keys'][client];
      if (share !== undefined && found.length < roster.threshold) found.push(fromBase64(share));
    }
    const secret = await combined(found, client);
    if (isSurvivor) {
      if (hashOf(secret) !== commitment) throw badShares(client, 'seed');
      addMask(result, secret, -1);
    } else removePairMasks(result, client, secret, roster, survivors);
  }
  return result;
}

/** Removes the masks that the neighbours of a dropped member added for it. */
function removePairMasks(
  sum: Int32Array,
  client: string,
  secret: Uint8Array,
  roster: Roster,
  survivors: ReadonlySet<string>,
): void {
  if (agreementKeys(secret).public !== roster.members.get(client)!.keys.mask) throw badShares(client, 'mask key');
  for (const other of roster.neighbours.get(client)!) {
    if (!survivors.has(other)) continue;
    const seed = pairSeed(secret, roster.members.get(other)!.keys.mask, roster.hash, client, other);
    addMask(sum, seed, other < client ? -1 : 1);
  }
}

async function combined(shares: readonly Uint8Array[], client: string): Promise<Uint8Array> {
  try {
    return await combineShares(shares);
  } catch (cause) {
    throw badShares(client, 'secrets', { cause });
  }
}

function badShares(client: string, what: string, options?: ErrorOptions): FederatedError {
  const message = `the shares of ${client} do not give its ${what}: it shared something else`;
  return new FederatedError('BAD_SHARES', message, { client }, options);
}
