/** Federations of a server and several clients, with crashes at every point, dropouts, attackers and budgets. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import {
  Accountant,
  checkSettings,
  FederatedError,
  Federation,
  federationReport,
  fileJournal,
  type Journal,
  localConnection,
  memoryJournal,
  noiseMultiplierFor,
  simulate,
} from '../../src/federated/index.ts';
import { memoryStore, PARAMETERS, participant, pointOf, settings, trainerOf } from './clients.ts';

const weights = new Float32Array(PARAMETERS);

/** Lets all clients take steps in turn until the federation ends; time passes when nobody can act. */
async function play(federation: Federation, clients: { step(): Promise<string> }[], start = 0): Promise<number> {
  let now = start;
  for (let turn = 0; !federation.finished; turn++) {
    if (turn > 1000) throw new Error(`stuck: ${federation.round?.phase}`);
    let acted = false;
    for (const client of clients) if ((await client.step()) === 'acted') acted = true;
    if (!acted && federation.round) await federation.tick((now = federation.round.deadline));
  }
  return now;
}

async function run(changes: object = {}, clients = 5, journal: Journal = memoryJournal()): Promise<Federation> {
  const federation = await Federation.open(checkSettings({ ...settings, ...changes }), { journal, weights }, 0);
  const connection = localConnection(federation, () => 0);
  await play(
    federation,
    Array.from({ length: clients }, (_, i) => participant(connection, i, { allowVisible: true })),
  );
  return federation;
}

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
    expect(federation.report[0]).toMatchObject({ round: 'test-1', outcome: 'closed', contributors: 5, examples: 150 });
    expect(federation.report[0]).not.toHaveProperty('epsilon');
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
    const federation = await Federation.open(checkSettings(given), { journal: memoryJournal(), weights }, 0);
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
      { journal: memoryJournal(), weights },
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
  /** A journal that fails after so many operations, as if the process were killed there. */
  function failing(journal: Journal, after: number): Journal {
    let left = after;
    const spend = () => {
      if (left-- <= 0) throw new Error('killed');
    };
    return {
      ...journal,
      append: async (entry) => {
        spend();
        return journal.append(entry);
      },
      replace: async (snapshot) => {
        spend();
        return journal.replace(snapshot);
      },
    };
  }

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

  it('leaves torn entries, which are dropped, and damaged snapshots, which are refused', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'espalier-journal-'));
    try {
      const journal = await fileJournal(folder);
      await journal.replace(Uint8Array.of(1, 2, 3));
      await journal.append(Uint8Array.of(4));
      await journal.append(Uint8Array.of(5, 6));
      await journal.close();
      const file = join(folder, 'journal-1');
      const whole = await readFile(file);
      for (let cut = 0; cut <= whole.length; cut++) {
        await writeFile(file, whole.subarray(0, cut));
        const read = await fileJournal(folder);
        const { snapshot, entries } = await read.read();
        expect([...snapshot!]).toEqual([1, 2, 3]);
        expect(entries.map((entry) => [...entry])).toEqual(
          [[4], [5, 6]].slice(0, cut < 13 ? 0 : cut < whole.length ? 1 : 2),
        );
        // what follows a torn entry is found
        await read.append(Uint8Array.of(7));
        expect((await read.read()).entries.map((entry) => [...entry]).at(-1)).toEqual([7]);
        await read.close();
      }
      await writeFile(join(folder, 'snapshot'), 'x');
      await expect(fileJournal(folder)).rejects.toThrow(/damaged/);
    } finally {
      await rm(folder, { recursive: true });
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

describe('privacy', () => {
  const privacy = { epsilon: 20, delta: 1e-5, noise: 'distributed', samplingRate: 1, noiseMultiplier: 2 } as const;
  const secure = { clip: 10 };

  it('stops training when the budget is spent, and reports ε', async () => {
    for (const noise of ['distributed', 'central'] as const) {
      const federation = await run({ rounds: 100, weighting: undefined, secure, privacy: { ...privacy, noise } });
      expect(federation.finished).toMatch(/of 20 is spent after \d+ rounds/);
      const { length } = federation.report;
      const epsilonOf = (rounds: number) =>
        new Accountant().add({ noiseMultiplier: 2, samplingRate: 1 }, rounds).epsilon(1e-5);
      expect(federation.report.at(-1)!.epsilon).toBeCloseTo(epsilonOf(length), 6);
      expect(epsilonOf(length + 1)).toBeGreaterThan(20);
      expect(federationReport('x', federation.report)).toContain('ε =');
    }
  });

  it('adds the noise that the accountant counts', async () => {
    // clients that all send nothing: what remains is noise
    const moved: number[] = [];
    const federation = await Federation.open(
      checkSettings({
        ...settings,
        rounds: 20,
        cohort: 4,
        minimumCohort: 4,
        weighting: undefined,
        secure,
        privacy: { ...privacy, epsilon: 1e6 },
      }),
      { journal: memoryJournal(), weights: new Float32Array(500) },
      0,
    );
    const connection = localConnection(federation, () => 0);
    const trainer = { examples: 1, parameters: 500, train: async () => new Float32Array(500) };
    let before = federation.weights;
    const clients = Array.from({ length: 4 }, (_, i) => participant(connection, i, { trainer }));
    await play(federation, clients);
    for (const weight of federation.weights) moved.push(weight);
    before = federation.weights;
    expect(before.length).toBe(500);
    const variance = moved.reduce((sum, value) => sum + value * value, 0) / moved.length;
    // 20 rounds; noise 2 × clip 10 over 4 clients
    const expected = 20 * ((2 * 10) / 4) ** 2;
    expect(variance / expected).toBeGreaterThan(0.75);
    expect(variance / expected).toBeLessThan(1.3);
  });

  it('samples clients, each with the same coin however often it asks', async () => {
    const federation = await Federation.open(
      checkSettings({
        ...settings,
        cohort: 200,
        minimumCohort: 3,
        weighting: undefined,
        privacy: { ...privacy, samplingRate: 0.3 },
      }),
      { journal: memoryJournal(), weights },
      0,
    );
    const names = Array.from({ length: 1000 }, (_, i) => i.toString(16).padStart(64, '0'));
    const chosen = names.filter((name) => federation.status(name).instruction.phase === 'open');
    expect(chosen.length).toBeGreaterThan(230);
    expect(chosen.length).toBeLessThan(370);
    expect(names.filter((name) => federation.status(name).instruction.phase === 'open')).toEqual(chosen);
  });

  it('finds the noise for the rounds by itself', () => {
    expect(noiseMultiplierFor({ epsilon: 8, delta: 1e-5 }, 3, 1)).toBeGreaterThan(0.5);
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
    expect(() => checkSettings({ ...settings, privacy: { epsilon: 1 }, weighting: 'examples' })).toThrow(
      /weighting uniform/,
    );
    expect(() => checkSettings({ ...settings, roundz: 3 })).toThrow(/roundz/);
  });
});
