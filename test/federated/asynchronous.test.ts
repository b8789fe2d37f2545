/** Asynchronous federations: slow and fast clients, crashes of the server at every point, clients that forget, and reports. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { serveFederation } from '../../src/cli/federationServer.ts';
import { seededRandom } from '../../src/core/random.ts';
import {
  checkSettings,
  decodeMessage,
  encodeMessage,
  encodeUpdate,
  Federation,
  federationReport,
  fileJournal,
  httpConnection,
  type Journal,
  localConnection,
  memoryJournal,
  type ParticipantEvent,
  type ParticipantOptions,
  type Receipt,
  stalenessDiscount,
  whatLeaves,
} from '../../src/federated/index.ts';
import { failing, identityOf, PARAMETERS, participant, pointOf, settings, trainerOf, weights } from './clients.ts';

const { secure: _, ...common } = settings;
const settingsOf = (changes: object = {}) =>
  checkSettings({ ...common, mode: 'visible', cohort: 3, minimumCohort: 2, asynchronous: {}, ...changes });
/** Takes messages that are not signed. */
const open = (changes: object = {}, journal: Journal = memoryJournal()) =>
  Federation.open(settingsOf(changes), { journal, weights, signed: false }, 0);

/** A client that does what the server says, and keeps the weights of the version that it joined while others go on. */
class Device {
  readonly #index: number;
  readonly #weights = new Map<string, Float32Array>();

  constructor(index: number) {
    this.#index = index;
  }

  /** Returns its next message, or undefined if it has none. */
  async next(federation: Federation): Promise<Uint8Array | undefined> {
    const { name } = identityOf(this.#index);
    const { config, instruction } = federation.status(name);
    if (!config) return undefined;
    const head = { round: config.id, client: name, signature: '0'.repeat(128) };
    const { examples, train } = trainerOf(this.#index);
    if (instruction.phase === 'open') {
      this.#weights.set(config.id, federation.weights.slice());
      return encodeMessage({ kind: 'join', ...head, examples: Math.min(examples, config.maximumExamples) });
    }
    if (instruction.phase !== 'update') return undefined;
    const update = await train(this.#weights.get(config.id)!, config);
    return encodeMessage({ kind: 'update', ...head, body: encodeUpdate(update, {}, seededRandom(1)) });
  }
}

/** Lets each device join and send an update, or fewer messages. */
async function send(federation: Federation, devices: readonly Device[], messages = 2, now = 0): Promise<void> {
  for (const device of devices)
    for (let i = 0; i < messages; i++) await federation.receive((await device.next(federation))!, now);
}

describe('an asynchronous federation', () => {
  it('moves the weights by updates that are discounted by their staleness', async () => {
    const federation = await open({ rounds: 2 });
    const devices = Array.from({ length: 6 }, (_, i) => new Device(i));
    await send(federation, devices.slice(0, 1), 1);
    await send(federation, devices.slice(1, 4));
    const first = federation.weights;
    first.forEach((value, i) => void expect(value).toBeCloseTo((pointOf(1)[i] + pointOf(2)[i] + pointOf(3)[i]) / 6, 2));
    await send(federation, devices.slice(4));
    expect(federation.finished).toBe('');
    await send(federation, devices.slice(0, 1), 1);
    for (const [i, value] of federation.weights.entries()) {
      const fresh = (pointOf(4)[i] - first[i]) / 2 + (pointOf(5)[i] - first[i]) / 2;
      expect(value).toBeCloseTo(first[i] + (fresh + (stalenessDiscount(1) * pointOf(0)[i]) / 2) / 3, 2);
    }
    expect(federation.report).toMatchObject([
      { contributors: 3, joined: 4, staleness: { mean: 0, maximum: 0 } },
      { contributors: 3, joined: 2, staleness: { mean: 1 / 3, maximum: 1 } },
    ]);
    expect(federation.finished).toBe('all rounds are done');
  });

  it('reports staleness, in HTML only if there is any', async () => {
    const federation = await open({ rounds: 1 });
    await send(
      federation,
      [0, 1, 2].map((i) => new Device(i)),
    );
    const html = federationReport('x', federation.report);
    expect(html).toContain('<th>Staleness</th>');
    expect(html).toContain('<td>0.0, at most 0</td>');
    const lines = federation.report.map(({ staleness: _, ...line }) => line);
    expect(federationReport('x', lines)).not.toContain('Staleness');
  });

  it('goes on after a version with too few updates, whose members carry on', async () => {
    const federation = await open({ rounds: 1 });
    const devices = Array.from({ length: 3 }, (_, i) => new Device(i));
    const end = federation.round!.deadline;
    await send(federation, devices, 1, end - 1);
    await send(federation, devices.slice(0, 1), 1, end - 1);
    await federation.tick(end);
    expect(federation.report).toMatchObject([
      { outcome: 'aborted', reason: '1 clients sent updates, expected at least 2' },
    ]);
    expect(federationReport('x', federation.report)).toContain('colspan="4"');
    await send(federation, devices.slice(1), 1, end);
    await federation.tick(federation.round!.deadline);
    expect(federation.report[1]).toMatchObject({ outcome: 'closed', contributors: 2, staleness: { maximum: 0 } });
  });

  it('is not stopped by clients that take all places and vanish', async () => {
    const journal = memoryJournal();
    const asynchronous = { concurrency: 2 };
    const federation = await open({ rounds: 2, cohort: 2, asynchronous }, journal);
    const devices = Array.from({ length: 4 }, (_, i) => new Device(i));
    const end = federation.round!.deadline;
    await send(federation, devices.slice(0, 2), 1, end - 1);
    const { name } = identityOf(2);
    expect(federation.status(name).instruction).toEqual({ phase: 'wait', for: 'open' });
    await federation.tick(end);
    expect(federation.status(name).instruction).toEqual({ phase: 'wait', for: 'open' });
    await federation.tick(federation.round!.deadline);
    expect(federation.round!.deadline).toBe(2 * end);
    // what the time has changed is in the journal
    const again = await open({ rounds: 2, cohort: 2, asynchronous }, journal);
    for (const each of [federation, again]) expect(each.status(name).instruction).toEqual({ phase: 'open' });
    await send(federation, devices.slice(2), 2, 2 * end - 1);
    expect(federation.report[1]).toMatchObject({ outcome: 'closed', contributors: 2, dropouts: { update: 2 } });
  });

  it('takes clients of robust rules, whom an attacker does not move', async () => {
    const weightsWith = async (rule: string) => {
      const federation = await open({ rounds: 1, cohort: 4, robust: { rule } });
      const devices = Array.from({ length: 3 }, (_, i) => new Device(i));
      await send(federation, devices);
      const head = { round: 'test-1', client: identityOf(3).name, signature: '0'.repeat(128) };
      const body = encodeUpdate(new Float32Array(PARAMETERS).fill(1e9), {}, seededRandom(1));
      for (const message of [
        { kind: 'join', ...head, examples: 1 } as const,
        { kind: 'update', ...head, body } as const,
      ])
        await federation.receive(encodeMessage(message), 0);
      expect(federation.report).toMatchObject([{ outcome: 'closed', contributors: 4 }]);
      return Math.max(...federation.weights);
    };
    expect(await weightsWith('median')).toBeLessThan(5);
    expect(await weightsWith('mean')).toBeGreaterThan(1e8);
  });

  it('trains over HTTP while one client takes longer than three versions', async () => {
    const federation = await Federation.open(
      settingsOf({ rounds: 6, deadlines: { update: 1e6 } }),
      { journal: memoryJournal(), weights },
      Date.now(),
    );
    const server = await serveFederation(federation, { host: '127.0.0.1', port: 0 }, (error) => {
      throw error;
    });
    try {
      const events: ParticipantEvent[] = [];
      const connection = httpConnection(server.url);
      const { train, ...sizes } = trainerOf(0);
      let begin = () => {};
      const begun = new Promise<void>((resolve) => (begin = resolve));
      const slow = participant(connection, 0, {
        allowVisible: true,
        trainer: {
          ...sizes,
          async train(now, config) {
            begin();
            while (federation.report.length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
            return train(now, config);
          },
        },
        onEvent: (event) => events.push(event),
      });
      // the others wait for it then, so that the training does not end without it
      const isReady = () => federation.report.length < 3 || events.length > 1;
      const running = slow.run({ interval: 5 });
      await begun;
      const fast = [1, 2, 3, 4].map((i) => participant(connection, i, { allowVisible: true, isReady }));
      await Promise.all([running, ...fast.map((each) => each.run({ interval: 5 }))]);
      expect(federation.report.map(({ outcome }) => outcome)).toEqual(Array(6).fill('closed'));
      expect(events.slice(0, 2)).toMatchObject([
        { round: 'test-1', sent: 'join', receipt: { status: 'accepted' } },
        { round: 'test-1', sent: 'update', receipt: { status: 'accepted' } },
      ]);
      expect(events.filter((event) => 'error' in event)).toEqual([]);
      expect(federation.report[3].staleness!.maximum).toBe(3);
    } finally {
      await server.close();
      await federation.close();
    }
  });
});

describe('a client of an asynchronous federation', () => {
  const start = async () => {
    const federation = await Federation.open(settingsOf(), { journal: memoryJournal(), weights }, 0);
    const client = (index: number, options: Partial<ParticipantOptions> = {}) =>
      participant(
        localConnection(federation, () => 0),
        index,
        { allowVisible: true, ...options },
      );
    /** Ends the version. */
    const others = async () => {
      for (const each of [1, 2, 3].map((i) => client(i))) for (let i = 0; i < 2; i++) await each.step();
    };
    return { federation, client, others };
  };

  it('that gets the weights of its version no more leaves it without an error, and joins the current one', async () => {
    const { federation, client, others } = await start();
    const events: ParticipantEvent[] = [];
    const late = client(0, { onEvent: (event) => events.push(event) });
    await late.step();
    await others();
    for (let i = 0; i < 3; i++) expect(await late.step()).toBe('acted');
    expect(events.map((event) => ('sent' in event ? [event.round, event.sent, event.receipt.status] : event))).toEqual([
      ['test-1', 'join', 'accepted'],
      ['test-1', 'withdraw', 'accepted'],
      ['test-2', 'join', 'accepted'],
      ['test-2', 'update', 'accepted'],
    ]);
    expect(federation.round!.contributors).toHaveLength(1);
  });

  it('that forgot the version which it joined leaves it, and joins the next one', async () => {
    const { federation, client, others } = await start();
    await client(0).step();
    await others();
    const again = client(0);
    for (let i = 0; i < 3; i++) expect(await again.step()).toBe('acted');
    expect(federation.round!.contributors).toMatchObject([{ client: identityOf(0).name, staleness: 0 }]);
  });

  it.each([
    {
      refused: ['update'],
      expected: ['1 update refused', '1 withdraw accepted', '2 join accepted', '2 update accepted'],
    },
    {
      refused: ['update', 'withdraw'],
      expected: ['1 update refused', '1 withdraw refused', '1 update accepted'],
    },
  ])('goes on after a refusal of its $refused', async ({ refused, expected }) => {
    const { federation, others } = await start();
    const connection = localConnection(federation, () => 0);
    const left = new Set(refused);
    const events: string[] = [];
    const onEvent = (event: ParticipantEvent) =>
      events.push('sent' in event ? `${event.round.slice(-1)} ${event.sent} ${event.receipt.status}` : 'error');
    const send = async (bytes: Uint8Array): Promise<Receipt> =>
      left.delete(decodeMessage(bytes).kind)
        ? { status: 'refused', code: 'BAD_MESSAGE', reason: 'for once' }
        : connection.send(bytes);
    const each = participant({ ...connection, send }, 0, { allowVisible: true, onEvent });
    await each.step();
    await each.step();
    await others();
    for (let i = 0; i < 2; i++) await each.step();
    expect(events).toEqual(['1 join accepted', ...expected]);
  });

  it('is told that no cohort trains together', () => {
    expect(whatLeaves(settingsOf())).toContain('in 3 versions of up to 3 updates');
  });
});

describe('a crash of an asynchronous server', () => {
  const changes = { rounds: 5, asynchronous: { maximumStaleness: 2, concurrency: 5 } };
  /**
   * Plays messages of seven devices in an order that depends on the server's state only. The first two devices are slow.
   * @param survive opens the federation again after it was killed @param reopen is called after each message
   */
  async function play(
    federation: Federation,
    survive?: () => Promise<Federation>,
    reopen: (federation: Federation) => Promise<Federation> = async (same) => same,
  ): Promise<Federation> {
    const random = seededRandom(7);
    const devices = Array.from({ length: 7 }, (_, i) => new Device(i));
    for (let turn = 0; !federation.finished; turn++) {
      if (turn > 5000) throw new Error('stuck');
      const index = random.integer(devices.length);
      const isSlow = index < 2 && random.integer(12) > 0;
      const message = await devices[index].next(federation);
      if (!message || isSlow) continue;
      try {
        await federation.receive(message, 100 * turn);
      } catch (error) {
        expect((error as Error).message).toBe('killed');
        federation = await survive!();
        // the device got no answer and sends the same again
        await federation.receive(message, 100 * turn);
      }
      federation = await reopen(federation);
    }
    return federation;
  }
  const resultOf = ({ weights, report }: Federation) => ({
    weights: [...weights],
    report: report.map(({ round, outcome, joined, contributors, dropouts, staleness, updateNorm }) => {
      return { round, outcome, joined, contributors, dropouts, staleness, updateNorm };
    }),
  });

  it('at any point changes nothing in the result', async () => {
    const expected = resultOf(await play(await open(changes)));
    // there is something to lose: stale updates, and members that are too stale
    expect(Math.max(...expected.report.map(({ staleness }) => staleness?.maximum ?? 0))).toBe(2);
    expect(expected.report.some(({ dropouts }) => dropouts.update > 0)).toBe(true);
    let wasKilled = true;
    for (let after = 2; wasKilled; after++) {
      const journal = memoryJournal();
      wasKilled = false;
      const federation = await play(await open(changes, failing(journal, after)), () => {
        wasKilled = true;
        return open(changes, journal);
      });
      expect(resultOf(federation)).toEqual(expected);
    }
  });

  it('changes nothing if it is started again from files after every message', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'espalier-asynchronous-'));
    try {
      const expected = resultOf(await play(await open(changes)));
      const federation = await play(await open(changes, await fileJournal(folder)), undefined, async (last) => {
        await last.close();
        return open(changes, await fileJournal(folder));
      });
      expect(resultOf(federation)).toEqual(expected);
      await federation.close();
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('settings of an asynchronous federation', () => {
  it('exclude what needs members that start together', () => {
    expect(settingsOf().asynchronous).toEqual({ maximumStaleness: 20, concurrency: 30 });
    expect(settingsOf({ asynchronous: undefined })).not.toHaveProperty('asynchronous');
    expect(() => settingsOf({ mode: 'secure' })).toThrow(/asynchronous needs mode visible/);
    expect(() => settingsOf({ evaluation: {} })).toThrow(/asynchronous excludes evaluation/);
    expect(() => settingsOf({ privacy: { epsilon: 1 } })).toThrow(/asynchronous excludes privacy/);
    expect(() => settingsOf({ asynchronous: { maximumStaleness: 1e9, concurrency: 0 } })).toThrow(
      /asynchronous.maximumStaleness.*asynchronous.concurrency/,
    );
  });
});
