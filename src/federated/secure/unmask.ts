/** The server's last step of a secure round: removes all masks from the sum. */
import { hashOf } from '../../formats/packages/hash.ts';
import { fromBase64 } from '../encoding.ts';
import { FederatedError } from '../federatedError.ts';
import type { MessageOf } from '../round/messages.ts';
import { agreementKeys, pairSeed } from './agreement.ts';
import { addMasks, type Mask } from './mask.ts';
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
  const masks: Mask[] = [];
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
      masks.push({ seed: secret, sign: -1 });
    } else masks.push(...pairMasks(client, secret, roster, survivors));
  }
  const result = sum.slice();
  await addMasks(result, masks);
  return result;
}

/** The masks that remain because a member dropped out, with the signs that remove them: those of its neighbours for it. */
function pairMasks(client: string, secret: Uint8Array, roster: Roster, survivors: ReadonlySet<string>): Mask[] {
  if (agreementKeys(secret).public !== roster.members.get(client)!.keys.mask) throw badShares(client, 'mask key');
  const others = roster.neighbours.get(client)!.filter((other) => survivors.has(other));
  return others.map((other) => {
    const seed = pairSeed(secret, roster.members.get(other)!.keys.mask, roster.hash, client, other);
    return { seed, sign: other < client ? -1 : 1 };
  });
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
