/** The round: sums under dropout, and the same result whatever happens to messages on their way. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { FederatedError } from '../federatedError.ts';
import { SecureMember } from '../secure/secureMember.ts';
import { unmask } from '../secure/unmask.ts';
import { decodeMessage, encodeMessage, hasValidSignature, type MessageOf, type RoundMessage } from './messages.ts';
import { Round } from './round.ts';
import { configHash, defaultNeighbours, type RoundConfig } from './roundConfig.ts';
import {
  DEADLINE,
  identities,
  integersOf,
  messagesOf,
  type Played,
  playRound,
  range,
  roundConfig,
  sumOf,
} from './testRounds.ts';

const COHORT = 10;

describe('a secure round', () => {
  for (const percent of [0, 10, 30, 50]) {
    for (const stage of ['keys', 'update', 'confirm', 'unmask'] as const) {
      it(`sums exactly the updates that arrived, or says why not: ${percent}% drop out before ${stage}`, async () => {
        const lost = (COHORT * percent) / 100;
        const stages = ['keys', 'update', 'confirm', 'unmask'];
        const isSilent = (i: number, now: string) => i < lost && stages.indexOf(now) >= stages.indexOf(stage);
        const { round, sum } = await playRound(roundConfig(COHORT), COHORT, isSilent);
        // after lost keys the neighbours are fewer, after later losses the threshold of 5 of 9 must be met
        const counted = range(COHORT).filter((i) => stage === 'confirm' || stage === 'unmask' || i >= lost);
        if (percent < 50) {
          expect(round.phase).toBe('unmask');
          expect(sum).toEqual(sumOf(counted, 50));
          return;
        }
        expect(sum).toBeUndefined();
        expect(round.phase).toBe('aborted');
        expect(round.reason).toMatch(
          /masks c(an|ould) ?not be removed|masks could not be removed|5 members confirmed the sum/,
        );
      });
    }
  }

  it('survives the loss of half its members with a threshold of less than half', async () => {
    const config = roundConfig(COHORT, { secure: { neighbours: 9, threshold: 4, clip: 1, scale: 1000, noise: 0 } });
    for (const stage of ['keys', 'update', 'confirm', 'unmask'] as const) {
      const stages = ['keys', 'update', 'confirm', 'unmask'];
      const isSilent = (i: number, now: string) => i < 5 && stages.indexOf(now) >= stages.indexOf(stage);
      const { sum } = await playRound(config, COHORT, isSilent);
      expect(sum).toEqual(sumOf(range(COHORT).slice(stage === 'confirm' || stage === 'unmask' ? 0 : 5), 50));
    }
  });

  it('sums with a sparse graph of neighbours', async () => {
    const secure = { neighbours: 6, threshold: 4, clip: 1, scale: 1000, noise: 0 };
    const { sum } = await playRound(roundConfig(16, { secure }), 16, (i, stage) => i === 3 && stage !== 'keys');
    expect(sum).toEqual(
      sumOf(
        range(16).filter((i) => i !== 3),
        50,
      ),
    );
  });

  it('begins at its deadline with fewer clients, if they are enough', async () => {
    const { sum } = await playRound(roundConfig(COHORT), 6);
    expect(sum).toEqual(sumOf(range(6), 50));
    const { round } = await playRound(roundConfig(COHORT, { minimumCohort: 7 }), 6);
    expect(round.reason).toBe('6 clients joined, expected at least 7');
  });

  it('keeps each masked update apart from the plain one in about all integers', async () => {
    const { events } = await playRound(roundConfig(4), 4);
    const [update] = messagesOf(events, 'update');
    const masked = new Int32Array(update.body.slice().buffer);
    const plain = integersOf(
      identities(4).findIndex(({ name }) => name === update.client),
      50,
    );
    expect([...masked].filter((value, i) => value === plain[i])).toHaveLength(0);
    expect([...masked].filter((value) => Math.abs(value) > 1e6).length).toBeGreaterThan(45);
  });
});

describe('messages on their way', () => {
  let played: Played;
  beforeAll(async () => {
    played = await playRound(roundConfig(6), 6, (i, stage) => i === 2 && stage !== 'keys');
  });

  it('give the same sum when they are reordered within a phase, duplicated, late and replayed', async () => {
    const { events, sum } = played;
    const kinds = ['join', 'shares', 'update', 'confirm', 'unmask'] as const;
    const byKind = kinds.map((kind) => messagesOf(events, kind));
    await fc.assert(
      fc.asyncProperty(
        fc.tuple(...byKind.map((messages) => fc.shuffledSubarray(messages, { minLength: messages.length }))),
        fc.array(fc.nat(), { maxLength: 30 }),
        async (phases, replays) => {
          const round = new Round(roundConfig(6), 0);
          const sent: RoundMessage[] = [];
          let at = 0;
          for (const messages of phases) {
            for (const message of messages) {
              sent.push(message);
              round.apply({ kind: 'message', at, message });
              // copies of anything sent before, also of phases that are over
              for (const replay of replays)
                expect(round.apply({ kind: 'message', at, message: sent[replay % sent.length] }).status).not.toBe(
                  'accepted',
                );
            }
            if (messages[0].kind === 'update') round.apply({ kind: 'time', at: (at += DEADLINE) });
          }
          expect(await unmask(round.secureSum)).toEqual(sum);
        },
      ),
      { numRuns: 30 },
    );
  });

  it('give the same state when all events are replayed, from any point', async () => {
    const { events, sum } = played;
    for (let killed = 0; killed <= events.length; killed++) {
      const before = new Round(roundConfig(6), 0);
      for (const event of events.slice(0, killed)) before.apply(event);
      const round = new Round(roundConfig(6), 0);
      for (const event of events.slice(0, killed)) round.apply(event);
      expect(round.phase).toBe(before.phase);
      for (const event of events.slice(killed)) round.apply(event);
      expect(await unmask(round.secureSum)).toEqual(sum);
    }
  });

  it('never change the result when they come in any order at all', () => {
    const messages = played.events.flatMap((event) => (event.kind === 'message' ? [event.message] : []));
    fc.assert(
      fc.property(
        fc.array(fc.nat(messages.length - 1), { maxLength: 100 }),
        fc.infiniteStream(fc.nat(400)),
        (picks, waits) => {
          const round = new Round(roundConfig(6), 0);
          let at = 0;
          const accepted = new Set<string>();
          for (const pick of picks) {
            const message = messages[pick];
            const { status } = round.apply({ kind: 'message', at: (at += waits.next().value), message });
            const key = `${message.kind} ${message.client}`;
            if (status === 'accepted') expect(accepted.has(key)).toBe(false);
            if (status === 'accepted') accepted.add(key);
          }
          round.apply({ kind: 'time', at: at + 10 * DEADLINE });
          expect(['aborted', 'unmask']).toContain(round.phase);
          if (round.phase === 'unmask') expect(round.isComplete).toBe(true);
          else expect(round.reason).not.toBe('');
        },
      ),
    );
  });

  it('come back from bytes', () => {
    for (const event of played.events) {
      if (event.kind !== 'message') continue;
      const { message } = event;
      const decoded = decodeMessage(encodeMessage(message));
      expect(decoded).toEqual(message);
      expect(hasValidSignature(decoded, configHash(roundConfig(6)))).toBe(true);
    }
  });

  it('are refused by name when their bytes are damaged, and never throw another error', () => {
    const messages = played.events.flatMap((event) => (event.kind === 'message' ? [event.message] : []));
    const hash = configHash(roundConfig(6));
    fc.assert(
      fc.property(
        fc.nat(messages.length - 1),
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 3 }),
        (pick, changes) => {
          const bytes = encodeMessage(messages[pick]);
          for (const [at, change] of changes) bytes[at % bytes.length] ^= change;
          let decoded: RoundMessage;
          try {
            decoded = decodeMessage(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(FederatedError);
            return;
          }
          // white space and escapes of JSON may change without a change of the message
          const isSame = JSON.stringify(decoded) === JSON.stringify(messages[pick]);
          expect(hasValidSignature(decoded, hash)).toBe(isSame);
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('a member refuses', () => {
  const clients = identities(6);
  const config: RoundConfig = roundConfig(6);

  async function updating() {
    const round = new Round(config, 0);
    const members = clients.map((client) => SecureMember.join(config, client, 5));
    for (const { joinMessage: message } of members) round.apply({ kind: 'message', at: 0, message });
    const keys = round.instructionFor(clients[0].name);
    if (keys.phase !== 'keys') throw new Error(keys.phase);
    for (const member of members) round.apply({ kind: 'message', at: 0, message: await member.shares(keys) });
    const instructions = clients.map(({ name }) => {
      const update = round.instructionFor(name);
      if (update.phase !== 'update') throw new Error(update.phase);
      return update;
    });
    return { round, members, keys, instructions };
  }

  it('a second sum of other members, also after a restart', async () => {
    const { round, members, instructions } = await updating();
    for (const [i, member] of members.entries())
      round.apply({ kind: 'message', at: 0, message: await member.update(instructions[i], integersOf(i, 50)) });
    const asked = round.instructionFor(clients[0].name);
    if (asked.phase !== 'confirm') throw new Error(asked.phase);
    const first = members[0].confirm(asked);
    expect(members[0].confirm(asked)).toEqual(first);
    const [gone, ...survivors] = asked.survivors.filter((name) => name !== clients[0].name);
    const other = { ...asked, survivors: [...survivors, clients[0].name].sort(), dropped: [gone] };
    expect(() => members[0].confirm(other)).toThrow(/two unmaskings/);
    const restored = SecureMember.restore(config, clients[0], JSON.parse(JSON.stringify(members[0].state)));
    expect(() => restored.confirm(other)).toThrow(/two unmaskings/);
    expect(restored.confirm(asked)).toEqual(first);
  });

  it('to send shares before a quorum has confirmed the same sum', async () => {
    const { round, members, instructions } = await updating();
    for (const [i, member] of members.entries())
      round.apply({ kind: 'message', at: 0, message: await member.update(instructions[i], integersOf(i, 50)) });
    for (const [i, member] of members.entries()) {
      const asked = round.instructionFor(clients[i].name);
      if (asked.phase !== 'confirm') throw new Error(asked.phase);
      round.apply({ kind: 'message', at: 0, message: member.confirm(asked) });
    }
    const asked = round.instructionFor(clients[0].name);
    if (asked.phase !== 'unmask') throw new Error(asked.phase);
    const signatures = Object.entries(asked.confirmations);
    const refused = (confirmations: object, message: RegExp) =>
      expect(() => members[0].unmask({ ...asked, confirmations: confirmations as never })).toThrow(message);
    // with 5 neighbours and a threshold of 3, 4 of 6 members must confirm
    refused(Object.fromEntries(signatures.slice(0, 3)), /3 confirmations of the sum, expected at least 4/);
    const [[name], [, wrong]] = signatures;
    refused({ ...asked.confirmations, [name]: wrong }, /not for these members/);
    refused({ ...asked.confirmations, [name]: 'x' }, /not for these members/);
    refused({ ...asked.confirmations, x: wrong }, /not for these members/);
    expect(members[0].unmask(asked).kind).toBe('unmask');
  });

  it('to confirm overlapping sets, its own absence, strangers, or too few', async () => {
    const { members, instructions } = await updating();
    const [member] = members;
    const names = clients.map(({ name }) => name).sort();
    const refused = (survivors: string[], dropped: string[]) =>
      expect(() => member.confirm({ survivors, dropped })).toThrow(expect.objectContaining({ code: 'UNMASK_REFUSED' }));
    refused(names, []);
    await member.update(instructions[0], integersOf(0, 50));
    refused(names, [names[1]]);
    refused(names.slice(1), []);
    const own = clients[0].name;
    refused(
      names.filter((name) => name !== own),
      [own],
    );
    const others = names.filter((name) => name !== own);
    refused([own, others[0]].sort(), others.slice(1));
  });

  it('two updates under one mask', async () => {
    const { members, instructions } = await updating();
    const first = await members[0].update(instructions[0], integersOf(0, 50));
    expect(await members[0].update(instructions[0], integersOf(0, 50))).toEqual(first);
    await expect(members[0].update(instructions[0], integersOf(1, 50))).rejects.toThrow(/another update/);
    const fewer = { ...instructions[0], senders: instructions[0].senders!.slice(1) };
    await expect(members[0].update(fewer, integersOf(0, 50))).rejects.toThrow(FederatedError);
  });

  it('rosters that are too small, forged, without itself, or with strangers', async () => {
    const { members, keys } = await updating();
    const [member] = members;
    const refused = async (roster: readonly MessageOf<'join'>[], message: RegExp, from = member) => {
      await expect(from.shares({ phase: 'keys', roster })).rejects.toThrow(message);
    };
    await refused(keys.roster.slice(0, 2), /has 2 members/);
    await refused(
      keys.roster.map((join) => ({ ...join, examples: join.examples + 1 })),
      /wrong signature/,
    );
    await refused(
      keys.roster.filter(({ client }) => client !== clients[0].name),
      /lacks this client/,
    );
    await refused([...keys.roster.slice(0, 5), keys.roster[0]], /twice/);
    const careful = SecureMember.join(config, clients[0], 5, new Set([clients[0].name, clients[1].name]));
    await refused(keys.roster, /not trusted/, careful);
    // a client trusts itself: the list may have the others only
    const others = new Set(clients.slice(1).map(({ name }) => name));
    await refused(keys.roster, /has other keys for it/, SecureMember.join(config, clients[0], 5, others));
  });
});

describe('neighbours', () => {
  it('are all others in small cohorts, and a majority must remain', () => {
    expect(defaultNeighbours(4)).toEqual({ neighbours: 3, threshold: 2 });
    expect(defaultNeighbours(100)).toEqual({ neighbours: 50, threshold: 26 });
  });
});
