/** Secure sums of 100 clients with a million parameters, when clients drop out, through the journaled server. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom } from '../../src/core/random.ts';
import { identity } from '../../src/federated/client/identity.ts';
import { encodeMessage, type RoundMessage } from '../../src/federated/round/messages.ts';
import type { Receipt } from '../../src/federated/round/protocol.ts';
import { defaultNeighbours } from '../../src/federated/round/roundConfig.ts';
import { SecureMember } from '../../src/federated/secure/secureMember.ts';
import { Federation } from '../../src/federated/server/federation.ts';
import { fileJournal } from '../../src/federated/server/fileJournal.node.ts';
import { checkSettings } from '../../src/federated/server/settings.ts';
import { nextTask } from '../../src/runtime/nextTask.node.ts';

export interface DropoutRow {
  readonly dropout: number;
  readonly before: string;
  readonly threshold: number;
  readonly result: string;
  /** Time that the server took for the whole round. It includes signatures, the journal on disk and the snapshot, and excludes HTTP. */
  readonly serverSeconds: number;
  /** The part of it in which this process used a processor; the rest is the disk's. */
  readonly processorSeconds: number;
  /** Largest ratio of a client's bytes, sent and received, to those of a plain float32 update. */
  readonly bytesRatio: number;
}

const HOUR = 3600;
const SCALE = 1000;
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
  const settings = checkSettings({
    ...{ name: 'bench', mode: 'secure', rounds: 1, cohort: clients, minimumCohort: 3, maximumExamples: 1000 },
    ...{ weighting: 'uniform', deadlines: { open: HOUR, keys: HOUR, update: HOUR, unmask: HOUR } },
    ...{ secure: { neighbours, threshold, clip: 1, scale: SCALE }, training: { model: 'none' } },
  });
  const folder = await mkdtemp(join(tmpdir(), 'espalier-dropout-'));
  const journal = await fileJournal(folder);
  const federation = await Federation.open(settings, { journal, weights: new Float32Array(parameters) }, 0);
  let [serverSeconds, processorSeconds] = [0, 0];
  const timed = async <T>(work: () => T | Promise<T>): Promise<T> => {
    const [started, used] = [performance.now(), process.cpuUsage()];
    const result = await work();
    const { user, system } = process.cpuUsage(used);
    serverSeconds += (performance.now() - started) / 1000;
    processorSeconds += (user + system) / 1e6;
    return result;
  };
  let now = 0;
  const sent = new Map<number, number>();
  /** Sends the messages of a stage, which arrive at the same time: each in a task of its own, as from sockets. */
  const send = async (messages: ReadonlyMap<number, Uint8Array>) => {
    for (const [index, { length }] of messages) sent.set(index, (sent.get(index) ?? 0) + length);
    const receipts = await timed(async () => {
      const received: Promise<Receipt>[] = [];
      for (const bytes of messages.values()) {
        received.push(federation.receive(bytes, now));
        await nextTask();
      }
      return Promise.all(received);
    });
    // shares that arrive after the sum is complete are not needed
    for (const { status, code, reason } of receipts)
      if (status !== 'accepted' && !(code === 'TOO_LATE' && federation.report[0]?.outcome === 'closed'))
        throw new Error(reason);
  };
  const identities = Array.from({ length: clients }, () => identity());
  const { config } = federation.status(identities[0].name);
  const members = identities.map((own) => SecureMember.join(config!, own, 1));
  await send(new Map(members.map(({ joinMessage }, i) => [i, encodeMessage(joinMessage)])));
  const expected = new Int32Array(parameters);
  const lost = Math.round(dropout * clients);
  for (const stage of stages) {
    const messages = new Map<number, Uint8Array>();
    for (const [i, member] of members.entries()) {
      if (i < lost && stages.indexOf(stage) >= stages.indexOf(before)) continue;
      const { instruction } = await timed(() => federation.status(identities[i].name));
      sent.set(i, (sent.get(i) ?? 0) + JSON.stringify(instruction).length);
      let message: RoundMessage | undefined;
      if (instruction.phase === 'keys') message = await member.shares(instruction);
      else if (instruction.phase === 'update') {
        const random = seededRandom(i + 1);
        // the integers of the training loss stay 0
        const integers = new Int32Array(config!.parameters);
        for (let k = 0; k < parameters; k++) expected[k] += integers[k] = random.integer(2001) - 1000;
        message = await member.update(instruction, integers);
      } else if (instruction.phase === 'confirm') message = member.confirm(instruction);
      else if (instruction.phase === 'unmask') message = member.unmask(instruction);
      if (message) messages.set(i, encodeMessage(message));
    }
    await send(messages);
    if (federation.round?.phase === stage) await timed(() => federation.tick((now += 1000 * HOUR)));
  }
  const [line] = federation.report;
  let result = line.reason ?? '';
  if (line.outcome === 'closed') {
    const contributors = line.contributors;
    const wrong = federation.weights.reduce(
      (count, value, i) => count + (Math.round(value * SCALE * contributors) === expected[i] ? 0 : 1),
      0,
    );
    result = wrong === 0 ? 'exact' : `${wrong} values are wrong`;
  }
  await federation.close();
  await rm(folder, { recursive: true });
  const bytesRatio = Math.max(...sent.values()) / (4 * parameters);
  return { dropout, before, threshold, result, serverSeconds, processorSeconds, bytesRatio };
}
