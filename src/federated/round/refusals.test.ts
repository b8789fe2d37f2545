/** What a round refuses: messages of the wrong time, of strangers, with bad keys, updates or shares, and contradictory settings. */
import { x25519 } from '@noble/curves/ed25519.js';
import { describe, expect, it } from 'vitest';
import { encodeUpdate } from '../client/compression.ts';
import { bytesToHex } from '../encoding.ts';
import { FederatedError } from '../federatedError.ts';
import { SecureMember } from '../secure/secureMember.ts';
import { unmask } from '../secure/unmask.ts';
import { signMessage, type UnsignedMessage } from './messages.ts';
import { Round } from './round.ts';
import { checkRoundConfig, configHash } from './roundConfig.ts';
import { DEADLINE, identities, messagesOf, playRound, range, roundConfig, sumOf } from './testRounds.ts';

/** Points of low order on Curve25519, and one of them as p + 1 (https://cr.yp.to/ecdh.html#validate). */
const lowOrder = [
  '00'.repeat(32),
  `01${'00'.repeat(31)}`,
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  `ec${'ff'.repeat(30)}7f`,
  `ed${'ff'.repeat(30)}7f`,
  `ee${'ff'.repeat(30)}7f`,
];

describe('a round refuses', () => {
  const clients = identities(5);
  const config = roundConfig(4);
  const joined = (round: Round, from = config) => {
    const members = clients.slice(0, 4).map((client) => SecureMember.join(from, client, 5));
    for (const { joinMessage: message } of members) round.apply({ kind: 'message', at: 0, message });
    return members;
  };

  it('a client that counts more examples than a client may', () => {
    const round = new Round(config, 0);
    const { joinMessage: message } = SecureMember.join(config, clients[0], 1001);
    expect(round.apply({ kind: 'message', at: 0, message })).toEqual({
      status: 'refused',
      code: 'BAD_MESSAGE',
      reason: `${clients[0].name} counts 1001 examples, expected at most 1000`,
    });
  });

  it('keys of low order, one key for both purposes, and keys of another client, and goes on with the others', () => {
    const round = new Round(config, 0);
    const send = (keys: { seal: string; mask: string }, i: number) => {
      const join = { kind: 'join', round: config.id, client: clients[i].name, examples: 5, keys } as const;
      return round.apply({
        kind: 'message',
        at: 0,
        message: signMessage(join, configHash(config), clients[i].secretKey),
      });
    };
    const fresh = () => bytesToHex(x25519.getPublicKey(x25519.utils.randomSecretKey()));
    const honest = { seal: fresh(), mask: fresh() };
    expect(send(honest, 0).status).toBe('accepted');
    const respelled = `${honest.seal.slice(0, 62)}${(Number.parseInt(honest.seal.slice(62), 16) | 0x80).toString(16)}`;
    const [seal, mask] = [fresh(), fresh()];
    const bad = [
      [{ seal, mask: seal }, /one key for both purposes/],
      [{ seal, mask: honest.mask }, /a key of/],
      [{ seal: honest.mask, mask }, /a key of/],
      [{ seal, mask: honest.seal }, /a key of/],
      [{ seal: respelled, mask }, /no usable X25519 key/],
      ...lowOrder.flatMap((low) => [
        [{ seal: low, mask }, /no usable X25519 key/] as const,
        [{ seal, mask: low }, /no usable X25519 key/] as const,
      ]),
    ] as const;
    for (const [keys, reason] of bad) {
      const receipt = send(keys, 1);
      expect(receipt).toMatchObject({ status: 'refused', code: 'BAD_MESSAGE' });
      expect(receipt.reason).toMatch(reason);
    }
    expect(round.joined).toBe(1);
    for (const i of [1, 2, 3]) expect(send({ seal: fresh(), mask: fresh() }, i).status).toBe('accepted');
    expect(round.phase).toBe('keys');
  });

  it('withdrawals of strangers, and endless joining and withdrawing', () => {
    const round = new Round(config, 0);
    const withdraw = (i: number, many: readonly { name: string; secretKey: Uint8Array }[]) => {
      const message = { kind: 'withdraw', round: config.id, client: many[i].name } as const;
      return round.apply({
        kind: 'message',
        at: 0,
        message: signMessage(message, configHash(config), many[i].secretKey),
      });
    };
    expect(withdraw(0, clients)).toMatchObject({ status: 'refused', code: 'NOT_A_MEMBER' });
    const many = identities(20);
    const receipts = many.map((client, i) => {
      const { joinMessage: message } = SecureMember.join(config, client, 5);
      const joined = round.apply({ kind: 'message', at: 0, message });
      return [joined.status, withdraw(i, many).status];
    });
    // every client of the cohort may leave; beyond that, those who joined stay and the round goes on with them
    const accepted = receipts.filter(([joined, left]) => joined === 'accepted' || left === 'accepted');
    expect(accepted).toHaveLength(2 * config.cohort);
    expect(round.phase).toBe('keys');
  });

  it('messages of other rounds, of strangers, too early, too late, twice with different content', async () => {
    const round = new Round(config, 0);
    const members = joined(round);
    const stranger = SecureMember.join(config, clients[4], 5).joinMessage;
    expect(round.apply({ kind: 'message', at: 0, message: stranger }).code).toBe('TOO_LATE');
    const other = SecureMember.join(config, clients[0], 5).joinMessage;
    expect(round.apply({ kind: 'message', at: 0, message: other }).code).toBe('CONFLICT');
    expect(round.apply({ kind: 'message', at: 0, message: { ...other, round: 'x' } }).code).toBe('WRONG_ROUND');
    const body = new Uint8Array(200);
    const early = signMessage(
      { kind: 'update', round: config.id, client: clients[0].name, body },
      '',
      clients[0].secretKey,
    );
    expect(round.apply({ kind: 'message', at: 0, message: early }).code).toBe('TOO_EARLY');
    for (const [i, member] of members.entries()) {
      const instruction = round.instructionFor(clients[i].name);
      if (instruction.phase !== 'keys') throw new Error(instruction.phase);
      round.apply({ kind: 'message', at: 0, message: await member.shares(instruction) });
    }
    const strange = { ...early, client: clients[4].name };
    expect(round.apply({ kind: 'message', at: 0, message: strange }).code).toBe('NOT_A_MEMBER');
    const small = { ...early, body: body.subarray(4) };
    expect(round.apply({ kind: 'message', at: 0, message: small }).reason).toBe(
      'the update has 196 bytes, expected 200',
    );
    expect(round.phase).toBe('update');
  });

  it('visible updates with NaN, of another shape, too large or of no known form, and goes on with the others', () => {
    const visible = roundConfig(4, { mode: 'visible', secure: undefined, minimumCohort: 3 });
    const round = new Round(visible, 0);
    const hash = configHash(visible);
    const signed = (message: UnsignedMessage, i: number) => signMessage(message, hash, clients[i].secretKey);
    const head = (i: number) => ({ round: visible.id, client: clients[i].name });
    for (const i of range(4))
      round.apply({ kind: 'message', at: 0, message: signed({ kind: 'join', ...head(i), examples: 5 }, i) });
    const send = (body: Uint8Array, i: number) =>
      round.apply({ kind: 'message', at: 0, message: signed({ kind: 'update', ...head(i), body }, i) });
    const random = { uniform: () => 0.5 };
    const good = encodeUpdate(new Float32Array(50).fill(0.5), {}, random);
    const bad = [
      [encodeUpdate(new Float32Array(50).fill(Number.NaN), {}, random), 'BAD_MESSAGE', /NaN/],
      [encodeUpdate(new Float32Array(50).fill(Number.NEGATIVE_INFINITY), {}, random), 'BAD_MESSAGE', /infinite/],
      [encodeUpdate(new Float32Array(49), {}, random), 'BAD_MESSAGE', /197 bytes, expected 201/],
      [encodeUpdate(new Float32Array(51), {}, random), 'TOO_LARGE', /205 bytes, expected at most 201/],
      [good.with(0, 7), 'BAD_MESSAGE', /7 bits/],
      [new Uint8Array(), 'BAD_MESSAGE', /bits per value/],
    ] as const;
    for (const [body, code, reason] of bad) {
      const receipt = send(body, 0);
      expect(receipt).toMatchObject({ status: 'refused', code });
      expect(receipt.reason).toMatch(reason);
    }
    for (const i of [1, 2, 3]) expect(send(good, i).status).toBe('accepted');
    round.apply({ kind: 'time', at: 10 * DEADLINE });
    expect(round.isComplete).toBe(true);
    expect(round.contributors.map(({ client }) => client)).not.toContain(clients[0].name);
  });

  it('nothing because of a clock that goes back: deadlines never move', () => {
    const round = new Round(config, 1_000_000);
    joined(round);
    const { deadline, phase } = round;
    round.apply({ kind: 'time', at: 0 });
    expect([round.deadline, round.phase]).toEqual([deadline, phase]);
  });

  it('forged shares, and goes on with the others', async () => {
    const wide = roundConfig(6);
    const { events } = await playRound(wide, 6);
    const round = new Round(wide, 0);
    for (const event of events) if (event.kind !== 'message' || event.message.kind !== 'unmask') round.apply(event);
    const [first, ...others] = messagesOf(events, 'unmask');
    const victim = Object.keys(first.seeds)[0];
    const forged = { ...first, seeds: { ...first.seeds, [victim]: btoa('x'.repeat(33)) } };
    expect(round.apply({ kind: 'message', at: 0, message: forged }).reason).toMatch(/differs from the one it was sent/);
    for (const message of others) round.apply({ kind: 'message', at: 0, message });
    expect(await unmask(round.secureSum)).toEqual(sumOf(range(6), 50));
  });

  it('settings that contradict themselves, with all problems', () => {
    const problems = (changes: object) => {
      try {
        roundConfig(4, changes);
      } catch (error) {
        return (error as FederatedError).message;
      }
      return 'none';
    };
    expect(problems({ minimumCohort: 5 })).toMatch(/at most cohort \(4\)/);
    expect(problems({ minimumCohort: 2 })).toMatch(/at least 3/);
    expect(problems({ mode: 'visible' })).toMatch(/secure is set/);
    expect(problems({ secure: undefined })).toMatch(/secure is missing/);
    const secure = { neighbours: 3, threshold: 2, clip: 1, scale: 1e9, noise: 0 };
    expect(problems({ secure })).toMatch(/lower secure.scale/);
    expect(problems({ parameters: 2 ** 40, cohort: 0 })).toMatch(/cohort.*parameters|parameters.*cohort/);
    expect(() => checkRoundConfig(null)).toThrow(FederatedError);
    expect(problems({ maximumLoss: 32, parameters: 2, secure: { ...secure, noise: 3 } })).toMatch(
      /maximumLoss is set, but secure.noise is 3.*; parameters is 2, expected more than 2/,
    );
  });
});
