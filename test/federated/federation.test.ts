/** Federations of a server and several clients, with crashes at every point, dropouts, attackers and budgets. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import {
  checkSettings,
  FederatedError,
  Federation,
  federationReport,
  fileJournal,
  localConnection,
  memoryJournal,
  simulate,
} from '../../src/federated/index.ts';
import {
  failing,
  memoryStore,
  participant,
  play,
  pointOf,
  run,
  samplingKey,
  settings,
  trainerOf,
  weights,
} from './clients.ts';

/** The weights that plain averaging gives. */
function averaged(rounds: number, clients: number[]): number[] {
  let now = Array.from(weights);
  for (let round = 0; round < rounds; round++)
    now = now.map(
      (weight, i) =>
        weight + clients.reduce((sum, client) => sum + (pointOf(client)[i] - weight) / 2, 0) / clients.length,
    );
  return now;
}

describe('a federation', () => {
  it('moves the weights by the mean update, round by round, and reports it', async () => {
    const federation = await run();
    const expected = averaged(3, [0, 1, 2, 3, 4]);
    federation.weights.forEach((weight, i) => void expect(weight).toBeCloseTo(expected[i], 2));
    expect(federation.finished).toBe('all rounds are done');
    expect(federation.report).toHaveLength(3);
    expect(federation.report[0]).toMatchObject({ round: 'test-1', outcome: 'closed', contributors: 5 });
    expect(federation.report[0]).not.toHaveProperty('epsilon');
    expect(federation.report[0]).not.toHaveProperty('examples');
    const html = federationReport('<test>', federation.report);
    expect(html).toContain('&#60;test&#62;');
    expect(html).not.toContain('ε =');
  });

  it('gives the same weights when updates are visible', async () => {
    const secure = await run();
    const visible = await run({ mode: 'visible', secure: undefined });
    visible.weights.forEach((weight, i) => void expect(weight).toBeCloseTo(secure.weights[i], 2));
  });

  it('weights by examples, up to the maximum', async () => {
    const federation = await run({ weighting: 'examples', rounds: 1, maximumExamples: 30 });
    const shares = [10, 20, 30, 30, 30];
    expect(federation.report[0].examples).toBe(120);
    for (const [i, weight] of federation.weights.entries()) {
      const sum = shares.reduce((total, share, client) => total + (share / 120) * (pointOf(client)[i] / 2), 0);
      expect(weight).toBeCloseTo(sum, 2);
    }
  });

  it('goes on without clients that vanish, and says why a round was aborted', async () => {
    const federation = await Federation.open(
      checkSettings({ ...settings, rounds: 1 }),
      { journal: memoryJournal(), weights },
      0,
    );
    const connection = localConnection(federation, () => 0);
    const clients = Array.from({ length: 5 }, (_, i) => participant(connection, i));
    for (const client of clients) await client.step();
    // one leaves after it joined: each of the others has three neighbours left, which can still unmask
    await play(federation, clients.slice(1));
    expect(federation.report).toMatchObject([{ outcome: 'closed', joined: 5, contributors: 4 }]);

    const lonely = await Federation.open(checkSettings(settings), { journal: memoryJournal(), weights }, 0);
    await lonely.tick(10_000);
    expect(lonely.report[0]).toMatchObject({ outcome: 'aborted', reason: '0 clients joined, expected at least 3' });
    expect(lonely.round!.config.id).toBe('test-2');
  });

  it('lets a client withdraw, and counts its update no more', async () => {
    const federation = await Federation.open(
      checkSettings({ ...settings, rounds: 1 }),
      { journal: memoryJournal(), weights },
      0,
    );
    const connection = localConnection(federation, () => 0);
    const clients = Array.from({ length: 5 }, (_, i) => participant(connection, i));
    for (const client of clients) await client.step();
    await clients[0].withdraw();
    await play(federation, clients);
    expect(federation.report[0].contributors).toBe(4);
  });

  it('is refused by a client that does not want to show its update, or to be summed with few others', async () => {
    const visible = await Federation.open(
      checkSettings({ ...settings, mode: 'visible', secure: undefined }),
      { journal: memoryJournal(), weights },
      0,
    );
    await expect(participant(localConnection(visible), 0).step()).rejects.toMatchObject({ code: 'NOT_ALLOWED' });
    const secure = await Federation.open(checkSettings(settings), { journal: memoryJournal(), weights }, 0);
    const careful = participant(localConnection(secure), 0, { minimumCohort: 10 });
    await expect(careful.step()).rejects.toThrow(/expected at least 10/);
  });

  it('refuses forged messages and counts them in the report', async () => {
    const federation = await Federation.open(
      checkSettings({ ...settings, rounds: 1 }),
      { journal: memoryJournal(), weights },
      0,
    );
    const connection = localConnection(federation, () => 0);
    const forging = {
      ...connection,
      send: (bytes: Uint8Array) => {
        const copy = bytes.slice();
        copy[copy.length - 10] ^= 1;
        return connection.send(copy);
      },
    };
    await participant(forging, 4).step();
    expect(await federation.receive(new Uint8Array(3), 0)).toMatchObject({ status: 'refused', code: 'BAD_MESSAGE' });
    await play(
      federation,
      Array.from({ length: 5 }, (_, i) => participant(connection, i)),
    );
    expect(federation.report[0].contributors).toBe(5);
    expect(Object.values(federation.report[0].refused).reduce((sum, count) => sum + count, 0)).toBe(2);
  });
});

describe('an evaluation', () => {
  const evaluation = { every: 2, devices: 0.4, cohort: 3 };
  const changes = { rounds: 3, cohort: 4, minimumCohort: 3, evaluation };
  /** The loss of a client is the distance of the first weight to its own. */
  const evaluating = (client: number) => ({
    ...trainerOf(client),
    evaluate: async (now: Float32Array) => Math.abs(pointOf(client)[0] - now[0]),
  });

  it.each(['secure', 'visible'] as const)('reports the mean loss of devices that never train: %s', async (mode) => {
    const given = { ...settings, ...changes, mode, ...(mode === 'visible' && { secure: undefined }) };
    const federation = await Federation.open(
      checkSettings(given),
      { journal: memoryJournal(), weights, samplingKey },
      0,
    );
    const connection = localConnection(federation, () => 0);
    const [trained, evaluated] = [new Set<number>(), new Set<number>()];
    const before: Float32Array[] = [];
    const clients = Array.from({ length: 24 }, (_, i) => {
      const { train, evaluate, ...sizes } = evaluating(i);
      return participant(connection, i, {
        allowVisible: true,
        trainer: {
          ...sizes,
          train: (now, config) => {
            trained.add(i);
            return train(now, config);
          },
          evaluate: (now) => {
            evaluated.add(i);
            before.push(now.slice());
            return evaluate(now);
          },
        },
      });
    });
    await play(federation, clients);
    expect(federation.report.map(({ kind, outcome }) => [kind, outcome])).toEqual([
      ['train', 'closed'],
      ['train', 'closed'],
      ['evaluate', 'closed'],
      ['train', 'closed'],
      ['evaluate', 'closed'],
    ]);
    expect([...evaluated].filter((client) => trained.has(client))).toEqual([]);
    expect(federation.weights).toEqual(before.at(-1));
    const line = federation.report[2];
    expect(line).toMatchObject({ contributors: 3 });
    const losses = [...evaluated].map((client) => Math.abs(pointOf(client)[0] - before[0][0]));
    expect(line.loss).toBeGreaterThanOrEqual(Math.min(...losses) - 1e-4);
    expect(line.loss).toBeLessThanOrEqual(Math.max(...losses) + 1e-4);
    expect(federationReport('x', federation.report)).toContain('Loss of held-out devices');
  });

  it('is left out by clients that cannot evaluate, and by nobody who trains', async () => {
    const federation = await Federation.open(
      checkSettings({ ...settings, ...changes }),
      { journal: memoryJournal(), weights, samplingKey },
      0,
    );
    const connection = localConnection(federation, () => 0);
    await play(
      federation,
      Array.from({ length: 24 }, (_, i) => participant(connection, i)),
    );
    expect(federation.report.filter(({ kind }) => kind === 'evaluate')).toMatchObject([
      { outcome: 'aborted', joined: 0 },
      { outcome: 'aborted', joined: 0 },
    ]);
    expect(federation.report.filter(({ kind, outcome }) => kind === 'train' && outcome === 'closed')).toHaveLength(3);
  });

  it('excludes privacy, and needs enough devices to hide in', () => {
    expect(() => checkSettings({ ...settings, weighting: undefined, evaluation, privacy: { epsilon: 1 } })).toThrow(
      /excludes privacy/,
    );
    expect(() => checkSettings({ ...settings, evaluation: { cohort: 2 } })).toThrow(/evaluation.cohort is 2/);
  });
});

describe('a network that repeats, delays and reorders', () => {
  it('changes nothing: 100 copies of every message, at once and in later phases and rounds', async () => {
    const expected = (await run({ rounds: 2 })).weights;
    const federation = await Federation.open(
      checkSettings({ ...settings, rounds: 2 }),
      { journal: memoryJournal(), weights },
      0,
    );
    const connection = localConnection(federation, () => 0);
    const sent: Uint8Array[] = [];
    const random = seededRandom(5);
    const statuses: Record<string, number> = {};
    const repeating = {
      ...connection,
      send: async (message: Uint8Array) => {
        const first = await connection.send(message);
        sent.push(message.slice());
        for (let copy = 0; copy < 100; copy++) {
          const { status } = await connection.send(copy < 50 ? message : sent[random.integer(sent.length)]);
          statuses[status] = (statuses[status] ?? 0) + 1;
        }
        return first;
      },
    };
    await play(
      federation,
      Array.from({ length: 5 }, (_, i) => participant(repeating, i)),
    );
    expect(federation.weights).toEqual(expected);
    expect(federation.report).toHaveLength(2);
    // a copy is known, or too late
    expect(Object.keys(statuses).sort()).toEqual(['duplicate', 'refused']);
  });
});

describe('a crash', () => {
  it('of the server at any point, and of the clients with it, changes nothing in the result', async () => {
    const expected = (await run({ rounds: 2 })).weights;
    let survived = 0;
    for (let after = 2; survived < 1; after += 3) {
      const journal = memoryJournal();
      const stores = Array.from({ length: 5 }, memoryStore);
      let federation = await Federation.open(
        checkSettings({ ...settings, rounds: 2 }),
        { journal: failing(journal, after), weights },
        0,
      );
      const clients = () =>
        stores.map((store, i) =>
          participant(
            localConnection(federation, () => 0),
            i,
            { store },
          ),
        );
      try {
        await play(federation, clients());
        survived++;
      } catch (error) {
        expect((error as Error).message).toBe('killed');
        await expect(federation.tick(1e9)).rejects.toThrow('killed');
        federation = await Federation.open(checkSettings({ ...settings, rounds: 2 }), { journal, weights }, 0);
        // the clients were killed, too, and have only what they stored
        await play(federation, clients());
      }
      expect(federation.report.every(({ outcome }) => outcome === 'closed')).toBe(true);
      expect(federation.weights).toEqual(expected);
    }
  });

  it('does not lose a federation in files', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'espalier-journal-'));
    try {
      const expected = (await run()).weights;
      let federation = await Federation.open(
        checkSettings(settings),
        { journal: await fileJournal(folder), weights },
        0,
      );
      const stores = Array.from({ length: 5 }, memoryStore);
      while (!federation.finished) {
        for (const [i, store] of stores.entries()) {
          await participant(
            localConnection(federation, () => 0),
            i,
            { store },
          ).step();
          await federation.close();
          federation = await Federation.open(checkSettings(settings), { journal: await fileJournal(folder) }, 0);
        }
      }
      expect(federation.weights).toEqual(expected);
      expect(federation.report).toHaveLength(3);
      await federation.close();
      const other = checkSettings({ ...settings, rounds: 9 });
      await expect(Federation.open(other, { journal: await fileJournal(folder) }, 0)).rejects.toThrow(/other settings/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('a simulation', () => {
  const simulated = (rule: string | undefined, attackers: number) =>
    simulate(
      checkSettings({
        ...settings,
        mode: 'visible',
        secure: undefined,
        rounds: 10,
        cohort: 20,
        ...(rule && { robust: { rule } }),
      }),
      {
        clients: 10_000,
        weights,
        train: async (client, now) => {
          const pulled = now.map((weight) => (1 - weight) / 2);
          return client % 100 < attackers ? pulled.map((value) => -10 * value) : pulled;
        },
      },
    );

  it('reaches the same result every time', async () => {
    const [first, second] = [await simulated(undefined, 0), await simulated(undefined, 0)];
    expect(first.weights[0]).toBeCloseTo(1, 2);
    expect(second.weights).toEqual(first.weights);
  });

  it.each(['median', 'trimmedMean', 'krum'])(
    'is not broken by 20%% attackers with %s, but is without',
    async (rule) => {
      expect(Math.abs((await simulated(rule, 20)).weights[0] - 1)).toBeLessThan(0.1);
      expect(Math.abs((await simulated(undefined, 20)).weights[0] - 1)).toBeGreaterThan(1);
    },
  );

  it('refuses to pretend secrecy', async () => {
    await expect(
      simulate(checkSettings(settings), { clients: 5, weights, train: async () => weights }),
    ).rejects.toThrow(FederatedError);
  });
});

describe('settings', () => {
  it('name all problems at once', () => {
    expect(() => checkSettings({ cohort: 2, rounds: 0 })).toThrow(/rounds.*training|training.*rounds/);
    expect(() => checkSettings({ ...settings, mode: 'visible', privacy: { epsilon: 1 } })).toThrow(
      /privacy needs mode secure/,
    );
    expect(() => checkSettings({ ...settings, robust: { rule: 'median' } })).toThrow(/robust needs mode visible/);
    expect(() => checkSettings({ ...settings, weighting: 'examples', robust: { rule: 'krum' } })).toThrow(
      /krum needs weighting/,
    );
    expect(() => checkSettings({ ...settings, privacy: { epsilon: 1 }, weighting: 'examples' })).toThrow(
      /weighting uniform/,
    );
    expect(() => checkSettings({ ...settings, roundz: 3 })).toThrow(/roundz/);
  });
});
