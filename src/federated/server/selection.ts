/** Decides which clients may join a round: by coins that fall the same way whenever a client asks. */
import { sha256 } from '@noble/hashes/sha2.js';
import { hexToBytes } from '../encoding.ts';
import { isEvaluation, type RoundConfig } from '../round/roundConfig.ts';
import type { FederationSettings } from './settings.ts';

/** Group of devices whose turn a training round is. */
export function groupOfRound(number: number, { privacy }: FederationSettings): number {
  return (number - 1) % (privacy?.groups ?? 1);
}

/** True if a client may join: held-out devices only evaluate, all others only train, each group in its turn. @param key of the server */
export function mayJoin(client: string, config: RoundConfig, settings: FederationSettings, key: string): boolean {
  const { privacy, evaluation } = settings;
  if (evaluation && fraction(`held out ${client}`, key) < evaluation.devices !== isEvaluation(config)) return false;
  if (!privacy) return true;
  const group = Math.floor(fraction(`group ${client}`, key) * privacy.groups);
  return group === groupOfRound(Number(config.task.round), settings);
}

/** A number in [0, 1) that depends on the purpose and the key only. */
function fraction(purpose: string, key: string): number {
  const hash = sha256(Uint8Array.of(...hexToBytes(key), ...new TextEncoder().encode(purpose)));
  return new DataView(hash.buffer, hash.byteOffset).getUint32(0) / 2 ** 32;
}
