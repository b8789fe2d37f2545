/** A version of asynchronous training: who may join and send, what is refused, what is carried over, and replay. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../core/random.ts';
import { decodeUpdate, encodeUpdate } from '../client/compression.ts';
import { BufferedRound, type Carried } from './bufferedRound.ts';
import type { RoundMessage } from './messages.ts';
import type { Receipt, RoundEvent } from './protocol.ts';
import { checkRoundConfig, type RoundConfig } from './roundConfig.ts';
import { DEADLINE, roundConfig } from './testRounds.ts';

const configOf = (version: number, changes: object = {}): RoundConfig =>
  roundConfig(3, {
    id: `test-${version}`,
    mode: 'visible',
    secure: undefined,
    parameters: 1,
    minimumCohort: 2,
    asynchronous: { maximumStaleness: 2, concurrency: 6 },
    task: { round: version },
    ...changes,
  });
const nameOf = (client: string | number) => String(client).padStart(64, '0');
const head = (client: string | number, version: number) => ({
  round: `test-${version}`,
  client: nameOf(client),
  signature: '',
});
const join = (client: string | number, version: number, examples = 1): RoundMessage => ({
  kind: 'join',
  ...head(client, version),
  examples,
});
const update = (client: string | number, version: number, value = version): RoundMessage => ({
  kind: 'update',
  ...head(client, version),
  body: encodeUpdate(Float32Array.of(value), {}, seededRandom(1)),
});
const withdraw = (client: string | number, version: number): RoundMessage => ({
  kind: 'withdraw',
  ...head(client, version),
});

/** Versions one after the other, as a server plays them. */
class Versions {
  version = 1;
  round: BufferedRound;
  now = 0;

  constructor(readonly changes: object = {}) {
    this.round = new BufferedRound(configOf(1, changes), 0);
  }

  send(...messages: RoundMessage[]): Receipt[] {
    return messages.map((message) => this.round.apply({ kind: 'message', at: this.now, message }));
  }

  /** Ends this version and opens the next. @returns the one that ended */
  next(): BufferedRound {
    const ended = this.round;
    if (ended.isComplete) ended.apply({ kind: 'close', at: this.now });
    this.version++;
    // as a journal keeps it
    const carried = JSON.parse(JSON.stringify(ended.carried)) as Carried;
    this.round = new BufferedRound(configOf(this.version, this.changes), this.now, carried);
    return ended;
  }

  fill(clients: readonly string[]): void {
    for (const client of clients) this.send(join(client, this.version), update(client, this.version));
    this.next();
  }
}
const accepted = { status: 'accepted' };

describe('an asynchronous version', () => {
  it('trains its members at once, and is complete with `cohort` updates', () => {
    const versions = new Versions();
    const { round } = versions;
    expect(round.instructionFor(nameOf('a'))).toEqual({ phase: 'open' });
    expect(versions.send(join('a', 1), join('b', 1), join('c', 1), join('d', 1))).toEqual(Array(4).fill(accepted));
    expect(round.instructionFor(nameOf('a'))).toEqual({ phase: 'update' });
    versions.send(update('c', 1), update('a', 1));
    expect(round.instructionFor(nameOf('a'))).toEqual({ phase: 'wait', for: 'update' });
    expect(round.isComplete).toBe(false);
    expect(() => round.visibleUpdates).toThrow(/test-1 is update/);
    versions.send(update('b', 1));
    expect(round.isComplete).toBe(true);
    expect(versions.send(update('d', 1))).toMatchObject([{ code: 'TOO_EARLY' }]);
    expect(round.visibleUpdates.map(({ client }) => client)).toEqual(['a', 'b', 'c'].map(nameOf));
    expect(round.apply({ kind: 'close', at: 0 })).toEqual(accepted);
    expect(round.phase).toBe('closed');
    expect(versions.send(update('d', 1))).toMatchObject([{ code: 'TOO_LATE' }]);
    expect(round.apply({ kind: 'abort', at: 0, reason: '' })).toMatchObject({ code: 'TOO_LATE' });
  });

  it('takes updates of members of earlier versions, and says how stale they are', () => {
    const versions = new Versions();
    versions.send(join('slow', 1, 7), join('slower', 1));
    versions.fill(['a', 'b', 'c']);
    versions.fill(['a', 'b', 'c']);
    const { round } = versions;
    expect(round.training).toBe(2);
    expect(round.instructionFor(nameOf('slow'))).toEqual({ phase: 'update' });
    expect(round.configFor(nameOf('slow')).id).toBe('test-1');
    expect(round.configFor(nameOf('a')).id).toBe('test-3');
    expect(round.hashOf('test-1')).not.toBe(round.hashOf('test-3'));
    expect(versions.send(update('slow', 1), join('slow', 3))).toMatchObject([accepted, { code: 'TOO_EARLY' }]);
    expect(round.contributors).toEqual([{ client: nameOf('slow'), examples: 7, staleness: 2 }]);
    versions.send(join('a', 3), update('a', 3), join('b', 3), update('b', 3));
    // the third version after the one that they joined takes nothing any more
    const ended = versions.next();
    expect(ended.dropouts).toMatchObject({ update: 1 });
    expect(versions.round.training).toBe(0);
    expect(versions.round.hashOf('test-1')).toBeUndefined();
    expect(versions.send(update('slower', 1))).toEqual([
      { status: 'refused', code: 'TOO_LATE', reason: 'version test-1 is more than 2 versions older than test-4' },
    ]);
    expect(versions.send(join('slow', 4), join('slower', 4))).toEqual([accepted, accepted]);
  });

  it('refuses messages of other federations and of later versions', () => {
    const { round } = new Versions();
    for (const id of ['test-2', 'other-0', 'test', 'test-x'])
      expect(round.refusalOf(id)).toMatchObject({ code: 'WRONG_ROUND' });
    const message = { ...join('a', 1), round: 'test-2' };
    expect(round.apply({ kind: 'message', at: 0, message })).toMatchObject({ code: 'WRONG_ROUND' });
  });

  it('knows copies of messages, and refuses other ones', () => {
    const versions = new Versions();
    versions.send(join('slow', 1), join('a', 1), update('a', 1, 5));
    expect(versions.send(join('a', 1), update('a', 1, 5))).toEqual(Array(2).fill({ status: 'duplicate' }));
    expect(versions.send(join('a', 1, 2), update('a', 1, 6))).toMatchObject(Array(2).fill({ code: 'CONFLICT' }));
    versions.fill(['b', 'c']);
    expect(versions.send(join('slow', 1), join('slow', 1, 3), join('slow', 2))).toMatchObject([
      { status: 'duplicate' },
      { code: 'CONFLICT' },
      { code: 'CONFLICT', reason: `${nameOf('slow')} still trains from version test-1` },
    ]);
    expect(versions.send(update('a', 1, 5), join('b', 1), join('z', 1))).toMatchObject([
      { code: 'NOT_A_MEMBER' },
      { code: 'TOO_LATE' },
      { code: 'TOO_LATE', reason: 'version test-1 takes no clients any more: join version test-2' },
    ]);
  });

  it('refuses bad messages', () => {
    const versions = new Versions();
    const keys = { seal: '1'.repeat(64), mask: '2'.repeat(64) };
    const body = new Uint8Array(6);
    versions.send(join('a', 1));
    expect(
      versions
        .send(
          join('b', 1, 1001),
          { ...join('b', 1), keys } as RoundMessage,
          { kind: 'confirm', ...head('a', 1), sum: '0'.repeat(64) },
          { kind: 'update', ...head('a', 1), body },
          { kind: 'update', ...head('a', 1), body: body.subarray(0, 3) },
          update('a', 1, Number.NaN),
          update('b', 1),
          withdraw('b', 1),
        )
        .map(({ code }) => code),
    ).toEqual([
      'BAD_MESSAGE',
      'BAD_MESSAGE',
      'BAD_MESSAGE',
      'TOO_LARGE',
      'BAD_MESSAGE',
      'BAD_MESSAGE',
      'NOT_A_MEMBER',
      'NOT_A_MEMBER',
    ]);
  });

  it('lets at most `concurrency` clients train at a time', () => {
    const versions = new Versions();
    for (let i = 0; i < 6; i++) versions.send(join(i, 1));
    expect(versions.round.instructionFor(nameOf(6))).toEqual({ phase: 'wait', for: 'open' });
    expect(versions.send(join(6, 1))).toMatchObject([{ code: 'TOO_EARLY' }]);
    versions.send(update(0, 1));
    expect(versions.send(join(6, 1))).toEqual([accepted]);
  });

  it('counts no update that was withdrawn, and lets its client join another version', () => {
    const versions = new Versions();
    versions.send(join('old', 1));
    versions.fill(['a', 'b', 'c']);
    versions.send(join('a', 2), update('a', 2), update('old', 1), join('b', 2));
    expect(versions.send(withdraw('a', 2), withdraw('old', 1), withdraw('b', 2))).toEqual(Array(3).fill(accepted));
    expect(versions.send(withdraw('a', 2), update('b', 2), join('c', 2))).toMatchObject([
      { status: 'duplicate' },
      { code: 'NOT_A_MEMBER' },
      accepted,
    ]);
    const { round } = versions;
    expect(round.contributors).toEqual([]);
    expect(round.dropouts.withdrawn).toBe(3);
    // it left an earlier version, so it may train from this one
    expect(round.instructionFor(nameOf('old'))).toEqual({ phase: 'open' });
    expect(round.instructionFor(nameOf('b'))).toEqual({ phase: 'wait', for: 'update' });
    expect(versions.send(join('old', 2))).toEqual([accepted]);
  });

  it('bounds withdrawals, which would fill the journal', () => {
    const versions = new Versions();
    for (let i = 0; i < 6; i++) versions.send(join(i, 1), withdraw(i, 1));
    expect(versions.send(join(7, 1), withdraw(7, 1))).toMatchObject([accepted, { code: 'TOO_LATE' }]);
  });

  it('closes at its deadline with `minimumCohort` updates, or is aborted and its members carry on', () => {
    const versions = new Versions();
    versions.now = DEADLINE / 2;
    versions.send(join('a', 1), update('a', 1), join('b', 1), join('c', 1));
    const { round } = versions;
    round.apply({ kind: 'time', at: DEADLINE - 1 });
    expect(round.phase).toBe('update');
    versions.now = DEADLINE;
    expect(versions.send(update('b', 1))).toMatchObject([{ code: 'TOO_LATE' }]);
    expect(round).toMatchObject({ phase: 'aborted', reason: '1 clients sent updates, expected at least 2' });
    expect(round.contributors).toEqual([]);
    versions.next();
    // the weights have not moved
    versions.send(update('b', 1), update('c', 1));
    expect(versions.round.contributors.map(({ staleness }) => staleness)).toEqual([0, 0]);
    versions.now += DEADLINE;
    versions.round.apply({ kind: 'time', at: versions.now });
    expect(versions.round.isComplete).toBe(true);
  });

  it('drops members that have not sent in time, whose places are free again', () => {
    const versions = new Versions();
    for (let i = 0; i < 5; i++) versions.send(join(i, 1));
    versions.now = DEADLINE - 1;
    versions.send(join('late', 1), update(0, 1), update(1, 1), join('a', 1), update('a', 1));
    const ended = versions.next();
    expect(ended.dropouts.update).toBe(0);
    const { round } = versions;
    expect([round.training, round.deadline]).toEqual([4, DEADLINE]);
    versions.now = DEADLINE;
    expect(round.apply({ kind: 'time', at: DEADLINE })).toEqual(accepted);
    expect([round.training, round.dropouts.update, round.deadline]).toEqual([1, 3, 2 * DEADLINE - 1]);
    expect(round.phase).toBe('update');
    expect(versions.send(update(2, 1), update('late', 1), join(2, 2))).toMatchObject([
      { code: 'TOO_LATE', reason: `${nameOf(2)} joined version test-1 more than ${DEADLINE} ms ago` },
      accepted,
      accepted,
    ]);
  });

  it('is not entered again by a member that it dropped', () => {
    const versions = new Versions();
    // a clock that was set back
    versions.now = -DEADLINE / 2;
    versions.send(join('a', 1));
    versions.now = DEADLINE / 2;
    versions.round.apply({ kind: 'time', at: versions.now });
    expect(versions.round.training).toBe(0);
    expect(versions.round.instructionFor(nameOf('a'))).toEqual({ phase: 'wait', for: 'update' });
    expect(versions.send(join('a', 1))).toEqual([{ status: 'duplicate' }]);
  });

  it('needs mode visible', () => {
    const asynchronous = { maximumStaleness: 1, concurrency: 1 };
    expect(() => roundConfig(5, { asynchronous })).toThrow(/asynchronous is set, but mode is secure/);
    expect(() => checkRoundConfig({ ...configOf(1), asynchronous: { maximumStaleness: -1 } })).toThrow(
      /asynchronous.maximumStaleness.*asynchronous.concurrency/,
    );
  });
});

describe('any order of messages', () => {
  const action = fc.record({
    kind: fc.constantFrom('join', 'join', 'join', 'update', 'update', 'update', 'withdraw', 'time'),
    client: fc.nat(6),
    /** Number of versions before the current one. */
    back: fc.nat(3),
    /** Another one than before is a conflict. */
    value: fc.nat(1),
  });

  it('keeps the invariants, counts each update once, and is replayed to the same state', () => {
    let closed = 0;
    fc.assert(
      fc.property(fc.array(action, { minLength: 50, maxLength: 150 }), (actions) => {
        const versions = new Versions();
        const counted = new Set<string>();
        const sent: RoundMessage[] = [];
        let start: { at: number; carried?: Carried } = { at: 0 };
        let events: RoundEvent[] = [];
        for (const [index, { kind, client, back, value }] of actions.entries()) {
          const { round, version } = versions;
          const at = (versions.now += kind === 'time' ? DEADLINE / 4 : 1);
          const apply = (event: RoundEvent) => {
            events.push(event);
            return round.apply(event);
          };
          if (kind === 'time') apply({ kind, at });
          else {
            const from = Math.max(1, version - back);
            const message = { join, update, withdraw }[kind](client, from, 2 * from + value);
            if (apply({ kind: 'message', at, message }).status === 'accepted') sent.push(message);
            // copies of what was accepted change nothing
            for (const copy of sent.slice(-8))
              expect(apply({ kind: 'message', at, message: copy }).status).not.toBe('accepted');
          }
          expect(round.training).toBeLessThanOrEqual(6);
          expect(round.contributors.length).toBeLessThanOrEqual(3);
          for (const { client: name, staleness } of round.contributors) {
            expect(staleness).toBeLessThanOrEqual(2);
            // nobody trains and has contributed at once
            expect(round.configFor(name)).toBe(round.config);
          }
          const isLast = index === actions.length - 1;
          if (isLast || round.isComplete || round.phase === 'aborted') {
            const replayed = new BufferedRound(round.config, start.at, start.carried);
            for (const event of events) replayed.apply(event);
            expect(stateOf(replayed)).toEqual(stateOf(round));
          }
          if (!round.isComplete && round.phase !== 'aborted') continue;
          if (round.isComplete) {
            closed++;
            expect(round.contributors.length).toBeGreaterThanOrEqual(2);
            for (const { client: name, body } of round.visibleUpdates) {
              const key = `${name} ${decodeUpdate(body, 1)[0] >> 1}`;
              expect(counted).not.toContain(key);
              counted.add(key);
            }
          }
          versions.next();
          start = { at, carried: round.carried };
          events = [];
        }
      }),
      { numRuns: 50 },
    );
    expect(closed).toBeGreaterThan(20);
  });
});

function stateOf(round: BufferedRound) {
  const { phase, deadline, reason, joined, training, contributors, dropouts, isComplete, carried } = round;
  return { phase, deadline, reason, joined, training, contributors, dropouts, isComplete, carried };
}
