/** What a federation with differential privacy promises: noise, ε, a budget that ends the training. */
import { describe, expect, it } from 'vitest';
import {
  Accountant,
  checkSettings,
  decodeMessage,
  Federation,
  federationReport,
  localConnection,
  memoryJournal,
  noiseMultiplierFor,
} from '../../src/federated/index.ts';
import { mechanismOf } from '../../src/federated/server/roundConfigOf.ts';
import { participant, play, run, samplingKey, settings, trainerOf, weights } from './clients.ts';

describe('privacy', () => {
  const privacy = { epsilon: 20, delta: 1e-5, noise: 'distributed', noiseMultiplier: 2 } as const;
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
    const clients = Array.from({ length: 4 }, (_, i) => participant(connection, i, { trainer }));
    await play(federation, clients);
    const variance = federation.weights.reduce((sum, value) => sum + value * value, 0) / 500;
    // 20 rounds; noise 2 × clip 10 over 4 clients
    const expected = 20 * ((2 * 10) / 4) ** 2;
    expect(variance / expected).toBeGreaterThan(0.75);
    expect(variance / expected).toBeLessThan(1.3);
  });

  it('counts every round in full, for the device that took part most often: groups take turns', async () => {
    const given = { ...settings, cohort: 200, minimumCohort: 3, weighting: undefined, rounds: 7 };
    const checked = checkSettings({ ...given, privacy: { ...privacy, epsilon: 100, groups: 3 } });
    const journal = memoryJournal();
    let federation = await Federation.open(checked, { journal, weights, samplingKey }, 0);
    const connection = localConnection(federation, () => 0);
    const trained = new Map<number, number>();
    const clients = Array.from({ length: 24 }, (_, i) => {
      const trainer = trainerOf(i);
      return participant(connection, i, {
        trainer: {
          ...trainer,
          train: (now, config) => {
            trained.set(i, (trained.get(i) ?? 0) + 1);
            return trainer.train(now, config);
          },
        },
      });
    });
    await play(federation, clients);
    const epsilonOf = (rounds: number) =>
      new Accountant().add({ noiseMultiplier: 2, samplingRate: 1 }, rounds).epsilon(1e-5);
    expect(federation.report.map(({ outcome }) => outcome)).toEqual(Array.from({ length: 7 }, () => 'closed'));
    // the first group has three turns, the others two
    expect(Math.max(...trained.values())).toBe(3);
    expect([...trained.values()].every((turns) => turns >= 2)).toBe(true);
    expect(trained.size).toBe(24);
    expect(federation.report.map(({ epsilon }) => epsilon)).toEqual(
      [1, 1, 1, 2, 2, 2, 3].map((rounds) => expect.closeTo(epsilonOf(rounds), 9)),
    );
    federation = await Federation.open(checked, { journal }, 0);
    expect(federation.epsilon).toBeCloseTo(epsilonOf(3), 9);
    expect(mechanismOf(checkSettings({ ...given, privacy: { epsilon: 8, groups: 3 } }))).toEqual({
      noiseMultiplier: noiseMultiplierFor({ epsilon: 8, delta: 1e-5 }, 3, 1),
      samplingRate: 1,
    });
  });

  it('lets no device say how many examples it has', async () => {
    const journal = memoryJournal();
    const federation = await Federation.open(
      checkSettings({ ...settings, weighting: undefined, privacy }),
      { journal, weights },
      0,
    );
    const sent: number[] = [];
    const connection = localConnection(federation, () => 0);
    const watched = {
      ...connection,
      send: (bytes: Uint8Array) => {
        const message = decodeMessage(bytes);
        if (message.kind === 'join') sent.push(message.examples);
        return connection.send(bytes);
      },
    };
    await participant(watched, 4).step();
    expect(sent).toEqual([1]);
  });

  it('finds the noise for the rounds by itself', () => {
    expect(noiseMultiplierFor({ epsilon: 8, delta: 1e-5 }, 3, 1)).toBeGreaterThan(0.5);
  });
});
