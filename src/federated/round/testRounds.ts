/** Tools of the tests: rounds with real members, played in one process. */
import { seededRandom } from '../../core/random.ts';
import { type Identity, identity } from '../client/identity.ts';
import { SecureMember } from '../secure/secureMember.ts';
import { unmask } from '../secure/unmask.ts';
import type { MessageOf, RoundMessage } from './messages.ts';
import type { Instruction, RoundEvent } from './protocol.ts';
import { Round } from './round.ts';
import { checkRoundConfig, type RoundConfig } from './roundConfig.ts';

export const DEADLINE = 1000;

export const range = (count: number) => Array.from({ length: count }, (_, i) => i);

export function roundConfig(cohort: number, changes: object = {}): RoundConfig {
  return checkRoundConfig({
    id: 'test-1',
    mode: 'secure',
    parameters: 50,
    weights: '0'.repeat(64),
    cohort,
    minimumCohort: 3,
    maximumExamples: 1000,
    deadlines: { open: DEADLINE, keys: DEADLINE, update: DEADLINE, unmask: DEADLINE },
    secure: {
      neighbours: cohort - 1,
      threshold: Math.max(2, Math.floor((cohort - 1) / 2) + 1),
      clip: 1,
      scale: 1000,
      noise: 0,
    },
    ...changes,
  });
}

/** Identities that are the same in every run. */
export function identities(count: number): Identity[] {
  return Array.from({ length: count }, (_, i) => identity(new Uint8Array(32).fill(i + 1)));
}

/** Integers of a client's update, the same in every run. */
export function integersOf(index: number, count: number): Int32Array {
  const random = seededRandom(index + 1);
  return Int32Array.from({ length: count }, () => random.integer(2001) - 1000);
}

export function sumOf(indices: readonly number[], count: number): Int32Array {
  const sum = new Int32Array(count);
  for (const index of indices) for (const [i, value] of integersOf(index, count).entries()) sum[i] += value;
  return sum;
}

export type Stage = 'keys' | 'update' | 'confirm' | 'unmask';

export interface Played {
  readonly round: Round;
  readonly events: RoundEvent[];
  readonly sum?: Int32Array;
}

/**
 * Plays a secure round. @param silent members that send nothing from a stage on
 * @param order of the members that send in a stage
 */
export async function playRound(
  config: RoundConfig,
  count: number,
  silent: (index: number, stage: Stage) => boolean = () => false,
  order: (messages: RoundMessage[]) => RoundMessage[] = (messages) => messages,
): Promise<Played> {
  const round = new Round(config, 0);
  const events: RoundEvent[] = [];
  const apply = (event: RoundEvent) => {
    events.push(event);
    return round.apply(event);
  };
  let at = 0;
  const clients = identities(count);
  const members = clients.map((client, i) => SecureMember.join(config, client, i + 1));
  for (const message of order(members.map(({ joinMessage }) => joinMessage))) apply({ kind: 'message', at, message });
  for (const stage of ['keys', 'update', 'confirm', 'unmask'] as const) {
    if (round.phase === 'open' || (round.phase !== stage && stage === 'keys'))
      apply({ kind: 'time', at: (at += DEADLINE) });
    const messages: RoundMessage[] = [];
    for (const [i, member] of members.entries()) {
      if (silent(i, stage)) continue;
      const message = await answer(member, round.instructionFor(clients[i].name), integersOf(i, config.parameters));
      if (message) messages.push(message);
    }
    for (const message of order(messages)) apply({ kind: 'message', at, message });
    if (round.phase === stage && !round.isComplete) apply({ kind: 'time', at: (at += DEADLINE) });
  }
  if (!round.isComplete) return { round, events };
  return { round, events, sum: await unmask(round.secureSum) };
}

/** Returns an honest member's next message; undefined if it has none. */
export async function answer(
  member: SecureMember,
  instruction: Instruction,
  integers: Int32Array,
): Promise<RoundMessage | undefined> {
  if (instruction.phase === 'keys') return member.shares(instruction);
  if (instruction.phase === 'update') return member.update(instruction, integers);
  if (instruction.phase === 'confirm') return member.confirm(instruction);
  if (instruction.phase === 'unmask') return member.unmask(instruction);
  return undefined;
}

/** Messages of one kind, in the order of their events. */
export function messagesOf<Kind extends RoundMessage['kind']>(
  events: readonly RoundEvent[],
  kind: Kind,
): MessageOf<Kind>[] {
  return events.flatMap((event) =>
    event.kind === 'message' && event.message.kind === kind ? [event.message as MessageOf<Kind>] : [],
  );
}
