/** Secure sums of 100 clients with a million parameters, when clients drop out. */

import { seededRandom } from '../../src/core/random.ts';
import { identity } from '../../src/federated/client/identity.ts';
import {
  decodeMessage,
  encodeMessage,
  hasValidSignature,
  type RoundMessage,
} from '../../src/federated/round/messages.ts';
import { Round } from '../../src/federated/round/round.ts';
import { checkRoundConfig, defaultNeighbours } from '../../src/federated/round/roundConfig.ts';
import { SecureMember } from '../../src/federated/secure/secureMember.ts';
import { unmask } from '../../src/federated/secure/unmask.ts';

export interface DropoutRow {
  readonly dropout: number;
  readonly before: string;
  readonly threshold: number;
  readonly result: string;
  readonly serverSeconds: number;
  /** Largest ratio of a client's bytes, sent and received, to those of a plain float32 update. */
  readonly bytesRatio: number;
}

const HOUR = 3_600_000;
type Stage = 'keys' | 'update' | 'confirm' | 'unmask';
const stages: readonly Stage[] = ['keys', 'update', 'confirm', 'unmask'];

/** @param dropout fraction of the clients that send nothing from `before` on */
export async function sumUnderDropout(
  clients: number,
  parameters: number,
  dropout: number,
  before: Stage,
  threshold = defaultNeighbours(clients).threshold,
): Promise<DropoutRow> {
  const { neighbours } = defaultNeighbours(clients);
  const config = checkRoundConfig({
    ...{ id: 'bench', mode: 'secure', parameters, weights: '0'.repeat(64), cohort: clients, minimumCohort: 3 },
    ...{ maximumExamples: 1000, deadlines: { open: HOUR, keys: HOUR, update: HOUR, unmask: HOUR } },
    secure: { neighbours, threshold, clip: 1, scale: 1000, noise: 0 },
  });
  const round = new Round(config, 0);
  let serverSeconds = 0;
  const timed = async <T>(work: () => T | Promise<T>): Promise<T> => {
    const started = performance.now();
    const result = await work();
    serverSeconds += (performance.now() - started) / 1000;
    return result;
  };
  let at = 0;
  const sent = new Map<number, number>();
  const send = (index: number, message: RoundMessage) => {
    const bytes = encodeMessage(message);
    sent.set(index, (sent.get(index) ?? 0) + bytes.length);
    return timed(() => {
      const message = decodeMessage(bytes);
      if (!hasValidSignature(message, round.configHash)) throw new Error('wrong signature');
      const receipt = round.apply({ kind: 'message', at, message });
      if (receipt.status !== 'accepted') throw new Error(receipt.reason);
    });
  };
  const identities = Array.from({ length: clients }, () => identity());
  const members = identities.map((own) => SecureMember.join(config, own, 1));
  for (const [i, member] of members.entries()) await send(i, member.joinMessage);
  const expected = new Int32Array(parameters);
  const lost = Math.round(dropout * clients);
  for (const stage of stages) {
    for (const [i, member] of members.entries()) {
      if (i < lost && stages.indexOf(stage) >= stages.indexOf(before)) continue;
      const instruction = await timed(() => round.instructionFor(identities[i].name));
      sent.set(i, (sent.get(i) ?? 0) + JSON.stringify(instruction).length);
      if (instruction.phase === 'keys') await send(i, await member.shares(instruction));
      else if (instruction.phase === 'update') {
        const random = seededRandom(i + 1);
        const integers = Int32Array.from({ length: parameters }, () => random.integer(2001) - 1000);
        for (let k = 0; k < parameters; k++) expected[k] += integers[k];
        await send(i, await member.update(instruction, integers));
      } else if (instruction.phase === 'confirm') await send(i, member.confirm(instruction));
      else if (instruction.phase === 'unmask' && !round.isComplete) await send(i, member.unmask(instruction));
    }
    if (round.phase === stage && !round.isComplete) await timed(() => round.apply({ kind: 'time', at: (at += HOUR) }));
  }
  let result = round.reason;
  if (round.isComplete) {
    const sum = await timed(() => unmask(round.secureSum));
    const wrong = sum.reduce((count, value, i) => count + (value === expected[i] ? 0 : 1), 0);
    result = wrong === 0 ? 'exact' : `${wrong} values are wrong`;
  }
  const bytesRatio = Math.max(...sent.values()) / (4 * parameters);
  return { dropout, before, threshold, result, serverSeconds, bytesRatio };
}
