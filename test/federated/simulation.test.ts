/** Simulations end: with too few clients, with dropouts, with evaluations, and when they are aborted. */
import { describe, expect, it } from 'vitest';
import { checkSettings, type SimulationOptions, simulate } from '../../src/federated/index.ts';
import { settings } from './clients.ts';

const weights = new Float32Array(4);
const visible = (changes: object = {}) =>
  checkSettings({ ...settings, mode: 'visible', secure: undefined, ...changes });
const pull = async (_: number, now: Float32Array) => now.map((weight) => (1 - weight) / 2);

describe('a simulation', () => {
  it('fails by name when rounds are aborted again and again, because of too few clients or of dropouts', async () => {
    await expect(
      simulate(visible({ minimumCohort: 3 }), { clients: 2, weights, train: pull, maximumAborts: 4 }),
    ).rejects.toMatchObject({
      code: 'ABORTED',
      message: '4 rounds in a row were aborted, the last one: 2 clients joined, expected at least 3',
    });
    await expect(simulate(visible(), { clients: 9, weights, train: async () => undefined })).rejects.toThrow(
      /10 rounds in a row were aborted, the last one: 0 members sent updates/,
    );
  });

  it('stops when its signal aborts, by a timer too', async () => {
    const signal = AbortSignal.timeout(50);
    const endless = simulate(visible({ rounds: 1e9, deadlines: { open: 1e6 } }), {
      clients: 9,
      weights,
      train: pull,
      signal,
    });
    await expect(endless).rejects.toMatchObject({ name: 'TimeoutError' });
  });

  it('trains only clients that were accepted, and goes on after rounds that were aborted', async () => {
    const trained = new Map<string, number[]>();
    let asked = 0;
    const { report } = await simulate(visible({ rounds: 2, evaluation: { every: 1, devices: 0.5, cohort: 3 } }), {
      clients: 60,
      weights,
      train: async (client, now, { id }) => {
        trained.set(id, [...(trained.get(id) ?? []), client]);
        return asked++ < 3 ? undefined : pull(client, now);
      },
      evaluate: async (_, now) => 1 - now[0],
    });
    const [first] = report;
    expect(first).toMatchObject({ kind: 'train', outcome: 'aborted', joined: 5, contributors: 0 });
    for (const { kind, round, joined } of report) if (kind === 'train') expect(trained.get(round)).toHaveLength(joined);
  });

  it('evaluates on clients that never train, and repeats its result', async () => {
    const once = async () => {
      const [trained, evaluated] = [new Set<number>(), new Set<number>()];
      const { report } = await simulate(visible({ evaluation: { every: 1, devices: 0.3, cohort: 4 } }), {
        clients: 100,
        weights,
        train: async (client, now) => {
          trained.add(client);
          return pull(client, now);
        },
        evaluate: async (client, now) => {
          evaluated.add(client);
          return client + now[0];
        },
      });
      expect([...evaluated].filter((client) => trained.has(client))).toEqual([]);
      const lines = report.filter(({ kind }) => kind === 'evaluate');
      expect(lines.map(({ outcome, contributors }) => [outcome, contributors])).toEqual(
        Array.from({ length: 3 }, () => ['closed', 4]),
      );
      return lines.map(({ loss }) => loss);
    };
    expect(await once()).toEqual(await once());
    await expect(simulate(visible({ evaluation: {} }), { clients: 100, weights, train: pull })).rejects.toMatchObject({
      code: 'BAD_SETTINGS',
    });
  });
});

describe('an asynchronous simulation', () => {
  const asynchronous = { maximumStaleness: 10, concurrency: 20 };
  const buffered = (changes: object = {}) =>
    visible({ cohort: 10, minimumCohort: 3, rounds: 40, deadlines: { update: 1000 }, asynchronous, ...changes });
  /** A fifth of the clients is ten times slower. */
  const duration = (client: number) => (client % 5 === 0 ? 10_000 : 1000);

  it('repeats its result, and holds no more clients than train at a time', async () => {
    const once = async (seed: number) => {
      const running = new Set<number>();
      let most = 0;
      const found = await simulate(buffered(), {
        clients: 100_000,
        weights,
        seed,
        duration: (client) => {
          running.add(client);
          most = Math.max(most, running.size);
          return duration(client);
        },
        train: async (client, now) => {
          running.delete(client);
          return pull(client, now);
        },
      });
      return { ...found, most };
    };
    const [first, second, other] = [await once(1), await once(1), await once(2)];
    expect(second.weights).toEqual(first.weights);
    expect(second.report.map(({ staleness }) => staleness)).toEqual(first.report.map(({ staleness }) => staleness));
    expect(other.weights).not.toEqual(first.weights);
    expect(first.weights[0]).toBeCloseTo(1, 4);
    expect(first.most).toBe(20);
    for (const { outcome, contributors } of first.report) expect([outcome, contributors]).toEqual(['closed', 10]);
  });

  it('reaches a target in less simulated time than rounds that wait for slow clients', async () => {
    /** Simulated milliseconds until the weights are near the mean of the clients' points. */
    const timeToTarget = async (changes: object): Promise<number> => {
      const controller = new AbortController();
      let time = 0;
      const options: SimulationOptions = {
        clients: 1000,
        weights,
        duration,
        signal: controller.signal,
        train: async (client, now) => now.map((weight) => (1 + (client % 7) / 70 - weight) / 4),
        onRound: ({ milliseconds }, now) => {
          time += milliseconds;
          if (Math.abs(now[0] - 1.043) < 0.03) controller.abort('reached');
        },
      };
      await expect(simulate(buffered({ rounds: 1000, ...changes }), options)).rejects.toBe('reached');
      return time;
    };
    const [synchronous, buffer] = [await timeToTarget({ asynchronous: undefined }), await timeToTarget({})];
    expect(buffer).toBeLessThan(synchronous / 2);
  });

  it('passes over clients that vanish or are too slow, and fails when nobody is left', async () => {
    const { report } = await simulate(buffered({ rounds: 20, asynchronous: { maximumStaleness: 2 } }), {
      clients: 1000,
      weights,
      duration: (client) => (client % 5 === 0 ? 1e6 : 1000 + client),
      train: async (client, now) => (client % 5 === 1 ? undefined : pull(client, now)),
    });
    expect(report.filter(({ outcome }) => outcome === 'closed')).toHaveLength(20);
    expect(report.reduce((sum, { dropouts }) => sum + dropouts.update, 0)).toBeGreaterThan(0);
    const train = async () => undefined;
    await expect(simulate(buffered(), { clients: 50, weights, train })).rejects.toMatchObject({ code: 'ABORTED' });
  });

  it('refuses durations that are none', async () => {
    for (const changes of [{}, { asynchronous: undefined }])
      await expect(
        simulate(buffered(changes), { clients: 50, weights, train: pull, duration: () => Number.NaN }),
      ).rejects.toThrow(/duration/);
  });
});

describe('a simulation with durations', () => {
  it('lasts as long as its slowest member, and loses updates after the deadline', async () => {
    const trained = new Set<number>();
    const { report } = await simulate(visible({ cohort: 4, minimumCohort: 2, rounds: 1, deadlines: { update: 10 } }), {
      clients: 4,
      weights,
      train: async (client, now) => {
        trained.add(client);
        return pull(client, now);
      },
      duration: (client) => (client === 3 ? 10_000 : 1000 * (client + 1)),
    });
    expect(report).toMatchObject([{ contributors: 3, dropouts: { update: 1 }, milliseconds: 10_000 }]);
    // what would come too late is not computed
    expect(trained).not.toContain(3);
    const whole = await simulate(visible({ cohort: 4, minimumCohort: 2, rounds: 1 }), {
      clients: 4,
      weights,
      train: pull,
      duration: (client) => 1000 * (client + 1),
    });
    expect(whole.report).toMatchObject([{ contributors: 4, milliseconds: 4000 }]);
  });
});

describe('the training loss of a simulation', () => {
  const train = async (client: number, now: Float32Array) => ({ update: await pull(client, now), loss: client + 1 });

  it('is reported in rounds, weighted by examples', async () => {
    const settings = visible({ cohort: 4, minimumCohort: 2, rounds: 2, weighting: 'examples' });
    const { report } = await simulate(settings, { clients: 4, weights, train, examples: (client) => client + 1 });
    expect(report.length).toBe(2);
    for (const { trainingLoss } of report) expect(trainingLoss).toBeCloseTo((1 + 4 + 9 + 16) / 10);
  });

  it('is reported in asynchronous versions, and only if as many members know theirs as a round needs', async () => {
    const settings = visible({ cohort: 4, minimumCohort: 3, rounds: 2, asynchronous: { concurrency: 4 } });
    const { report } = await simulate(settings, { clients: 4, weights, train });
    expect(report[0].trainingLoss).toBe(2.5);
    const unsure = await simulate(visible({ cohort: 4, minimumCohort: 4, rounds: 1 }), {
      ...{ clients: 4, weights },
      train: (client, now) => (client === 2 ? pull(client, now) : train(client, now)),
    });
    expect(unsure.report[0]).not.toHaveProperty('trainingLoss');
  });
});
